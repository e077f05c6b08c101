"""The options of the attentions, apart from them so that listing what there is imports nothing heavy."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class SizeOptions:
    """Options of the attentions ``additive``, ``scaled-dot`` and ``coverage``."""

    size: int | None = None
    """How many features query and memory are compared in; as many as the query has if not given."""

    def __post_init__(self) -> None:
        if self.size is not None and self.size < 1:
            raise ValueError(f"size={self.size}: at least 1 expected")


@dataclass(frozen=True)
class MultiheadOptions(SizeOptions):
    """Options of the attention ``multihead``."""

    heads: int = 4
    """How many places it looks at side by side, each in its own share of the features."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.heads < 1:
            raise ValueError(f"heads={self.heads}: at least 1 expected")


@dataclass(frozen=True)
class LocationOptions(SizeOptions):
    """Options of the attention ``location``."""

    width: int = 11
    """How many neighbouring source tokens a filter sees the past weights of; an odd number."""
    filters: int = 10
    """How many filters there are."""
    past: Literal["last", "sum"] = "last"
    """Which weights the filters see: the last query's (Chorowski et al. 2015), or the sum of all so far
    (Shen et al. 2018)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1 or self.width % 2 == 0:
            raise ValueError(f"width={self.width}: an odd number of 1 or more expected")
        if self.filters < 1:
            raise ValueError(f"filters={self.filters}: at least 1 expected")


@dataclass(frozen=True)
class LocalOptions:
    """Options of the attention ``local``."""

    window: int = 10
    """How many source tokens it sees on either side of the place that it predicts."""

    def __post_init__(self) -> None:
        if self.window < 1:  # with 1, the window around any place holds a token
            raise ValueError(f"window={self.window}: at least 1 expected")


@dataclass(frozen=True)
class MonotonicOptions(SizeOptions):
    """Options of the attention ``monotonic``."""

    bias: float = -1.0
    """What the energies' bias starts at; the lower, the further it goes at every query at first."""
    noise: float = 0.0
    """Standard deviation of the noise on the energies in training; 1 makes it decide sharply."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not abs(self.bias) < float("inf"):
            raise ValueError(f"bias={self.bias}: a finite number expected")
        if not 0 <= self.noise < float("inf"):
            raise ValueError(f"noise={self.noise}: a finite number of 0 or more expected")
