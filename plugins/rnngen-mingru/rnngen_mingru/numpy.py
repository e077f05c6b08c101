"""Both cells in NumPy, a token at a time; the equations stand in `rnngen_mingru.torch`.

As the gates depend on the input alone, ``project`` does nearly everything, and ahead where its results are
kept in a table; one multiplication and one addition a unit are left for ``advance``.
"""

import numpy as np
from rnngen.contracts import Floats, State, Weights
from rnngen.numerics import sigmoid

from rnngen_mingru import START


class MinStep:
    """The base of both cells.

    Args:
        weights: ``gates.weight`` (blocks·H,I) and ``gates.bias`` (blocks·H,).
        options: not needed; the forget gate's bias is a weight by now.
    """

    blocks: int

    def __init__(self, weights: Weights, options: object) -> None:  # noqa: ARG002
        self.weight, self.bias = weights["gates.weight"].T, weights["gates.bias"]

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: ``(h,)``, (B,H), g(0) everywhere."""
        return (np.full((batch, len(self.bias) // self.blocks), START, np.float32),)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """One step: (B,2H) and the state → outputs (B,H) and the next state."""
        (h,) = state
        keep, added = np.split(projected, 2, -1)
        h = keep * h + added
        return h, (h,)

    def gates(self, projected: Floats, state: State) -> dict[str, Floats]:  # noqa: ARG002
        """Return the share of the old state that is kept, for ``rnngen look gates``."""
        return {"keep": np.split(projected, 2, -1)[0]}


class MinGRUStep(MinStep):
    """The cell ``mingru``, with rows z, h."""

    blocks = 2

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → the share to keep and what to add (B,2H)."""
        z, u = np.split(x @ self.weight + self.bias, 2, -1)
        return np.concatenate((sigmoid(-z), sigmoid(z) * g(u)), -1)


class MinLSTMStep(MinStep):
    """The cell ``minlstm``, with rows f, i, h."""

    blocks = 3

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → the share to keep and what to add (B,2H)."""
        f, i, u = np.split(x @ self.weight + self.bias, 3, -1)
        odds = np.logaddexp(0, -i) - np.logaddexp(0, -f)  # log σ(f) − log σ(i)
        return np.concatenate((sigmoid(odds), sigmoid(-odds) * g(u)), -1)


def g(u: Floats) -> Floats:
    """The paper's positive activation, continuous at 0."""
    return np.where(u >= 0, u + 0.5, sigmoid(u))
