"""The attentions in NumPy, one query a stream at a time; the equations stand in ``torch``."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.attention.options import (
    LocalOptions,
    LocationOptions,
    MonotonicOptions,
    MultiheadOptions,
    SizeOptions,
)
from rnngen.contracts import Floats, State, Weights
from rnngen.options import NoOptions

Mask = NDArray[np.bool_]

HALF = np.float32(0.5)
BLOCK = 2**16
"""Features that are computed at a time, 256 KiB: they are still in the cache when they are read again."""
_LOWEST = np.finfo(np.float32).min
_TINY = np.finfo(np.float32).tiny


def columns(weights: Weights, name: str) -> Floats:
    """Return a torch matrix (outputs, inputs), transposed to multiply row vectors from the right."""
    return np.ascontiguousarray(weights[name].T)


def masked_softmax(scores: Floats, mask: Mask) -> Floats:
    """Softmax over the last axis of ``scores`` (…,S), where ``mask`` is true; exactly 0 elsewhere."""
    weights: Floats = np.where(mask, scores, _LOWEST)
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    weights *= mask
    weights /= np.maximum(weights.sum(axis=-1, keepdims=True), _TINY)  # 0 where all are masked
    return weights


def dot_products(keys: Floats, query: Floats) -> Floats:
    """Keys (…,S,A) times their row's query (…,A) → (…,S)."""
    column: Floats = np.matmul(keys, query[..., None])
    return column[..., 0]


def weighted_sum(weights: Floats, values: Floats) -> Floats:
    """``weights`` (…,S), ``values`` (…,S,C) → contexts (…,C)."""
    row: Floats = np.matmul(weights[..., None, :], values)
    return row[..., 0, :]


class SoftmaxStep:
    """An attention whose weights are the softmax of scores, by default of dot products of query and keys."""

    matrices: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that hold matrices."""

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices."""
        for name in self.matrices:
            setattr(self, name, make(getattr(self, name)))

    def keys(self, memory: Floats) -> Floats:
        """Map ``memory`` (B,S,M) to the keys (B,S,·) that queries are compared with."""
        return memory

    def values(self, memory: Floats) -> Floats:
        """Map ``memory`` (B,S,M) to the values (B,S,C) that contexts are sums of."""
        return memory

    def scores(self, query: Floats, keys: Floats) -> Floats:
        """``query`` (B,H), keys (B,S,·) → (B,S)."""
        return dot_products(keys, query)

    def prepare(self, memory: Floats, mask: Mask) -> State:
        """``memory`` (B,S,M), ``mask`` (B,S) → keys, values, mask; padding counts as 0, even if NaN."""
        if not mask.all():  # a copy of what may be hundreds of megabytes
            memory = np.where(mask[:, :, None], memory, np.float32(0))
        return self.keys(memory), self.values(memory), mask

    def initial_state(self, mask: Mask) -> State:  # noqa: ARG002
        """Return an empty state."""
        return ()

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask = prepared
        weights = masked_softmax(self.scores(query, keys), mask)
        return weighted_sum(weights, values), weights, state


class NoAttentionStep(SoftmaxStep):
    """The plain encoder-decoder."""

    def __init__(self, weights: Weights, options: NoOptions) -> None: ...

    def prepare(self, memory: Floats, mask: Mask) -> State:  # noqa: ARG002
        """Keep the mask, for the lengths of the sources."""
        return (mask,)

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,0), weights (B,S) of 0, state."""
        (mask,) = prepared
        return np.zeros((len(query), 0), np.float32), np.zeros(mask.shape, np.float32), state


# ── Products of query and keys ─────────────────────────────────────────────────────────────────────────────


class DotStep(SoftmaxStep):
    """Dot products of query and memory."""

    def __init__(self, weights: Weights, options: NoOptions) -> None: ...


class GeneralStep(SoftmaxStep):
    """Dot products of query and mapped memory."""

    matrices: ClassVar[tuple[str, ...]] = ("memory",)

    def __init__(self, weights: Weights, options: NoOptions) -> None:  # noqa: ARG002
        self.memory = columns(weights, "memory.weight")  # (M,H)

    def keys(self, memory: Floats) -> Floats:
        """``W m``: (B,S,M) → (B,S,H)."""
        return memory @ self.memory


class ScaledDotStep(SoftmaxStep):
    """Scaled dot products; the map of the query is applied to the keys instead, once."""

    matrices = ("key", "value")

    def __init__(self, weights: Weights, options: SizeOptions) -> None:  # noqa: ARG002
        query = weights["query.weight"]  # (A,H)
        self.key = columns(weights, "key.weight") @ (query * np.float32(len(query) ** -0.5))  # (M,H)
        self.value = columns(weights, "value.weight")  # (M,A)

    def keys(self, memory: Floats) -> Floats:
        """``Qᵀ K m / √A``: (B,S,M) → (B,S,H)."""
        return memory @ self.key

    def values(self, memory: Floats) -> Floats:
        """``V m``: (B,S,M) → (B,S,A)."""
        return memory @ self.value


class MultiheadStep(SoftmaxStep):
    """Scaled dot products of several heads."""

    matrices = ("key", "value", "query", "out")

    def __init__(self, weights: Weights, options: MultiheadOptions) -> None:
        self.heads = options.heads
        self.key, self.value = columns(weights, "key.weight"), columns(weights, "value.weight")  # (M,A)
        self.out = columns(weights, "out.weight")
        scale = np.float32((len(self.out) // self.heads) ** -0.5)
        self.query = columns(weights, "query.weight") * scale  # (H,A)

    def keys(self, memory: Floats) -> Floats:
        """Map ``memory`` (B,S,M) to keys (B,heads,S,A/heads)."""
        return self._split(memory @ self.key)

    def values(self, memory: Floats) -> Floats:
        """Map ``memory`` (B,S,M) to values (B,heads,S,A/heads)."""
        return self._split(memory @ self.value)

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,A), weights (B,S), state."""
        keys, values, mask = prepared
        queries = (query @ self.query).reshape(len(query), self.heads, -1)
        weights = masked_softmax(dot_products(keys, queries), mask[:, None])  # (B,heads,S)
        contexts = weighted_sum(weights, values).reshape(len(query), -1)
        return contexts @ self.out, weights.mean(axis=1), state

    def _split(self, x: Floats) -> Floats:
        """(B,S,A) → (B,heads,S,A/heads), laid out a head at a time."""
        batch, length, _ = x.shape
        return np.ascontiguousarray(x.reshape(batch, length, self.heads, -1).swapaxes(1, 2))


