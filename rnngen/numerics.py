"""Numerics in NumPy that networks, filters, strategies and plugins share.

Logits may be float32 or float64 of any shape (…,V); ``-inf`` stands for a token that is impossible.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Doubles: TypeAlias = NDArray[np.float64]

FORBIDDEN = np.float32(-np.inf)
"""The logit of a token that must not be chosen."""


def log_softmax(logits: NDArray[Any]) -> Doubles:
    """Log-probabilities of logits (…,V), in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normalized: Doubles = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalized


def log_softmax32(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log-probabilities of logits (…,V), in float32, for the output layer of a step."""
    shifted: NDArray[np.float32] = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted


def softmax(logits: NDArray[Any]) -> Doubles:
    """Probabilities of logits (…,V), in float64."""
    return np.exp(log_softmax(logits))


def entropy(log_p: Doubles) -> Doubles:
    """Entropy (…,1) of log-probabilities (…,V), in nats; what is impossible adds nothing."""
    possible = np.where(np.isneginf(log_p), 0, log_p)
    total: Doubles = -(np.exp(log_p) * possible).sum(axis=-1, keepdims=True)
    return total


def sigmoid(a: NDArray[np.float32]) -> NDArray[np.float32]:
    """σ(a) as ½·tanh(½·a) + ½, which does not overflow."""
    half = np.float32(0.5)
    tangent: NDArray[np.float32] = np.tanh(half * a)
    return half + half * tangent
