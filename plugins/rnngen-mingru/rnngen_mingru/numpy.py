"""Both cells in NumPy, a token at a time; the equations stand in `rnngen_mingru.torch`.

As the gates depend on the input alone, ``project`` does nearly everything, and ahead where its results are
kept in a table; one multiplication and one addition a unit are left for ``advance``.
"""

import numpy as np
from rnngen.contracts import Floats, State, Weights
from rnngen.numerics import sigmoid
from rnngen.options import NoOptions

from rnngen_mingru import START, MinLSTMOptions


class MinGRUStep:
    """The cell ``mingru``.

    Args:
        weights: ``gates.weight`` (2H,I) and ``gates.bias`` (2H,), rows z, h.
        options: there are none.
    """

    def __init__(self, weights: Weights, options: NoOptions) -> None:  # noqa: ARG002
        self.weight, self.bias = weights["gates.weight"].T, weights["gates.bias"]

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: ``(h,)``, (B,H), g(0) everywhere."""
        return (np.full((batch, len(self.bias) // 2), START, np.float32),)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → the share to keep and what to add (B,2H)."""
        z, u = np.split(x @ self.weight + self.bias, 2, -1)
        return np.concatenate((sigmoid(-z), sigmoid(z) * g(u)), -1)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """One step: (B,2H) and the state → outputs (B,H) and the next state."""
        return _advance(projected, state)


class MinLSTMStep:
    """The cell ``minlstm``.

    Args:
        weights: ``gates.weight`` (3H,I) and ``gates.bias`` (3H,), rows f, i, h.
        options: not needed; the forget gate's bias is a weight by now.
    """

    def __init__(self, weights: Weights, options: MinLSTMOptions) -> None:  # noqa: ARG002
        self.weight, self.bias = weights["gates.weight"].T, weights["gates.bias"]

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: ``(h,)``, (B,H), g(0) everywhere."""
        return (np.full((batch, len(self.bias) // 3), START, np.float32),)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → the share to keep and what to add (B,2H)."""
        f, i, u = np.split(x @ self.weight + self.bias, 3, -1)
        odds = np.logaddexp(0, -i) - np.logaddexp(0, -f)  # log σ(f) − log σ(i)
        return np.concatenate((sigmoid(odds), sigmoid(-odds) * g(u)), -1)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """One step: (B,2H) and the state → outputs (B,H) and the next state."""
        return _advance(projected, state)


def g(u: Floats) -> Floats:
    """The paper's positive activation, continuous at 0."""
    return np.where(u >= 0, u + 0.5, sigmoid(u))


def _advance(projected: Floats, state: State) -> tuple[Floats, State]:
    (h,) = state
    keep, added = np.split(projected, 2, -1)
    h = keep * h + added
    return h, (h,)
