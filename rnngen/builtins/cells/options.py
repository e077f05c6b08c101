"""The options of the classical cells.

By default a cell is torch's fused one, but for an lstm that trains on a CPU: there layer normalisation is
worth what it costs. Zoneout and a Mogrifier cost a loop over time.
"""

from dataclasses import dataclass, field, replace
from typing import Literal, Self

from rnngen.options import SEARCH, OneOf, Range, require, require_range


@dataclass(frozen=True)
class RegularizedOptions:
    """Options of every classical cell."""

    zoneout_h: float = field(default=0.0, metadata={SEARCH: Range(0.0, 0.2)})
    """The chance of a unit to keep its last output instead of the new one, in training; after training the
    expectation is used (zoneout, Krueger et al. 2017, arXiv 1606.01305). Training is then slower."""
    layer_norm: bool | None = None
    """Normalise the product of the input, that of the last output and, in an lstm, the cell state before the
    output gate (Ba et al. 2016, arXiv 1607.06450). Steps are slower then, and worth more. If not given, an
    lstm that trains on a CPU has it, outside an encoder-decoder."""

    def __post_init__(self) -> None:
        require_range("zoneout_h", self.zoneout_h, 0, 1, below=True)

    @property
    def has_extras(self) -> bool:
        """True if an option is set that torch's fused cells do not have."""
        return bool(self.layer_norm) or self.zoneout_h > 0


@dataclass(frozen=True)
class LSTMOptions(RegularizedOptions):
    """Options of the cell ``lstm``."""

    zoneout_c: float = field(default=0.0, metadata={SEARCH: Range(0.0, 0.3)})
    """The same chance for a unit of the cell state."""
    mogrifier: int = field(default=0, metadata={SEARCH: OneOf((0, 2, 5))})
    """Rounds in which input and last output gate one another before the cell reads them; 5 is the paper's
    (Mogrifier, Melis et al. 2020, arXiv 1909.01792). Training is then slower."""
    mogrifier_rank: int = 0
    """The rank of the Mogrifier's matrices, as products of two thin ones; 0 is full rank."""
    forget_bias: float = field(default=1.0, metadata={SEARCH: Range(0.0, 3.0)})
    """The initial bias of the forget gate; above 0, the cell remembers until it learns to forget."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_range("zoneout_c", self.zoneout_c, 0, 1, below=True)
        require_range("mogrifier", self.mogrifier, 0)
        require_range("mogrifier_rank", self.mogrifier_rank, 0)
        useful = self.mogrifier > 0 or not self.mogrifier_rank
        rank = f"mogrifier_rank={self.mogrifier_rank}"
        require(useful, f"{rank} is of no use without mogrifier; give mogrifier=5 too")

    def with_device_defaults(self, device: str) -> Self:
        """Return the options with layer normalisation decided.

        On tiny Shakespeare, 1×384, three minutes on two cores, it gave 1.439 nats a character in little more
        than half as many steps as the plain cell, which gave 1.472; on 96,000 characters of prose 1.470
        against 1.573. On a GPU torch's fused cell is many times as fast.
        """
        return replace(self, layer_norm=device == "cpu") if self.layer_norm is None else self

    @property
    def has_extras(self) -> bool:
        """True if an option is set that torch's fused cell does not have."""
        return super().has_extras or self.zoneout_c > 0 or self.mogrifier > 0


@dataclass(frozen=True)
class GRUOptions(RegularizedOptions):
    """Options of the cell ``gru``."""


@dataclass(frozen=True)
class RNNOptions(RegularizedOptions):
    """Options of the cell ``rnn``."""

    activation: Literal["tanh", "relu", "sigmoid"] = field(
        default="tanh", metadata={SEARCH: OneOf(("tanh", "relu"))}
    )
    """The nonlinearity of the recurrence."""
