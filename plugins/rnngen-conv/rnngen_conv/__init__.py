"""A gated causal convolution (Dauphin et al. 2017, arXiv:1612.08083) as a cell of rnngen.

Listings import this module: it names the cell and imports neither torch nor NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec
from rnngen.options import require_range


@dataclass(frozen=True)
class ConvOptions:
    """The options of the cell ``conv``."""

    width: int = 4
    """Inputs that a layer sees at once, the newest included; L layers see ``L · (width − 1) + 1`` tokens."""

    def __post_init__(self) -> None:
        require_range("width", self.width, 1)


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the cell ``conv``."""
    return [
        CellSpec(
            name="conv",
            summary="gated convolution over the last inputs (Dauphin et al. 2017), parallel over time",
            load="rnngen_conv.torch:Conv",
            numpy="rnngen_conv.numpy:ConvStep",
            options=ConvOptions,
        )
    ]
