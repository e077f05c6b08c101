"""The options of the attentions, apart from them so that listing them imports nothing heavy."""

from dataclasses import dataclass
from typing import Literal

from rnngen.options import require, require_range


@dataclass(frozen=True)
class SizeOptions:
    """Options of the attentions ``additive``, ``scaled-dot`` and ``coverage``."""

    size: int | None = None
    """Number of features that query and memory are compared in (A); the query's if not given."""

    def __post_init__(self) -> None:
        require_range("size", self.size, 1)


@dataclass(frozen=True)
class MultiheadOptions(SizeOptions):
    """Options of the attention ``multihead``."""

    heads: int = 4
    """Number of heads, each in its own share of the features."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("heads", self.heads, 1)


@dataclass(frozen=True)
class LocationOptions(SizeOptions):
    """Options of the attention ``location``."""

    width: int = 11
    """Number of neighbouring source tokens whose past weights a filter sees; an odd number."""
    filters: int = 10
    """Number of filters."""
    past: Literal["last", "sum"] = "last"
    """The weights that the filters see: the last query's (Chorowski et al. 2015), or the sum of all so far
    (Shen et al. 2018)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        odd = self.width >= 1 and self.width % 2 == 1
        require(odd, f"width={self.width}: an odd number of 1 or more expected")
        require_range("filters", self.filters, 1)


@dataclass(frozen=True)
class LocalOptions:
    """Options of the attention ``local``."""

    window: int = 10
    """Number of source tokens on either side of the predicted position."""

    def __post_init__(self) -> None:
        require_range("window", self.window, 1)  # with 1, the window around any position holds a token


@dataclass(frozen=True)
class MonotonicOptions(SizeOptions):
    """Options of the attention ``monotonic``."""

    bias: float = -1.0
    """Initial bias of the energies; the lower, the further it moves at every query at first."""
    noise: float = 0.0
    """Standard deviation of the noise on the energies in training; 1 makes its decisions sharp."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("bias", self.bias)
        require_range("noise", self.noise, 0)
