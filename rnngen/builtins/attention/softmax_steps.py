"""What the attentions share, the face that generates: NumPy alone, one query a stream at a time."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, State, Weights

Mask = NDArray[np.bool_]

_LOWEST = np.finfo(np.float32).min
_TINY = np.finfo(np.float32).tiny


def columns(weights: Weights, name: str) -> Floats:
    """A torch matrix (outputs, inputs), transposed to multiply row vectors from the right."""
    return np.ascontiguousarray(weights[name].T)


def sanitised(memory: Floats, mask: Mask) -> Floats:
    """``memory`` (B,S,M) with zeros where ``mask`` (B,S) is false, whatever stood there, NaN too."""
    return np.where(mask[:, :, None], memory, np.float32(0))


def masked_softmax(scores: Floats, mask: Mask) -> Floats:
    """Softmax over the last axis of ``scores`` (…,S), where ``mask`` is true; exactly 0 elsewhere."""
    weights: Floats = np.where(mask, scores, _LOWEST)
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    weights *= mask
    weights /= np.maximum(weights.sum(axis=-1, keepdims=True), _TINY)  # 0 where all are masked
    return weights


def products(keys: Floats, query: Floats) -> Floats:
    """The products of keys (…,S,A) with their row's query (…,A) → (…,S)."""
    column: Floats = np.matmul(keys, query[..., None])
    return column[..., 0]


def weighted(weights: Floats, values: Floats) -> Floats:
    """The contexts (…,C) that ``weights`` (…,S) make of ``values`` (…,S,C)."""
    row: Floats = np.matmul(weights[..., None, :], values)
    return row[..., 0, :]


class Products:
    """What multiplies with matrices, and can do so with what stands for them."""

    matrices: ClassVar[tuple[str, ...]] = ()
    """The attributes that hold one on the right of products."""

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace them, as ``rnngen.contracts.LayerStep`` tells."""
        for name in self.matrices:
            setattr(self, name, make(getattr(self, name)))


class SoftmaxStep(Products):
    """An attention whose weights are the softmax of scores of keys; a subclass says what these are."""

    def keys(self, memory: Floats) -> Floats:
        """What is compared with queries: ``memory`` (B,S,M) → (B,S,·)."""
        return memory

    def values(self, memory: Floats) -> Floats:
        """What contexts are made of: ``memory`` (B,S,M) → (B,S,C)."""
        return memory

    def scores(self, query: Floats, keys: Floats) -> Floats:
        """``query`` (B,H), keys (B,S,·) → (B,S)."""
        return products(keys, query)

    def prepare(self, memory: Floats, mask: Mask) -> State:
        """``memory`` (B,S,M), ``mask`` (B,S) → keys, values and the mask."""
        memory = sanitised(memory, mask)
        return self.keys(memory), self.values(memory), mask

    def initial_state(self, mask: Mask) -> State:  # noqa: ARG002
        """It remembers nothing."""
        return ()

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask = prepared
        weights = masked_softmax(self.scores(query, keys), mask)
        return weighted(weights, values), weights, state
