"""The network ``treelstm`` in NumPy; equations and state layout in `rnngen_treelstm.torch`."""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rnngen.contracts import NO_TOKEN, Blueprint, Floats, Quantizable, State, TokenIds, Weights, quantizable
from rnngen.numerics import sigmoid

from rnngen_treelstm import BASE, TreeOptions
from rnngen_treelstm.trees import forest


class ChildSumStep:
    """The encoder."""

    def __init__(self, weights: Weights) -> None:
        names = ["inputs", "below", "forget"]
        self.inputs, self.below, self.forget = (_turned(weights[f"encoder.{name}.weight"]) for name in names)
        self.bias = weights["encoder.inputs.bias"]
        self.size = len(self.forget)

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrices."""
        self.inputs, self.below, self.forget = map(make, (self.inputs, self.below, self.forget))

    def __call__(self, x: Floats, parents: NDArray[np.int64], heights: NDArray[np.int64]) -> Floats:
        """Inputs (N,E) of nodes, the places (N,) of their parents, heights (N,) → h (N,H)."""
        gates = np.dot(x, self.inputs) + self.bias
        sums, kept, outputs = (np.zeros((len(x), self.size), np.float32) for _ in range(3))
        for height in range(heights.max() + 1):
            nodes = np.flatnonzero(heights == height)
            products = gates[nodes, : 3 * self.size] + np.dot(sums[nodes], self.below)
            i, o, u = np.split(products, 3, 1)
            c = sigmoid(i) * np.tanh(u) + kept[nodes]
            h = outputs[nodes] = sigmoid(o) * np.tanh(c)
            children = parents[nodes] >= 0  # all but roots
            above, h, c = parents[nodes][children], h[children], c[children]
            f = sigmoid(gates[above, 3 * self.size :] + np.dot(h, self.forget))
            np.add.at(sums, above, h)
            np.add.at(kept, above, f * c)
        return outputs


class TreeSeq2SeqStep:
    """One step of the whole network; also a ``rnngen.contracts.FeatureStep``."""

    def __init__(self, weights: Weights, blueprint: Blueprint, options: TreeOptions) -> None:
        parts, self.feature_size, self.ordered = blueprint.parts, blueprint.hidden, options.ordered
        self.embedding, self.kinds = weights["embedding.weight"], weights["kinds"].astype(np.int64)
        self.source_embedding = weights.get("source_embedding.weight", self.embedding)
        self.encoder = ChildSumStep(weights)
        self.attention = parts["attention"].numpy(weights, "attention.")
        self.layers = [parts["decoder"].numpy(weights, f"layers.{i}.") for i in range(blueprint.layers)]
        self.combine: Any = _turned(weights["combine.weight"])
        self.attends = len(self.combine) > blueprint.hidden  # it reads a context too
        head = weights.get("head.weight", self.embedding)  # tied weights are stored once
        if "projection.weight" in weights:
            head = head @ weights["projection.weight"]  # two matrices in a row are one
        self.head: Any = _turned(head)
        self.bias = weights["head.bias"]
        memory, mask = np.zeros((1, 1, blueprint.hidden), np.float32), np.ones((1, 1), bool)
        counts = [len(self.attention.prepare(memory, mask)), 1, 1, len(self.attention.initial_state(mask))]
        counts += [len(layer.initial_state(1)) for layer in self.layers]
        self.spans = [slice(*borders) for borders in pairwise(accumulate(counts, initial=0))]
        self.fixed: int = self.spans[2].start

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices; ``UsageError`` if a layer's cannot be. An attention's need not."""
        attention = [self.attention] * isinstance(self.attention, Quantizable)
        for part in quantizable([self.encoder, *self.layers, *attention]):
            part.quantize(make)
        self.combine, self.head = make(self.combine), make(self.head)

    def start(self, source: TokenIds) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        lengths, tokens = (source != NO_TOKEN).sum(1), np.maximum(source, 0)
        parents, heights, ranks = np.array(forest(self.kinds[tokens].tolist(), lengths.tolist()), np.int64)
        x = self.source_embedding[tokens.ravel()]
        if self.ordered:
            x = x + sines(ranks, x.shape[1]) * np.float32((2 / x.shape[1]) ** 0.5)
        memory = self.encoder(x, parents, heights).reshape(*source.shape, -1)
        mask = heights.reshape(source.shape) >= 0
        return (
            *self.attention.prepare(memory, mask),
            memory[np.arange(len(source)), lengths - 1],
            np.zeros(source.shape, np.float32),
            *self.attention.initial_state(mask),
            *(array for layer in self.layers for array in layer.initial_state(len(source))),
        )

    def attended(self, state: State) -> "Floats | None":
        """Return the attention weights of the last token (B,S), those of nodes; None without attention."""
        weights: Floats = state[self.fixed]
        return weights if self.attends else None

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → what the output layer reads (B,H), state."""
        prepared, (root,), _, attending, *layers = (state[span] for span in self.spans)
        y = np.concatenate((self.embedding[tokens], root), 1)
        after: list[Any] = []
        for layer, before in zip(self.layers, layers, strict=True):
            y, more = layer.advance(layer.project(y), before)
            after.extend(more)
        context, weights, attending = self.attention(y, prepared, attending)
        z: Floats = np.tanh(np.dot(np.concatenate((y, context), 1), self.combine))
        return z, (*prepared, root, weights, *attending, *after)

    def logits(self, features: Floats, state: State) -> Floats:  # noqa: ARG002 - they depend on features alone
        """Features (B,H) and the state after their tokens → logits (B,V)."""
        logits: Floats = np.dot(features, self.head) + self.bias
        return logits

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        features, state = self.features(tokens, state)
        return self.logits(features, state), state


def sines(places: NDArray[np.int64], size: int) -> Floats:
    """Vectors of E numbers for places (N,) → (N,E): sines of many wavelengths, then cosines."""
    half = (size + 1) // 2
    angles = places[:, None] * BASE ** (-np.arange(half) / half)
    rows: Floats = np.concatenate((np.sin(angles), np.cos(angles)), 1)[:, :size].astype(np.float32)
    return rows


def _turned(weight: Floats) -> Any:
    """A torch weight (out,in), laid out for a row vector to multiply."""
    return np.ascontiguousarray(weight.T)
