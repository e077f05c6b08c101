"""The network in NumPy, a token at a time; equations and state layout in `rnngen_hierarchical.torch`."""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from rnngen.contracts import Blueprint, Floats, State, TokenIds, Weights, quantizable

from rnngen_hierarchical import HierarchicalOptions


class HierarchicalStep:
    """One step of the whole network; also a ``rnngen.contracts.FeatureStep``."""

    fixed = 0

    def __init__(self, weights: Weights, blueprint: Blueprint, options: HierarchicalOptions) -> None:
        self.period, self.feature_size = options.period, blueprint.hidden
        self.embedding = weights["embedding.weight"]
        self.frame: Any = _turned(weights["frame.weight"])
        self.frame_bias = weights["frame.bias"]
        self.context: Any = _turned(weights["context.weight"])
        self.slow, fast = blueprint.parts["slow"].numpy(weights, "slow."), blueprint.parts["cell"]
        self.fast = [fast.numpy(weights, f"fast.{i}.") for i in range(blueprint.layers)]
        head = weights.get("head.weight", self.embedding)  # tied weights are stored once
        if "projection.weight" in weights:
            head = head @ weights["projection.weight"]  # two matrices in a row are one
        self.head: Any = _turned(head)
        self.bias = weights["head.bias"]
        counts = [1, 1, 1, *(len(layer.initial_state(1)) for layer in (self.slow, *self.fast))]
        self.spans = [slice(*borders) for borders in pairwise(accumulate(counts, initial=0))]

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices; ``UsageError`` if the cell's cannot be."""
        for layer in quantizable([self.slow, *self.fast]):
            layer.quantize(make)
        self.frame, self.context, self.head = map(make, (self.frame, self.context, self.head))

    def start(self, about: int) -> State:
        """Return the state before the first token of ``about`` streams."""
        window = np.zeros((about, self.period - 1, self.embedding.shape[1]), np.float32)
        last = np.zeros((about, self.feature_size), np.float32)
        layers = (array for layer in (self.slow, *self.fast) for array in layer.initial_state(about))
        return np.zeros(about, np.int64), window, last, *layers

    def attended(self, state: State) -> None:
        """Return None: there is no source to attend to."""

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → what the output layer reads (B,H), state."""
        x = self.embedding[tokens]
        before = self._slow(x, state)
        y, after = np.concatenate((x, np.dot(before[2], self.context)), 1), list(before)
        for layer, span in zip(self.fast, self.spans[4:], strict=True):
            y, more = layer.advance(layer.project(y), state[span])
            after.extend(more)
        return y, tuple(after)

    def _slow(self, x: Floats, state: State) -> State:
        """Inputs (B,E), state → the slow cell's part of the state; it steps in rows where that is due."""
        (phase,), (window,), (last,), slow = (state[span] for span in self.spans[:4])
        seen = np.concatenate((window, x[:, None]), 1)
        rows = np.flatnonzero(phase == 0)
        if len(rows):
            frames = np.dot(seen[rows].reshape(len(rows), -1), self.frame) + self.frame_bias
            u, after = self.slow.advance(self.slow.project(frames), tuple(array[rows] for array in slow))
            pairs = zip((last, *slow), (u, *after), strict=True)
            last, *others = (_replaced(old, rows, new) for old, new in pairs)
            slow = tuple(others)
        return (phase + 1) % self.period, seen[:, 1:], last, *slow

    def logits(self, features: Floats, state: State) -> Floats:  # noqa: ARG002 - they depend on features alone
        """Features (B,H) and the state after their tokens → logits (B,V)."""
        logits: Floats = np.dot(features, self.head) + self.bias
        return logits

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        features, state = self.features(tokens, state)
        return self.logits(features, state), state


def _replaced(old: Any, rows: Any, new: Any) -> Any:
    """Return an array with other rows in some places."""
    whole = old.copy()
    whole[rows] = new
    return whole


def _turned(weight: Floats) -> Any:
    """A torch weight (out,in), laid out for a row vector to multiply."""
    return np.ascontiguousarray(weight.T)
