"""The options that the classical cells share.

By default a cell is torch's fused one, but for an lstm that trains on a CPU: there layer normalisation is
worth what it costs. Zoneout and a Mogrifier cost a loop over time.
"""

from dataclasses import dataclass, field

from rnngen.options import SEARCH, Range, require_range


@dataclass(frozen=True)
class RegularizedOptions:
    """Options of every classical cell."""

    zoneout_h: float = field(default=0.0, metadata={SEARCH: Range(0.0, 0.2)})
    """The chance of a unit to keep its last output instead of the new one, in training; after training the
    expectation is used (zoneout, Krueger et al. 2017, arXiv 1606.01305). Training is then slower."""
    layer_norm: bool | None = None
    """Normalise the product of the input, that of the last output and, in an lstm, the cell state before the
    output gate (Ba et al. 2016, arXiv 1607.06450). Steps are slower then, and worth more. If not given, an
    lstm that trains on a CPU has it."""

    def __post_init__(self) -> None:
        require_range("zoneout_h", self.zoneout_h, 0, 1, below=True)

    @property
    def has_extras(self) -> bool:
        """True if an option is set that torch's fused cells do not have."""
        return bool(self.layer_norm) or self.zoneout_h > 0
