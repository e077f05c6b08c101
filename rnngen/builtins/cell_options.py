"""The options of the classical cells, apart from them so that listing what there is imports nothing heavy.

As they stand, a cell is torch's own fused one, but for an lstm that trains on a processor: there layer
normalisation is worth what it costs. Zoneout and a Mogrifier cost a loop.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

from rnngen.options import SEARCH, OneOf, Range


@dataclass(frozen=True)
class GatedOptions:
    """What every classical cell can be given besides its own options."""

    zoneout_h: float = field(default=0.0, metadata={SEARCH: Range(0.0, 0.2)})
    """The chance of a unit to keep its last output instead of the new one, in training; after training the
    expectation is used (zoneout, Krueger et al. 2017, arXiv 1606.01305). Training is then slower."""
    layer_norm: bool | None = None
    """Normalise the product of the input, that of the last output and, in an lstm, what the memory shows
    (Ba et al. 2016, arXiv 1607.06450). Steps are slower then, and worth more. If not given, an lstm that
    trains on a processor has it."""

    def __post_init__(self) -> None:
        _require_share("zoneout_h", self.zoneout_h)

    @property
    def gated(self) -> bool:
        """Whether anything is chosen that torch's fused cells have not."""
        return bool(self.layer_norm) or self.zoneout_h > 0


@dataclass(frozen=True)
class GRUOptions(GatedOptions):
    """Options of the cell ``gru``."""


@dataclass(frozen=True)
class RNNOptions(GatedOptions):
    """Options of the cell ``rnn``."""

    activation: Literal["tanh", "relu", "sigmoid"] = field(
        default="tanh", metadata={SEARCH: OneOf(("tanh", "relu"))}
    )
    """The nonlinearity of the recurrence."""


@dataclass(frozen=True)
class LSTMOptions(GatedOptions):
    """Options of the cell ``lstm``."""

    zoneout_c: float = field(default=0.0, metadata={SEARCH: Range(0.0, 0.3)})
    """The same chance for a unit of the memory."""
    mogrifier: int = field(default=0, metadata={SEARCH: OneOf((0, 2, 5))})
    """How many times input and last output gate one another in turn before the cell reads them; 5 is the
    paper's (Mogrifier, Melis et al. 2020, arXiv 1909.01792). Training is then slower."""
    mogrifier_rank: int = 0
    """The rank of the matrices that do so, as products of two thin ones; 0 is full rank."""
    forget_bias: float = field(default=1.0, metadata={SEARCH: Range(0.0, 3.0)})
    """What the forget gate's bias starts at; above 0, the cell remembers until it learns to forget."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_share("zoneout_c", self.zoneout_c)
        for name, value in (("mogrifier", self.mogrifier), ("mogrifier_rank", self.mogrifier_rank)):
            if value < 0:
                raise ValueError(f"{name}={value}: 0 or more expected")
        if self.mogrifier_rank and not self.mogrifier:
            raise ValueError(
                f"mogrifier_rank={self.mogrifier_rank} is of no use without mogrifier; give mogrifier=5 too"
            )

    def with_device_defaults(self, device: str) -> Self:
        """The options with layer normalisation decided.

        On tiny Shakespeare, 1×384, three minutes on two cores, it gave 1.439 nats a character in little more
        than half as many steps as the plain cell, which gave 1.472; on 96,000 characters of prose 1.470
        against 1.573. On a GPU torch's fused cell is many times as fast.
        """
        return replace(self, layer_norm=device == "cpu") if self.layer_norm is None else self

    @property
    def gated(self) -> bool:
        """Whether anything is chosen that torch's fused cell has not."""
        return super().gated or self.zoneout_c > 0 or self.mogrifier > 0


def _require_share(name: str, share: float) -> None:
    if not 0 <= share < 1:
        raise ValueError(f"{name}={share}: a number from 0 to below 1 expected")
