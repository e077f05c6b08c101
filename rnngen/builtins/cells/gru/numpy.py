"""The cell ``gru`` in NumPy."""

import numpy as np

from rnngen.builtins.cells.options import GRUOptions
from rnngen.builtins.cells.stepwise import HALF, CellStep, zoned
from rnngen.contracts import Floats, State, Weights


class GRUStep(CellStep):
    r"""A GRU, reset after the product; with zoneout and layer normalisation (``cells.regularized``) if set.

    ::

        r = σ(W_r x + U_r h + b_r)                reset gate
        z = σ(W_z x + U_z h + b_z)                update gate
        n = tanh(W_n x + b_n + r ∘ (U_n h + d_n)) candidate
        h' = (1 − z) ∘ n + z ∘ h
    """

    compiled = "rnngen.builtins.cells.gru.compiled:advance"

    def __init__(self, weights: Weights, options: GRUOptions) -> None:
        super().__init__(weights, options, [0, 1, 2], [0.5, 0.5, 1.0])  # r z n

    def step(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """What ``project`` returned and the state → (B,H), state."""
        (h,) = state
        r, z, candidate, n = self._gates(projected, h)
        n *= r
        n += candidate
        np.tanh(n, out=n)
        y = h - n
        y *= z
        y += n  # n + z ∘ (h − n)
        y = zoned(h, y, self.new_h)
        return y, (y,)

    def gates(self, projected: Floats, state: State) -> dict[str, Floats]:
        """Return the gates of a step by name, each (B,H) from 0 to 1; an open update gate keeps the state."""
        r, z, _, _ = self._gates(projected, state[0])
        return {"reset": r, "update": z}

    def _gates(self, projected: Floats, h: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return r, z and the candidate's products of input and of ``h`` (B,H); all but the third are new."""
        projected, recurrent = self.projections(projected, h)
        size = self.size
        gates = recurrent[:, :-size]
        gates += projected[:, :-size]
        np.tanh(gates, out=gates)
        gates *= HALF
        gates += HALF
        return gates[:, :size], gates[:, size:], projected[:, -size:], recurrent[:, -size:]
