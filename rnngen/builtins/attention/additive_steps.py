"""Attentions that ask a small network, the face that generates; equations in ``additive``."""

from collections.abc import Callable

import numpy as np

from rnngen.builtins.attention.softmax_steps import SoftmaxStep, columns
from rnngen.builtins.attention_options import SizeOptions
from rnngen.contracts import Floats, Weights
from rnngen.options import NoOptions

_BLOCK = 2**16
"""Features that are made at a time, 256 KiB: they are still in the cache when they are read again."""


def tanh_scores(sums: Callable[[slice], Floats], keys: Floats, v: Floats) -> Floats:
    """``vᵀ tanh(sums)``, a few rows at a time.

    Args:
        sums: from some rows to a new array (·,S,A), which is overwritten.
        keys: (B,S,A), for its shape.
        v: (A,).

    Returns:
        (B,S).
    """
    batch, length, size = keys.shape
    scores = np.empty((batch, length), np.float32)
    step = max(1, _BLOCK // (length * size))
    for start in range(0, batch, step):
        rows = slice(start, start + step)
        part = sums(rows)
        np.tanh(part, out=part)
        scores[rows] = np.dot(part.reshape(-1, size), v).reshape(-1, length)
    return scores


def additive_scores(query: Floats, keys: Floats, v: Floats) -> Floats:
    """``vᵀ tanh(query + key)``: (B,A), (B,S,A), ``v`` (A,) → (B,S)."""
    return tanh_scores(lambda rows: keys[rows] + query[rows, None], keys, v)


class AdditiveStep(SoftmaxStep):
    """The twin of ``additive.Additive``."""

    matrices = ("query", "memory")

    def __init__(self, weights: Weights, options: SizeOptions) -> None:  # noqa: ARG002
        self.query = columns(weights, "query.weight")  # (H,A)
        self.memory = columns(weights, "memory.weight")  # (M,A)
        self.v = weights["v.weight"][0]

    def keys(self, memory: Floats) -> Floats:
        """``U m``: (B,S,M) → (B,S,A)."""
        return memory @ self.memory

    def scores(self, query: Floats, keys: Floats) -> Floats:
        """``query`` (B,H), keys (B,S,A) → (B,S)."""
        return additive_scores(query @ self.query, keys, self.v)


class ConcatStep(AdditiveStep):
    """The twin of ``additive.Concat``: the same with the one matrix cut in two."""

    def __init__(self, weights: Weights, options: NoOptions) -> None:  # noqa: ARG002
        both = columns(weights, "both.weight")  # (H+M,H)
        self.query, self.memory = np.split(both, [both.shape[1]])
        self.v = weights["v.weight"][0]
