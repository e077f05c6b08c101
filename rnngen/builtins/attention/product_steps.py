"""Attentions that multiply a query with keys, the face that generates; equations in ``products``."""

from typing import ClassVar

import numpy as np

from rnngen.builtins.attention.softmax_steps import (
    Mask,
    Products,
    SoftmaxStep,
    columns,
    masked_softmax,
    products,
    sanitised,
    weighted,
)
from rnngen.builtins.attention_options import MultiheadOptions, SizeOptions
from rnngen.contracts import Floats, State, Weights
from rnngen.options import NoOptions


class DotStep(SoftmaxStep):
    """The twin of ``products.Dot``."""

    def __init__(self, weights: Weights, options: NoOptions) -> None: ...


class GeneralStep(SoftmaxStep):
    """The twin of ``products.General``."""

    matrices: ClassVar[tuple[str, ...]] = ("memory",)

    def __init__(self, weights: Weights, options: NoOptions) -> None:  # noqa: ARG002
        self.memory = columns(weights, "memory.weight")  # (M,H)

    def keys(self, memory: Floats) -> Floats:
        """``W m``: (B,S,M) → (B,S,H)."""
        return memory @ self.memory


class ScaledDotStep(SoftmaxStep):
    """The twin of ``products.ScaledDot``; what it does to a query is done to the keys instead, once."""

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


class MultiheadStep(Products):
    """The twin of ``products.Multihead``."""

    matrices = ("key", "value", "query", "out")

    def __init__(self, weights: Weights, options: MultiheadOptions) -> None:
        self.heads = options.heads
        self.key, self.value = columns(weights, "key.weight"), columns(weights, "value.weight")  # (M,A)
        self.out = columns(weights, "out.weight")
        scale = np.float32((len(self.out) // self.heads) ** -0.5)
        self.query = columns(weights, "query.weight") * scale  # (H,A)

    def prepare(self, memory: Floats, mask: Mask) -> State:
        """Keys and values (B,heads,S,A/heads), and the mask."""
        memory = sanitised(memory, mask)
        return self._split(memory @ self.key), self._split(memory @ self.value), mask

    def initial_state(self, mask: Mask) -> State:  # noqa: ARG002
        """It remembers nothing."""
        return ()

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,A), weights (B,S), state."""
        keys, values, mask = prepared
        asked = (query @ self.query).reshape(len(query), self.heads, -1)
        weights = masked_softmax(products(keys, asked), mask[:, None])  # (B,heads,S)
        contexts = weighted(weights, values).reshape(len(query), -1)
        return contexts @ self.out, weights.mean(axis=1), state

    def _split(self, x: Floats) -> Floats:
        """(B,S,A) → (B,heads,S,A/heads), laid out a head at a time."""
        batch, length, _ = x.shape
        return np.ascontiguousarray(x.reshape(batch, length, self.heads, -1).swapaxes(1, 2))
