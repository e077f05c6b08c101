"""The options of the cell ``lstm``."""

from dataclasses import dataclass, field, replace
from typing import Self

from rnngen.builtins.cells.options import RegularizedOptions
from rnngen.options import SEARCH, OneOf, Range, require, require_range


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
        useful = self.mogrifier or not self.mogrifier_rank
        require(
            bool(useful),
            f"mogrifier_rank={self.mogrifier_rank} is of no use without mogrifier; give mogrifier=5 too",
        )

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
