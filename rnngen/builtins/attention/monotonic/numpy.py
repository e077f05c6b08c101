"""An attention that only moves forward, in NumPy; equations in ``torch``."""

import numpy as np

from rnngen.builtins.attention.additive.numpy import additive_scores
from rnngen.builtins.attention.numpy import HALF, Mask, SoftmaxStep, columns, weighted_sum
from rnngen.builtins.attention.options import MonotonicOptions
from rnngen.contracts import Floats, State, Weights


class MonotonicStep(SoftmaxStep):
    """The expected position of a reader that never goes back."""

    matrices = ("query", "memory")

    def __init__(self, weights: Weights, options: MonotonicOptions) -> None:  # noqa: ARG002
        self.query = columns(weights, "query.weight")  # (H,A)
        self.memory, self.offset = columns(weights, "memory.weight"), weights["memory.bias"]  # (M,A)
        v = weights["v.weight"][0]
        length = max(np.linalg.norm(v), np.float32(1e-12))
        self.v = v * (HALF * weights["gain"] / length)  # halved for σ(a) = ½·tanh(½·a) + ½
        self.bias = HALF * weights["bias"]

    def keys(self, memory: Floats) -> Floats:
        """``U m + b``: (B,S,M) → (B,S,A)."""
        return memory @ self.memory + self.offset

    def initial_state(self, mask: Mask) -> State:
        """Return a weight of 1 on the first token: ``(α',)``, (B,S)."""
        return ((mask & (np.cumsum(mask, axis=1) == 1)).astype(np.float32),)

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask = prepared
        weights = expected_weights(self.stop_probabilities(query, keys, mask), *state)
        return weighted_sum(weights, values), weights, (weights,)

    def stop_probabilities(self, query: Floats, keys: Floats, mask: Mask) -> Floats:
        """``query`` (B,H), keys (B,S,A), mask (B,S) → p (B,S)."""
        p = additive_scores(query @ self.query, keys, self.v)
        p += self.bias
        np.tanh(p, out=p)
        p *= HALF
        p += HALF
        p *= mask
        p[mask & (np.cumsum(mask[:, ::-1], axis=1)[:, ::-1] == 1)] = 1  # the last token
        return p


def expected_weights(p: Floats, before: Floats) -> Floats:
    """Return the weights of one query: probabilities ``p`` (B,S), weights before it (B,S) → (B,S)."""
    weights = np.ascontiguousarray(p.T)  # a token's in a row, all streams side by side
    passed = np.zeros(len(p), np.float32)
    for at, entering in enumerate(np.ascontiguousarray(before.T)):
        passed += entering
        weights[at] *= passed
        passed -= weights[at]
    return np.ascontiguousarray(weights.T)
