"""Shared by the attentions in NumPy, one query a stream at a time; and no attention."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, State, Weights
from rnngen.options import NoOptions

Mask = NDArray[np.bool_]

_LOWEST = np.finfo(np.float32).min
_TINY = np.finfo(np.float32).tiny
HALF = np.float32(0.5)


def columns(weights: Weights, name: str) -> Floats:
    """Return a torch matrix (outputs, inputs), transposed to multiply row vectors from the right."""
    return np.ascontiguousarray(weights[name].T)


def zero_padding(memory: Floats, mask: Mask) -> Floats:
    """Set ``memory`` (B,S,M) to 0 where ``mask`` (B,S) is false, also where it is NaN."""
    return np.where(mask[:, :, None], memory, np.float32(0))


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


class QuantizableMatrices:
    """Matrices that can be quantized (``rnngen.contracts.Quantizable``)."""

    matrices: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that hold them."""

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices."""
        for name in self.matrices:
            setattr(self, name, make(getattr(self, name)))


class SoftmaxStep(QuantizableMatrices):
    """An attention whose weights are the softmax of scores of keys, which a subclass defines."""

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
        """``memory`` (B,S,M), ``mask`` (B,S) → keys, values and the mask."""
        memory = zero_padding(memory, mask)
        return self.keys(memory), self.values(memory), mask

    def initial_state(self, mask: Mask) -> State:  # noqa: ARG002
        """Return an empty state."""
        return ()

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask = prepared
        weights = masked_softmax(self.scores(query, keys), mask)
        return weighted_sum(weights, values), weights, state


class NoAttentionStep:
    """The plain encoder-decoder."""

    def __init__(self, weights: Weights, options: NoOptions) -> None: ...

    def prepare(self, memory: Floats, mask: Mask) -> State:  # noqa: ARG002
        """Keep the mask, for the lengths of the sources."""
        return (mask,)

    def initial_state(self, mask: Mask) -> State:  # noqa: ARG002
        """Return an empty state."""
        return ()

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,0), weights (B,S) of 0, state."""
        (mask,) = prepared
        return np.zeros((len(query), 0), np.float32), np.zeros(mask.shape, np.float32), state
