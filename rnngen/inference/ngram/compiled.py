"""The n-gram and its mixture by functions that Numba compiles, for steps whose network is compiled too.

They do what those of ``counts`` and ``mixture`` do; for one stream these take most of their time to begin.
"""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.compiled import compiled
from rnngen.contracts import Floats, TokenIds
from rnngen.inference.ngram.counts import NGram, Nodes, Prediction
from rnngen.inference.ngram.mixture import LEAST, Mixture
from rnngen.numerics import Doubles


def compiled_mixture(mixture: Mixture) -> Mixture:
    """Return a mixture that predicts by compiled functions.

    Raises:
        PluginError: if Numba is not installed.
    """
    ngram = CompiledNGram(**_fields(mixture.ngram))
    return CompiledMixture(**{**_fields(mixture), "ngram": ngram})


def _fields(one: Any) -> dict[str, Any]:
    return {field.name: getattr(one, field.name) for field in fields(one)}


class CompiledNGram(NGram):
    """An n-gram that is read by compiled functions."""

    def advance(self, nodes: Nodes, tokens: TokenIds) -> Nodes:
        """Contexts and the tokens (B,) after them → the contexts that end with those."""
        after = np.empty_like(nodes)
        paths = self._keys, self._children, self.none, self.vocabulary
        _advance(np.ascontiguousarray(nodes), tokens, paths, after)
        return after

    def predict(self, nodes: Nodes) -> Prediction:
        """Contexts (B,K) → what may follow them."""
        probs = np.empty((len(nodes), self.vocabulary))
        lengths, counts = np.empty((2, len(nodes)), np.int64)
        edges, shares = (self._starts, self._widths, self.tokens), (self._shares, self._lower, self._root)
        _predict(np.ascontiguousarray(nodes), self.none, edges, shares, probs)
        _longest(nodes, self.none, self._totals, lengths, counts)
        return Prediction(np.log(probs).astype(np.float32), lengths, counts)


class CompiledMixture(Mixture):
    """A mixture that is taken by a compiled function, unless an adaptive n-gram is in it."""

    def mixed(self, logits: Floats, ngram: Prediction, recent: Prediction | None = None) -> Floats:
        """Logits of the network (B,V) and predictions for the same streams → logits of the mixture (B,V)."""
        if recent is not None:
            return super().mixed(logits, ngram, recent)
        mixed = np.empty(logits.shape, np.float32)
        logits = np.ascontiguousarray(logits, np.float32)
        _mix(logits, tuple(ngram), self.weights, mixed)
        return mixed


@compiled
def _advance(nodes: Nodes, tokens: TokenIds, paths: Any, after: Nodes) -> None:
    keys, children, none, vocabulary = paths
    for b in range(len(nodes)):
        after[b, 0] = 0
        for length in range(1, nodes.shape[1]):
            key = nodes[b, length - 1] * vocabulary + tokens[b]
            place = np.searchsorted(keys, key)
            after[b, length] = children[place] if keys[place] == key else none


@compiled
def _predict(nodes: Nodes, none: int, edges: Any, shares: Any, probs: Doubles) -> None:
    """P(w|h), written into ``probs`` (B,V): each context's own share of it, the longest first."""
    (starts, widths, tokens), (own, lower, root) = edges, shares
    for b in range(len(nodes)):
        row, left = probs[b], 1.0
        row[:] = 0
        for length in range(nodes.shape[1] - 1, 0, -1):
            node = nodes[b, length]
            if node != none:
                for edge in range(starts[node], starts[node] + widths[node]):
                    row[tokens[edge]] += left * own[edge]
                left *= lower[node]
        for w in range(len(row)):
            row[w] += left * root[w]


@compiled
def _longest(
    nodes: Nodes,
    none: int,
    totals: NDArray[np.int64],
    lengths: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """The length of the longest context that occurred, and how often it was followed by something."""
    for b in range(len(nodes)):
        length = 0
        for longer in nodes[b, 1:]:
            length += longer != none
        lengths[b], counts[b] = length, totals[nodes[b, length]]


@compiled
def _mix(logits: Floats, ngram: Any, weights: Doubles, mixed: Floats) -> None:
    log_probs, lengths, counts = ngram
    for b in range(len(logits)):
        length, count = lengths[b] / 8, np.log1p(counts[b]) / 8
        first = max(weights[0, 0] + weights[0, 1] * length + weights[0, 2] * count, LEAST)
        second = max(weights[1, 0] + weights[1, 1] * length + weights[1, 2] * count, LEAST)
        network, below = np.float32(first), np.float32(second)
        for w in range(logits.shape[1]):
            mixed[b, w] = network * logits[b, w] + below * log_probs[b, w]
