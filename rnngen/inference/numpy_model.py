"""One step of a recurrent network in NumPy, which starts at once, and its output layers."""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from rnngen.contracts import Floats, LayerStep, State, TokenIds, Weights, quantizable
from rnngen.numerics import log_softmax32

Make = Callable[[Floats], Any]
"""Converts a matrix to another format."""


def make_head(weights: Weights) -> "FullHead | MixtureHead | AdaptiveHead":
    """Build the output layer of a network from its weights; tied weights are stored once.

    It reads ``inputs`` features, and the logits that it returns are the caller's to write to.
    """
    narrow = weights.get("projection.weight")  # two matrices in a row are one
    if "head.root.weight" in weights:
        return AdaptiveHead(weights)
    matrix = weights.get("head.weight", weights["embedding.weight"])
    if "head.contexts.weight" in weights:
        return MixtureHead(weights, matrix, narrow)
    return FullHead(matrix if narrow is None else matrix @ narrow, weights["head.bias"])


class FullHead:
    """A row of weights for each token: ``matrix`` (V,H) and ``bias`` (V,)."""

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
    """Several softmaxes over ``matrix`` (V,I), mixed; ``narrow`` (I,H) is applied to the features before."""

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
    """Clusters of tokens, the rare ones with few features; all of them are computed."""

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
    return np.ascontiguousarray(matrix.T)


class NumpyStep:
    """A recurrent network, one token at a time, without torch.

    The first layer's projection of each token's embedding is computed once for the whole vocabulary, so that
    a step begins with a look-up instead of a product.

    The weights are the network's (``rnngen.nn.network``), the layers NumPy implementations of its own.
    """

    fixed = 0

    TABLE_LIMIT = 1 << 26
    """Largest table of projected embeddings, in numbers (256 MiB); above, they are projected when needed."""

    def __init__(self, weights: Weights, layers: Sequence[LayerStep]) -> None:
        self.layers = tuple(layers)
        self.first, *self.rest = layers
        embedding = weights["embedding.weight"]
        width = self.first.project(embedding[:1]).shape[1]
        tabulated = len(embedding) * width <= self.TABLE_LIMIT
        self.table = self.first.project(embedding) if tabulated else None
        self.embedding = embedding
        self.head = make_head(weights)
        self.feature_size = self.head.inputs
        ends = [0, *accumulate(len(layer.initial_state(1)) for layer in layers)]
        self.layer_spans = [slice(*span) for span in pairwise(ends)]
        learnt = sum(name.startswith("initial.") for name in weights)
        self.initial = [weights[f"initial.{i}"] for i in range(learnt)]

    def start(self, batch: int) -> State:
        """Return the state before the first token of ``batch`` streams."""
        if self.initial:
            return tuple(np.repeat(array, batch, axis=0) for array in self.initial)
        return tuple(a for layer in (self.first, *self.rest) for a in layer.initial_state(batch))

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        features, after = self.features(tokens, state)
        return self.head(features), after

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → the last layer's outputs (B,H), state."""
        y, after = self.first.advance(self._project(tokens), state[self.layer_spans[0]])
        for layer, span in zip(self.rest, self.layer_spans[1:], strict=True):
            y, more = layer.advance(layer.project(y), state[span])
            after += more
        return y, after

    def forward_chunk(self, tokens: TokenIds, state: State) -> tuple[Floats, list[State]]:
        """Read T tokens of one stream (T,) → logits (T,V) after each, and the T states.

        Layer by layer, so that the weights of each stay in the processor's cache; the projections and the
        output are one product for all tokens where that is faster. BLAS may round it otherwise than a single
        row, in the seventh digit.
        """
        rows = self._project(tokens)
        states: list[State] = [() for _ in tokens]
        for layer, span in zip(self.layers, self.layer_spans, strict=True):
            rows = rows if layer is self.first else _by_rows(layer.project, rows)
            outputs, past = [], state[span]
            for place in range(len(tokens)):
                y, past = layer.advance(rows[place : place + 1], past)
                outputs.append(y)
                states[place] += past
            rows = np.concatenate(outputs)
        return _by_rows(self.head, rows), states

    def logits(self, features: Floats, state: State) -> Floats:  # noqa: ARG002
        """Features (B,H) and the state after their tokens → logits (B,V)."""
        return self.head(features)

    def embed(self, tokens: TokenIds) -> Floats:
        """``tokens`` (B,) → their embeddings (B,E)."""
        rows: Floats = self.embedding.take(tokens, axis=0)
        return rows

    def _project(self, tokens: TokenIds) -> Floats:
        """Project tokens (B,) for the first layer; for one row, ``take`` is 3 times as fast as ``[]``."""
        if self.table is None:
            return self.first.project(self.embedding.take(tokens, axis=0))
        return self.table.take(tokens, axis=0)

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices but the table.

        Raises:
            UsageError: if a layer is not ``Quantizable``.
        """
        for layer in quantizable(self.layers):
            layer.quantize(make)
        self.head.quantize(make)

    def attended(self, state: State) -> None:
        """Return None: there is no source to attend to."""


ROWS = 4
"""Number of rows from which on BLAS multiplies all of them faster than one after another."""


def _by_rows(product: Callable[[Floats], Floats], rows: Floats) -> Floats:
    """Compute a product of rows (T,I): at once, or one by one where they are few."""
    if len(rows) >= ROWS:
        return product(rows)
    return np.concatenate([product(rows[place : place + 1]) for place in range(len(rows))])
