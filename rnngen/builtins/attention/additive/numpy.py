"""Attentions that score query and memory with a small network, in NumPy; equations in ``torch``."""

from collections.abc import Callable

import numpy as np

from rnngen.builtins.attention.numpy import Mask, SoftmaxStep, columns, masked_softmax, weighted_sum
from rnngen.builtins.attention.options import LocationOptions, SizeOptions
from rnngen.contracts import Floats, State, Weights
from rnngen.options import NoOptions

BLOCK = 2**16
"""Features that are computed at a time, 256 KiB: they are still in the cache when they are read again."""


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
    step = max(1, BLOCK // (length * size))
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
    """Additive attention with two matrices."""

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
    """Additive attention with one matrix, cut in two."""

    def __init__(self, weights: Weights, options: NoOptions) -> None:  # noqa: ARG002
        both = columns(weights, "both.weight")  # (H+M,H)
        self.query, self.memory = np.split(both, [both.shape[1]])
        self.v = weights["v.weight"][0]


class LocationAwareStep(SoftmaxStep):
    """Additive attention that sees past weights."""

    matrices = ("query", "memory")

    def __init__(self, weights: Weights, filters: Floats, summed: bool) -> None:
        self.query = columns(weights, "query.weight")  # (H,A)
        self.memory, self.bias = columns(weights, "memory.weight"), weights["memory.bias"]  # (M,A)
        self.v = weights["v.weight"][0]
        self.filters = np.ascontiguousarray(filters.T)  # (width,A)
        self.summed = summed

    def keys(self, memory: Floats) -> Floats:
        """``U m + b``: (B,S,M) → (B,S,A)."""
        return memory @ self.memory + self.bias

    def initial_state(self, mask: Mask) -> State:
        """Return past weights of zero: ``(past,)``, (B,S)."""
        return (np.zeros(mask.shape, np.float32),)

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask = prepared
        (past,) = state
        projected, near = (query @ self.query)[:, None], self._near(past)

        def sums(rows: slice) -> Floats:
            one = len(self.filters) == 1  # a product with a single row, which BLAS is slow at
            part: Floats = near[rows] * self.filters[0] if one else near[rows] @ self.filters
            part += keys[rows]
            part += projected[rows]
            return part

        weights = masked_softmax(tanh_scores(sums, keys, self.v), mask)
        return weighted_sum(weights, values), weights, (past + weights if self.summed else weights,)

    def _near(self, past: Floats) -> Floats:
        """Past weights (B,S) → those around every token (B,S,width)."""
        width = len(self.filters)
        padded = np.pad(past, ((0, 0), (width // 2, width // 2)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
        return np.ascontiguousarray(windows)  # BLAS reads no overlapping rows


class LocationStep(LocationAwareStep):
    """Additive attention with filters over past weights."""

    def __init__(self, weights: Weights, options: LocationOptions) -> None:
        filters = weights["place.weight"] @ weights["convolution.weight"]
        super().__init__(weights, filters, options.past == "sum")


class CoverageStep(LocationAwareStep):
    """Additive attention with the sum of past weights."""

    def __init__(self, weights: Weights, options: SizeOptions) -> None:  # noqa: ARG002
        super().__init__(weights, weights["cover.weight"], summed=True)
