"""The layer in NumPy, a token at a time; the equations stand in `rnngen_conv.torch`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from rnngen.contracts import Floats, State, Weights
from rnngen.numerics import sigmoid

from rnngen_conv import ConvOptions

HALF = np.float32(np.sqrt(0.5))


class ConvStep:
    """One layer, built from ``taps.weight`` (2H,I,k), ``taps.bias`` and, where sizes differ, ``short``."""

    def __init__(self, weights: Weights, options: ConvOptions) -> None:
        taps = weights["taps.weight"]
        self.inputs, self.hidden = taps.shape[1], len(taps) // 2
        self.kept = options.width - 1
        self.newest: Any = np.ascontiguousarray(taps[:, :, -1].T)
        self.older: Any = np.ascontiguousarray(
            taps[:, :, :-1].transpose(2, 1, 0).reshape(-1, 2 * self.hidden)
        )
        self.bias = weights["taps.bias"]
        self.short: Any = weights["short.weight"].T.copy() if "short.weight" in weights else None
        self.short_bias = weights.get("short.bias", np.float32(0))

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrices by those that ``make`` returns for them."""
        self.newest = make(self.newest)
        self.older = make(self.older) if self.kept else self.older
        self.short = None if self.short is None else make(self.short)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: ``(x,)``, (B,k−1,I) of zeros."""
        return (np.zeros((batch, self.kept, self.inputs), np.float32),)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → x, the newest tap and the short cut (B,I+3H)."""
        short = x if self.short is None else np.dot(x, self.short) + self.short_bias
        return np.concatenate((x, np.dot(x, self.newest) + self.bias, short), 1)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Take one step: (B,I+3H) and the state → outputs (B,H) and the next state."""
        x, sums, short = np.split(projected, (self.inputs, self.inputs + 2 * self.hidden), 1)
        if self.kept:
            sums = sums + np.dot(state[0].reshape(len(x), -1), self.older)
        a, b = np.split(sums, 2, 1)
        outputs: Floats = HALF * (a * sigmoid(b) + short)
        return outputs, (np.concatenate((state[0], x[:, None]), 1)[:, 1:],)
