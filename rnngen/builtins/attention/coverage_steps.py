"""Attentions that see where they have looked before, the face that generates; equations in ``coverage``."""

import numpy as np

from rnngen.builtins.attention.additive_steps import tanh_scores
from rnngen.builtins.attention.softmax_steps import Mask, SoftmaxStep, columns, masked_softmax, weighted
from rnngen.builtins.attention_options import LocationOptions, SizeOptions
from rnngen.contracts import Floats, State, Weights


class _RecallingStep(SoftmaxStep):
    """The twin of ``coverage._Recalling``."""

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
        """It has looked nowhere: ``(past,)`` of (B,S) zeros."""
        return (np.zeros(mask.shape, np.float32),)

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask = prepared
        (past,) = state
        asked, near = (query @ self.query)[:, None], self._near(past)

        def sums(rows: slice) -> Floats:
            one = len(self.filters) == 1  # a product with a single row, which BLAS is slow at
            part: Floats = near[rows] * self.filters[0] if one else near[rows] @ self.filters
            part += keys[rows]
            part += asked[rows]
            return part

        weights = masked_softmax(tanh_scores(sums, keys, self.v), mask)
        return weighted(weights, values), weights, (past + weights if self.summed else weights,)

    def _near(self, past: Floats) -> Floats:
        """The past weights around every token: (B,S) → (B,S,width)."""
        width = len(self.filters)
        padded = np.pad(past, ((0, 0), (width // 2, width // 2)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
        return np.ascontiguousarray(windows)  # BLAS reads no overlapping rows


class LocationStep(_RecallingStep):
    """The twin of ``coverage.Location``."""

    def __init__(self, weights: Weights, options: LocationOptions) -> None:
        filters = weights["place.weight"] @ weights["convolution.weight"]
        super().__init__(weights, filters, options.past == "sum")


class CoverageStep(_RecallingStep):
    """The twin of ``coverage.Coverage``."""

    def __init__(self, weights: Weights, options: SizeOptions) -> None:  # noqa: ARG002
        super().__init__(weights, weights["cover.weight"], summed=True)
