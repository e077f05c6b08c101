"""The cell ``gru``: a whole step in one compiled function."""

from typing import Any

import numpy as np

from rnngen.builtins.cells.compiled import Projection, project, sigmoid, zoned
from rnngen.compiled import compiled, tanh
from rnngen.contracts import Floats, State


@compiled
def advance(constants: tuple[Projection, Any], projected: Floats, state: State, after: State) -> None:
    """Take one step: the input's product (B,3H), gates r z n, and the state → the next state.

    Constants are the recurrent projection, and the share of the way from the last to the new output.
    """
    recurrent, new_h = constants
    (h,), (y,) = state, after
    size = h.shape[1]
    products = np.empty((len(h), 3 * size), np.float32)
    project(recurrent, h, products)
    for b in range(len(h)):
        a, gates, out = projected[b], products[b], y[b]
        for j in range(2 * size):
            gates[j] = sigmoid(gates[j] + a[j])
        r, z, n = gates[:size], gates[size : 2 * size], gates[2 * size :]
        for j in range(size):
            candidate = tanh(n[j] * r[j] + a[2 * size + j])
            out[j] = (h[b, j] - candidate) * z[j] + candidate
        zoned(h[b], out, new_h)
