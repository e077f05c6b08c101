"""The cell ``rnn`` in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnngen.builtins.cells.options import RNNOptions
from rnngen.builtins.cells.stepwise import HALF, CellStep, zoned
from rnngen.contracts import Floats, State, Weights


class RNNStep(CellStep):
    """An RNN ``h' = φ(W x + U h + b)`` with φ tanh, relu or sigmoid.

    It has zoneout and layer normalisation (``cells.regularized``) if set.
    """

    compiled = "rnngen.builtins.cells.rnn.compiled:advance"

    def __init__(self, weights: Weights, options: RNNOptions) -> None:
        super().__init__(weights, options, [0], [0.5 if options.activation == "sigmoid" else 1.0])
        self.activation = ACTIVATIONS[options.activation]
        self.number = np.int64([*ACTIVATIONS].index(options.activation))
        if not options.has_extras:  # one addition less
            self.merge_biases()

    def constants(self) -> tuple[Any, ...]:
        """Return what the compiled function takes beside the recurrent projection."""
        return self.number, self.new_h

    def step(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """What ``project`` returned and the state → (B,H), state."""
        (h,) = state
        projected, y = self.projections(projected, h)
        y += projected
        self.activation(y)
        y = zoned(h, y, self.new_h)
        return y, (y,)


def _halved_sigmoid(a: Floats) -> None:
    """Apply σ of twice the argument; the weights are halved."""
    np.tanh(a, out=a)
    a *= HALF
    a += HALF


ACTIVATIONS: dict[str, Callable[[Floats], object]] = {
    "tanh": lambda a: np.tanh(a, out=a),
    "relu": lambda a: np.maximum(a, np.float32(0), out=a),
    "sigmoid": _halved_sigmoid,
}
"""Each in place."""
