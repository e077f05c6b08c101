"""Attentions that multiply a query with keys, in NumPy; equations in ``torch``."""

from typing import ClassVar

import numpy as np

from rnngen.builtins.attention.numpy import (
    HALF,
    Mask,
    QuantizableMatrices,
    SoftmaxStep,
    columns,
    dot_products,
    masked_softmax,
    weighted_sum,
    zero_padding,
)
from rnngen.builtins.attention.options import LocalOptions, MultiheadOptions, SizeOptions
from rnngen.contracts import Floats, State, Weights
from rnngen.options import NoOptions


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


class MultiheadStep(QuantizableMatrices):
    """Scaled dot products of several heads."""

    matrices = ("key", "value", "query", "out")

    def __init__(self, weights: Weights, options: MultiheadOptions) -> None:
        self.heads = options.heads
        self.key, self.value = columns(weights, "key.weight"), columns(weights, "value.weight")  # (M,A)
        self.out = columns(weights, "out.weight")
        scale = np.float32((len(self.out) // self.heads) ** -0.5)
        self.query = columns(weights, "query.weight") * scale  # (H,A)

    def prepare(self, memory: Floats, mask: Mask) -> State:
        """Return keys and values (B,heads,S,A/heads), and the mask."""
        memory = zero_padding(memory, mask)
        return self._split(memory @ self.key), self._split(memory @ self.value), mask

    def initial_state(self, mask: Mask) -> State:  # noqa: ARG002
        """Return an empty state."""
        return ()

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

    matrices = (*GeneralStep.matrices, "place")

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
