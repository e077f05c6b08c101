"""An attention that only ever goes on, the face that generates; equations in ``monotonic``."""

import numpy as np

from rnngen.builtins.attention.additive_steps import additive_scores
from rnngen.builtins.attention.softmax_steps import Mask, SoftmaxStep, columns, weighted
from rnngen.builtins.attention_options import MonotonicOptions
from rnngen.contracts import Floats, State, Weights

_HALF = np.float32(0.5)


class MonotonicStep(SoftmaxStep):
    """The twin of ``monotonic.Monotonic``."""

    matrices = ("query", "memory")

    def __init__(self, weights: Weights, options: MonotonicOptions) -> None:  # noqa: ARG002
        self.query = columns(weights, "query.weight")  # (H,A)
        self.memory, self.offset = columns(weights, "memory.weight"), weights["memory.bias"]  # (M,A)
        v = weights["v.weight"][0]
        length = max(np.linalg.norm(v), np.float32(1e-12))
        self.v = v * (_HALF * weights["gain"] / length)  # halved for σ(a) = ½·tanh(½·a) + ½
        self.bias = _HALF * weights["bias"]

    def keys(self, memory: Floats) -> Floats:
        """``U m + b``: (B,S,M) → (B,S,A)."""
        return memory @ self.memory + self.offset

    def initial_state(self, mask: Mask) -> State:
        """The reader stands at the first token: ``(α',)``, (B,S)."""
        return ((mask & (np.cumsum(mask, axis=1) == 1)).astype(np.float32),)

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask = prepared
        weights = _expected(self.chances(query, keys, mask), *state)
        return weighted(weights, values), weights, (weights,)

    def chances(self, query: Floats, keys: Floats, mask: Mask) -> Floats:
        """``query`` (B,H), keys (B,S,A), mask (B,S) → p (B,S)."""
        p = additive_scores(query @ self.query, keys, self.v)
        p += self.bias
        np.tanh(p, out=p)
        p *= _HALF
        p += _HALF
        p *= mask
        p[mask & (np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] == 1)] = 1  # the last token
        return p


def _expected(p: Floats, before: Floats) -> Floats:
    """The weights of one query: chances ``p`` (B,S), weights before it (B,S) → (B,S)."""
    weights = np.ascontiguousarray(p.T)  # a token's in a row, all streams side by side
    passed = np.zeros(len(p), np.float32)
    for at, entering in enumerate(np.ascontiguousarray(before.T)):
        passed += entering
        weights[at] *= passed
        passed -= weights[at]
    return np.ascontiguousarray(weights.T)