class LocalStep(GeneralStep):
    """Dot products in a window around a predicted position."""

    matrices = ("memory", "place")

    def __init__(self, weights: Weights, options: LocalOptions) -> None:
        super().__init__(weights, NoOptions())
        self.window = np.float32(options.window)
        self.place = columns(weights, "place.weight")  # (H,H)
        self.v = columns(weights, "v.weight") * HALF  # (H,1), halved for σ(a) = ½·tanh(½·a) + ½

    def prepare(self, memory: Floats, mask: Mask) -> State:
        """Return keys, values, the mask, and each token's position (B,S); padding has the last token's."""
        positions = np.cumsum(mask, axis=1, dtype=np.float32) - 1
        return *super().prepare(memory, mask), positions

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask, positions = prepared
        share = np.tanh(np.tanh(query @ self.place) @ self.v) * HALF + HALF  # (B,1)
        away = (positions - (positions[:, -1:] + 1) * share) / self.window
        scores = self.scores(query, keys) - 2 * np.square(away)
        weights = masked_softmax(scores, mask & (np.abs(away) <= 1))
        return weighted_sum(weights, values), weights, state


# ── A small network over query and memory ──────────────────────────────────────────────────────────────────


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


class AdditiveStep(SoftmaxStep):
    """Additive attention with two matrices."""

    matrices = ("query", "memory")

    def __init__(self, weights: Weights, options: SizeOptions) -> None:  # noqa: ARG002
        self.query = columns(weights, "query.weight")  # (H,A)
        self.memory = columns(weights, "memory.weight")  # (M,A)
        self.v, self.bias = weights["v.weight"][0], weights.get("memory.bias")

    def keys(self, memory: Floats) -> Floats:
        """``U m``, plus b if there is one: (B,S,M) → (B,S,A)."""
        return memory @ self.memory if self.bias is None else memory @ self.memory + self.bias

    def scores(self, query: Floats, keys: Floats) -> Floats:
        """``query`` (B,H), keys (B,S,A) → (B,S)."""
        projected = query @ self.query
        return tanh_scores(lambda rows: keys[rows] + projected[rows, None], keys, self.v)


class ConcatStep(AdditiveStep):
    """Additive attention with one matrix, cut in two."""

    def __init__(self, weights: Weights, options: NoOptions) -> None:  # noqa: ARG002
        both = columns(weights, "both.weight")  # (H+M,H)
        self.query, self.memory = np.split(both, [both.shape[1]])
        self.v, self.bias = weights["v.weight"][0], None


class LocationAwareStep(AdditiveStep):
    """Additive attention that sees past weights; a subclass defines its filters (A,width)."""

    def __init__(self, weights: Weights, options: SizeOptions, filters: Floats, *, summed: bool) -> None:
        super().__init__(weights, options)
        self.filters = np.ascontiguousarray(filters.T)  # (width,A)
        self.summed = summed

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
        super().__init__(weights, options, filters, summed=options.past == "sum")


class CoverageStep(LocationAwareStep):
    """Additive attention with the sum of past weights."""

    def __init__(self, weights: Weights, options: SizeOptions) -> None:
        super().__init__(weights, options, weights["cover.weight"], summed=True)


class MonotonicStep(AdditiveStep):
    """The expected position of a reader that never goes back."""

    def __init__(self, weights: Weights, options: MonotonicOptions) -> None:
        super().__init__(weights, options)
        length = max(np.linalg.norm(self.v), np.float32(1e-12))
        self.v = self.v * (HALF * weights["gain"] / length)  # halved for σ(a) = ½·tanh(½·a) + ½
        self.offset = HALF * weights["bias"]

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
        p = self.scores(query, keys)
        p += self.offset
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
