"""The output layers' faces for NumPy: from what the last layer gives to logits (``rnngen.nn.heads``)."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from rnngen.contracts import Floats, Weights

Make = Callable[[Floats], Any]
"""Makes another format of a matrix."""


class Head(Protocol):
    """An output layer."""

    def __call__(self, features: Floats) -> Floats:
        """(B,H) → logits (B,V), for the caller to write to."""
        ...

    def quantize(self, make: Make) -> None:
        """Replace the matrices, as ``LayerStep`` tells."""
        ...


def make_head(weights: Weights) -> Head:
    """The output layer that a network's weights are those of; tied weights are stored once."""
    narrow = weights.get("projection.weight")  # two matrices in a row are one
    if "head.root.weight" in weights:
        return AdaptiveHead(weights)
    matrix = weights.get("head.weight", weights["embedding.weight"])
    if "head.contexts.weight" in weights:
        return MixtureHead(weights, matrix, narrow)
    return FullHead(matrix if narrow is None else matrix @ narrow, weights["head.bias"])


class FullHead:
    """A row of weights for each token.

    Args:
        matrix: (V,H).
        bias: (V,).
    """

    def __init__(self, matrix: Floats, bias: Floats) -> None:
        self.matrix, self.bias = _transposed(matrix), bias

    def __call__(self, features: Floats) -> Floats:
        """(B,H) → logits (B,V)."""
        logits: Floats = np.dot(features, self.matrix)
        logits += self.bias
        return logits

    def quantize(self, make: Make) -> None:
        """Replace the matrix."""
        self.matrix = make(self.matrix)


class MixtureHead:
    """Several softmaxes, mixed.

    Args:
        weights: the network's.
        matrix: (V,I).
        narrow: (I,H), where the network narrows the features before the head reads them.
    """

    def __init__(self, weights: Weights, matrix: Floats, narrow: "Floats | None") -> None:
        contexts, prior = weights["head.contexts.weight"], weights["head.prior.weight"]
        if narrow is not None:
            contexts, prior = contexts @ narrow, prior @ narrow
        self.contexts, self.offset = _transposed(contexts), weights["head.contexts.bias"]
        self.prior, self.matrix, self.bias = _transposed(prior), _transposed(matrix), weights["head.bias"]

    def __call__(self, features: Floats) -> Floats:
        """(B,H) → log-probabilities (B,V)."""
        batch, softmaxes = len(features), self.prior.shape[1]
        contexts = np.tanh(np.dot(features, self.contexts) + self.offset)
        logits: Floats = np.dot(contexts.reshape(batch * softmaxes, -1), self.matrix) + self.bias
        shares = _log_softmax(np.dot(features, self.prior))
        logs = _log_softmax(logits).reshape(batch, softmaxes, -1) + shares[:, :, None]
        mixed: Floats = np.logaddexp.reduce(logs, axis=1)
        return mixed

    def quantize(self, make: Make) -> None:
        """Replace the two large matrices."""
        self.contexts, self.matrix = make(self.contexts), make(self.matrix)


class AdaptiveHead:
    """Clusters of tokens, the rare ones with few features; all of them are computed.

    Args:
        weights: the network's.
    """

    def __init__(self, weights: Weights) -> None:
        self.root, self.bias = _transposed(weights["head.root.weight"]), weights["head.root.bias"]
        count = sum(name.startswith("head.tails.") for name in weights) // 2
        self.tails: list[tuple[Any, Any]] = [
            tuple(_transposed(weights[f"head.tails.{i}.{part}.weight"]) for part in ("narrow", "wide"))
            for i in range(count)
        ]
        self.rank = weights["head.rank"].astype(np.int64)

    def __call__(self, features: Floats) -> Floats:
        """(B,H) → log-probabilities (B,V)."""
        root = _log_softmax(np.dot(features, self.root) + self.bias)
        first = root.shape[1] - len(self.tails)
        parts = [root[:, :first]]
        for number, (narrow, wide) in enumerate(self.tails, first):
            parts.append(root[:, number, None] + _log_softmax(np.dot(np.dot(features, narrow), wide)))
        return np.concatenate(parts, axis=1).take(self.rank, axis=1)

    def quantize(self, make: Make) -> None:
        """Replace the matrices."""
        self.root = make(self.root)
        self.tails = [(make(narrow), make(wide)) for narrow, wide in self.tails]


def _transposed(matrix: Floats) -> Any:
    """As it stands on the right of products."""
    return np.ascontiguousarray(matrix.T)


def _log_softmax(logits: Floats) -> Floats:
    """Over the last axis."""
    shifted: Floats = logits - logits.max(axis=-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return shifted
