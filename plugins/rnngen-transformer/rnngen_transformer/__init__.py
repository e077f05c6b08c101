"""A causal Transformer (Vaswani et al. 2017, arXiv:1706.03762) as a cell of rnngen.

Listings import this module: it names the cell and imports neither torch nor NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec
from rnngen.options import require_range

BASE = 10_000.0
"""Of the wavelengths of positions, as in both papers."""


@dataclass(frozen=True)
class TransformerOptions:
    """The options of the cell ``transformer``."""

    heads: int = 4
    """Attentions side by side; the hidden size is a multiple of twice as many."""
    window: int = 128
    """Tokens that a layer attends to, its own included; what a layer before has read of others adds to it."""
    widening: int = 4
    """Units of the feed-forward network, for each of the layer's own."""

    def __post_init__(self) -> None:
        for name in ("heads", "window", "widening"):
            require_range(name, getattr(self, name), 1)


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the cell ``transformer``."""
    return [
        CellSpec(
            name="transformer",
            summary="causal Transformer layer (Vaswani et al. 2017); its state is the key-value cache",
            load="rnngen_transformer.torch:Transformer",
            numpy="rnngen_transformer.numpy:TransformerStep",
            options=TransformerOptions,
        )
    ]
