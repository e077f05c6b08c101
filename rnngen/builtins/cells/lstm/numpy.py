"""The cell ``lstm`` in NumPy."""

from typing import Any

import numpy as np

from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.cells.stepwise import HALF, CellStep, CenteredNorm, require_shape, zoned
from rnngen.contracts import Floats, State, Weights


class LSTMStep(CellStep):
    r"""An LSTM, with zoneout, layer normalisation and a Mogrifier (``cells.regularized``) if set.

    ::

        i = σ(W_i x + U_i h + b_i)        input gate
        f = σ(W_f x + U_f h + b_f)        forget gate
        o = σ(W_o x + U_o h + b_o)        output gate
        g = tanh(W_g x + U_g h + b_g)     candidate
        c' = f ∘ c + i ∘ g
        h' = o ∘ tanh(c')
    """

    arrays = 2
    compiled = "rnngen.builtins.cells.lstm.compiled:advance"

    def __init__(self, weights: Weights, options: LSTMOptions) -> None:
        super().__init__(weights, options, [0, 1, 3, 2], [0.5, 0.5, 0.5, 1.0])  # torch's i f g o → i f o g
        self.merge_biases()
        self.new_c = np.float32(1 - options.zoneout_c)
        self.mean = np.full((self.size, 1), 1 / self.size, np.float32)
        self.norm: CenteredNorm | None = None
        if options.layer_norm:
            gain, self.norm_bias = weights["memory.weight"], weights["memory.bias"]
            require_shape(gain, self.size)
            require_shape(self.norm_bias, self.size)
            self.norm = CenteredNorm(gain)

    def constants(self) -> tuple[Any, ...]:
        """Return what the compiled function takes beside the recurrent projection."""
        norm = (self.norm.gain, self.norm_bias, self.mean[:, 0]) if self.norm else None
        return norm, self.new_h, self.new_c

    def step(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Take one step, from the input's product and the state → (B,H), state."""
        h, c = state
        i, f, o, g = self._gates(projected, h)
        memory = f * c
        i *= g
        memory += i
        y = np.tanh(memory if self.norm is None else self._normalized(memory))
        y *= o
        y, c = zoned(h, y, self.new_h), zoned(c, memory, self.new_c)
        return y, (y, c)

    def gates(self, projected: Floats, state: State) -> dict[str, Floats]:
        """Return the gates of a step by name, each (B,H) from 0 to 1."""
        i, f, o, _ = self._gates(projected, state[0])
        return {"input": i, "forget": f, "output": o}

    def _gates(self, projected: Floats, h: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """The input's product and the last output → i, f, o and the candidate (B,H), the caller's."""
        projected, gates = self.projections(projected, h)
        gates += projected
        np.tanh(gates, out=gates)
        size = self.size
        sigmoids = gates[:, :-size]
        sigmoids *= HALF
        sigmoids += HALF
        return gates[:, :size], gates[:, size : 2 * size], gates[:, 2 * size : -size], gates[:, -size:]

    def _normalized(self, memory: Floats) -> Floats:
        """Return the normalised cell state (B,H), a new array."""
        assert self.norm is not None
        normalized: Floats = memory - np.dot(memory, self.mean)
        self.norm(normalized)
        normalized += self.norm_bias
        return normalized
