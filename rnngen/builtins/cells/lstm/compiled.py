"""The cell ``lstm``: a whole step in one compiled function."""

from typing import Any

import numpy as np

from rnngen.builtins.cells.compiled import Projection, normalize, project, sigmoid, sum_of_products, zoned
from rnngen.compiled import Vector, compiled, tanh
from rnngen.contracts import Floats, State


@compiled
def advance(
    constants: tuple[Projection, Any, Any, Any], projected: Floats, state: State, after: State
) -> None:
    """Take one step: the input's product (B,4H), gates i f o g, and the state → the next state.

    Constants are the recurrent projection, the norm of the cell state, and the shares of the way from the
    last to the new output and cell state.
    """
    recurrent, norm, new_h, new_c = constants
    h, c = state
    y, memory = after
    size = h.shape[1]
    products = np.empty((len(h), 4 * size), np.float32)
    project(recurrent, h, products)
    for b in range(len(h)):
        a, gates, m, out = projected[b], products[b], memory[b], y[b]
        for j in range(3 * size):
            gates[j] = sigmoid(gates[j] + a[j])
        i, f, o, g = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size], gates[3 * size :]
        for j in range(size):
            m[j] = f[j] * c[b, j] + i[j] * tanh(g[j] + a[3 * size + j])
            out[j] = m[j]
        normalize_memory(out, norm)
        for j in range(size):
            out[j] = tanh(out[j]) * o[j]
        zoned(h[b], out, new_h)
        zoned(c[b], m, new_c)


@compiled
def normalize_memory(memory: Vector, norm: Any) -> None:
    """Normalise the cell state (H,) in place: by gain, bias and 1/H times H, or not at all by None."""
    if norm is not None:
        memory -= sum_of_products(memory, norm[2])
        normalize(memory, norm[0])
        memory += norm[1]
