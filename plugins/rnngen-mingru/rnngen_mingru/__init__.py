"""The cells of "Were RNNs All We Needed?" (Feng et al. 2024, arXiv:2410.01201) for rnngen.

Their gates look at the input alone, so that a layer is linear in its state and a whole sequence is one
parallel scan. This module is what listings import: it names the cells and imports neither torch nor NumPy.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec

START = 0.5
"""The state before the first token, in every unit: the paper's g(0)."""


@dataclass(frozen=True)
class MinLSTMOptions:
    """The options of the cell ``minlstm``."""

    forget_bias: float = 0.0
    """Added to the forget gate's bias before training; above 0 the state is kept for longer."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.forget_bias):
            raise ValueError(f"forget_bias is {self.forget_bias}; give a finite number, such as 1")


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Bring ``mingru`` and ``minlstm``."""
    return [
        CellSpec(
            name="mingru",
            summary="minimal GRU (Feng et al. 2024), parallel over time",
            load="rnngen_mingru.layers:MinGRU",
            numpy="rnngen_mingru.steps:MinGRUStep",
        ),
        CellSpec(
            name="minlstm",
            summary="minimal LSTM (Feng et al. 2024), length-independent, parallel over time",
            load="rnngen_mingru.layers:MinLSTM",
            numpy="rnngen_mingru.steps:MinLSTMStep",
            options=MinLSTMOptions,
        ),
    ]
