"""The cells of "Were RNNs All We Needed?" (Feng et al. 2024, arXiv:2410.01201) for rnngen.

Their gates look at the input alone, so that a layer is linear in its state and a whole sequence is one
parallel scan. Listings import this module: it names the cells and imports neither torch nor NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec
from rnngen.options import require_range

START = 0.5
"""The state before the first token, in every unit: the paper's g(0)."""


@dataclass(frozen=True)
class MinLSTMOptions:
    """The options of the cell ``minlstm``."""

    forget_bias: float = 0.0
    """Added to the forget gate's bias before training; above 0 the state is kept for longer."""

    def __post_init__(self) -> None:
        require_range("forget_bias", self.forget_bias)


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the cells ``mingru`` and ``minlstm``."""
    return [
        CellSpec(
            name="mingru",
            summary="minimal GRU (Feng et al. 2024), parallel over time",
            load="rnngen_mingru.torch:MinGRU",
            numpy="rnngen_mingru.numpy:MinGRUStep",
        ),
        CellSpec(
            name="minlstm",
            summary="minimal LSTM (Feng et al. 2024), length-independent, parallel over time",
            load="rnngen_mingru.torch:MinLSTM",
            numpy="rnngen_mingru.numpy:MinLSTMStep",
            options=MinLSTMOptions,
        ),
    ]
