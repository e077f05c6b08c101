"""The cell ``rnn``: a whole step in one compiled function."""

from typing import Any

from rnngen.builtins.cells.compiled import ZERO, Projection, project, sigmoid, zoned
from rnngen.compiled import compiled, tanh
from rnngen.contracts import Floats, State


@compiled
def advance(constants: tuple[Projection, int, Any], projected: Floats, state: State, after: State) -> None:
    """Take one step: the input's product (B,H) and the state → the next state.

    Constants are the recurrent projection, the activation (0 tanh, 1 relu, 2 sigmoid), and the share of the
    way from the last to the new output.
    """
    recurrent, activation, new_h = constants
    (h,), (y,) = state, after
    project(recurrent, h, y)
    for b in range(len(h)):
        out = y[b]
        out += projected[b]
        for j in range(len(out)):
            if activation == 0:
                out[j] = tanh(out[j])
            elif activation == 1:
                out[j] = ZERO if out[j] < ZERO else out[j]
            else:
                out[j] = sigmoid(out[j])
        zoned(h[b], out, new_h)
