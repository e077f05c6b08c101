"""The output layers in NumPy, from features to logits; ``rnngen.nn.heads`` has them in torch."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from rnngen.contracts import Floats, Weights
from rnngen.numerics import log_softmax32

Make = Callable[[Floats], Any]
"""Converts a matrix to another format."""


class Head(Protocol):
    """An output layer."""

    inputs: int
    """H, the size of the features that it reads."""

    def __call__(self, features: Floats) -> Floats:
        """(B,H) → logits (B,V), for the caller to write to."""
        ...

    def quantize(self, make: Make) -> None:
        """Replace the matrices (``rnngen.contracts.Quantizable``)."""
        ...


def make_head(weights: Weights) -> Head:
    """Build the output layer of a network from its weights; tied weights are stored once."""
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
        self.inputs = len(self.matrix)

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
        self.inputs = len(self.contexts)

    def __call__(self, features: Floats) -> Floats:
        """(B,H) → log-probabilities (B,V)."""
        batch, softmaxes = len(features), self.prior.shape[1]
        contexts = np.tanh(np.dot(features, self.contexts) + self.offset)
        logits: Floats = np.dot(contexts.reshape(batch * softmaxes, -1), self.matrix) + self.bias
        shares = log_softmax32(np.dot(features, self.prior))
        logs = log_softmax32(logits).reshape(batch, softmaxes, -1) + shares[:, :, None]
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
        self.inputs = len(self.root)
        count = sum(name.startswith("head.tails.") for name in weights) // 2
        self.tails: list[tuple[Any, Any]] = [
            tuple(_transposed(weights[f"head.tails.{i}.{part}.weight"]) for part in ("narrow", "wide"))
            for i in range(count)
        ]
        self.rank = weights["head.rank"].astype(np.int64)

    def __call__(self, features: Floats) -> Floats:
        """(B,H) → log-probabilities (B,V)."""
        root = log_softmax32(np.dot(features, self.root) + self.bias)
        first = root.shape[1] - len(self.tails)
        parts = [root[:, :first]]
        for number, (narrow, wide) in enumerate(self.tails, first):
            parts.append(root[:, number, None] + log_softmax32(np.dot(np.dot(features, narrow), wide)))
        return np.concatenate(parts, axis=1).take(self.rank, axis=1)

    def quantize(self, make: Make) -> None:
        """Replace the matrices."""
        self.root = make(self.root)
        self.tails = [(make(narrow), make(wide)) for narrow, wide in self.tails]


def _transposed(matrix: Floats) -> Any:
    """Lay a matrix out for the right side of products."""
    return np.ascontiguousarray(matrix.T)
