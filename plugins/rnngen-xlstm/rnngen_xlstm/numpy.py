"""Both cells in NumPy, a token at a time; the equations stand in `rnngen_xlstm.torch`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from rnngen.contracts import Floats, State, Weights
from rnngen.numerics import sigmoid

from rnngen_xlstm import HIGHEST, NEVER, XLSTMOptions


def gated(i: Floats, f: Floats, m: Floats) -> tuple[Floats, Floats, Floats]:
    """Arguments of the gates and the stabiliser → i′, f′ and the next stabiliser, all of one shape."""
    kept = m - np.logaddexp(np.float32(0), -f)
    largest = np.maximum(kept, i)
    return np.exp(i - largest), np.exp(kept - largest), largest


class SLSTMStep:
    """The cell ``slstm``, built from ``inputs.weight``, ``inputs.bias`` and ``weight_hh``."""

    def __init__(self, weights: Weights, options: XLSTMOptions) -> None:
        self.weight: Any = np.ascontiguousarray(weights["inputs.weight"].T)
        self.bias, size = weights["inputs.bias"], weights["weight_hh"].shape[1]
        blocks = weights["weight_hh"].reshape(4, options.heads, size, size)
        self.recurrent = np.ascontiguousarray(blocks.transpose(1, 3, 0, 2).reshape(options.heads, size, -1))
        self.heads = options.heads

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the large matrix by what ``make`` returns for it; those of the heads are small."""
        self.weight = make(self.weight)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token, ``(h, c, n, m)``, each (B,H)."""
        zeros = np.zeros((batch, len(self.bias) // 4), np.float32)
        return zeros, zeros, zeros, np.full_like(zeros, NEVER)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → W x + b (B,4H)."""
        projected: Floats = np.dot(x, self.weight) + self.bias
        return projected

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Take one step: (B,4H) and the state → outputs (B,H) and the next state."""
        h, c, n, m = state
        batch = len(h)
        past = np.matmul(h.reshape(batch, self.heads, 1, -1), self.recurrent)  # (B,heads,1,4D)
        past = past.reshape(batch, self.heads, 4, -1).transpose(0, 2, 1, 3).reshape(batch, -1)
        i, f, z, o = np.split(projected + past, 4, 1)
        add, keep, m = gated(i, f, m)
        c, n = keep * c + add * np.tanh(z), keep * n + add
        h = sigmoid(o) * c / n
        return h, (h, c, n, m)


class MLSTMStep:
    """The cell ``mlstm``, built from ``qkvo`` and ``gates``, a weight and a bias each."""

    def __init__(self, weights: Weights, options: XLSTMOptions) -> None:
        self.weight: Any = np.ascontiguousarray(weights["qkvo.weight"].T)
        self.gate_weight = np.ascontiguousarray(weights["gates.weight"].T)
        self.bias = np.concatenate((weights["qkvo.bias"], weights["gates.bias"]))
        self.heads, self.hidden = options.heads, len(weights["qkvo.bias"]) // 4

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the large matrix by what ``make`` returns for it."""
        self.weight = make(self.weight)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token, ``(C, n, m)``."""
        size = self.hidden // self.heads
        shape = (batch, self.heads, size)
        return (
            np.zeros((*shape, size), np.float32),
            np.zeros(shape, np.float32),
            np.full(shape[:2], NEVER, np.float32),
        )

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → all products (B,4H+2·heads)."""
        projected: Floats = (
            np.concatenate((np.dot(x, self.weight), np.dot(x, self.gate_weight)), 1) + self.bias
        )
        return projected

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Take one step: products and the state → outputs (B,H) and the next state."""
        memory, norm, m = state
        batch, wide = len(projected), 4 * self.hidden
        q, k, v, o = projected[:, :wide].reshape(batch, 4, self.heads, -1).transpose(1, 0, 2, 3)
        i, f = projected[:, wide:].reshape(batch, 2, self.heads).transpose(1, 0, 2)
        k = k / np.sqrt(np.float32(k.shape[-1]))
        add, keep, m = gated(i, f, m)
        memory = keep[..., None, None] * memory + (add[..., None] * v)[..., None] * k[..., None, :]
        norm = keep[..., None] * norm + add[..., None] * k
        over = np.matmul(memory, q[..., None])[..., 0]
        under = np.maximum(np.abs((norm * q).sum(-1)), np.exp(np.minimum(-m, np.float32(HIGHEST))))[..., None]
        h: Floats = (sigmoid(o) * over / under).reshape(batch, -1)
        return h, (memory, norm, m)
