"""The cells of xLSTM (Beck et al. 2024, arXiv:2405.04517) for rnngen: sLSTM and mLSTM.

Listings import this module: it names the cells and imports neither torch nor NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec
from rnngen.options import require_range

NEVER = -1e4
"""The stabiliser before the first token: the logarithm of a gate that is as good as shut."""
HIGHEST = 80.0
"""The largest exponent of a divisor, which float32 still holds; what is divided by more is nothing anyway."""


@dataclass(frozen=True)
class XLSTMOptions:
    """The options of both cells."""

    heads: int = 4
    """Memories side by side, which do not see each other within a layer; the hidden size is a multiple."""
    forget_bias: float = 3.0
    """The forget gate's bias before training; above 0 the state is kept for longer."""

    def __post_init__(self) -> None:
        require_range("heads", self.heads, 1)
        require_range("forget_bias", self.forget_bias)


def head_size(hidden_size: int, heads: int) -> int:
    """Return D, the units of a head; ``ValueError`` if they do not come out even."""
    if hidden_size % heads:
        raise ValueError(
            f"hidden {hidden_size} is no multiple of {heads} heads; choose another `hidden` or `heads`"
        )
    return hidden_size // heads


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the cells ``slstm`` and ``mlstm``."""
    return [
        CellSpec(
            name="slstm",
            summary="LSTM with exponential gates and a normalised state (Beck et al. 2024)",
            load="rnngen_xlstm.torch:SLSTM",
            numpy="rnngen_xlstm.numpy:SLSTMStep",
            options=XLSTMOptions,
        ),
        CellSpec(
            name="mlstm",
            summary="matrix memory with exponential gates, parallel over time (Beck et al. 2024)",
            load="rnngen_xlstm.torch:MLSTM",
            numpy="rnngen_xlstm.numpy:MLSTMStep",
            options=XLSTMOptions,
        ),
    ]
