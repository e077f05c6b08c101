"""A recurrent network for rnngen with a slow clock above its layers, as in SampleRNN (Mehri et al. 2017).

Listings import this module: it names the network and imports neither torch nor NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec, NetworkSpec
from rnngen.options import require_range


@dataclass(frozen=True)
class HierarchicalOptions:
    """The options of the network ``hierarchical``."""

    cell: str = "lstm;layer_norm=true"
    """The cell of the fast layers; any recurrent one, with its own options."""
    slow: str = "lstm;layer_norm=true"
    """The slow cell; any recurrent one too."""
    period: int = 4
    """Tokens between two steps of the slow layer, which reads so many at once."""

    def __post_init__(self) -> None:
        require_range("period", self.period, 1)


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the network ``hierarchical``."""
    return [
        NetworkSpec(
            name="hierarchical",
            summary="a slow cell over every few tokens, above fast layers (Mehri et al. 2017)",
            load="rnngen_hierarchical.torch:Hierarchical",
            numpy="rnngen_hierarchical.numpy:HierarchicalStep",
            options=HierarchicalOptions,
            parts={"cell": "cell", "slow": "cell"},
            reads_source=False,
        )
    ]
