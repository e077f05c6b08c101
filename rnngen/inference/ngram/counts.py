"""An n-gram over tokens: a trie of what followed each context, smoothed by interpolation.

After a context h that was followed c(h) times by T(h) different tokens, and with h′ the context less its
oldest token (Witten and Bell 1991, method C; Chen and Goodman 1999, section 2.6)::

    P(w|h) = (c(hw) + T(h)·P(w|h′)) / (c(h) + T(h))          down to P = 1/V

The trie lies in flat arrays, breadth first. Node 0 is the empty context; the child of edge e is node e + 1::

    node 0    edges  a b c         a token each, ascending, with its count c(hw)
    node 1    edges  a b           what followed "a"
    …

The contexts of a stream are a row of nodes, one for each length from 0 on. A context does not reach back
across the end token, which is its oldest token at most.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, TokenIds
from rnngen.numerics import Doubles
from rnngen.options.model import MOST_ORDER

Nodes: TypeAlias = NDArray[np.int64]
"""(B,n) the node of each stream's context of length 0 … n − 1; ``NGram.none`` where nothing followed it."""

LIMIT = 8_000_000
"""Tokens of a training text that are counted, at most."""
SHAPE, TOKENS, COUNTS, MANY, SUCCESSORS, MORE = (
    f"ngram.{part}"
    for part in ("shape", "tokens", "counts", "counts.large", "successors", "successors.large")
)
LARGE = 255
"""Numbers from here on are stored apart, so that all others take one byte."""


class Prediction(NamedTuple):
    """The prediction of an n-gram for the next token of B streams."""

    log_probs: Floats
    """(B,V)."""
    lengths: NDArray[np.int64]
    """(B,) the length of the longest context that occurred."""
    counts: NDArray[np.int64]
    """(B,) the number of times that it was followed by something."""

    def rows(self, which: slice) -> "Prediction":
        """Return the predictions for some streams."""
        return Prediction(self.log_probs[which], self.lengths[which], self.counts[which])

    @classmethod
    def joined(cls, parts: "Sequence[Prediction]") -> Self:
        """Return several as one."""
        log_probs, lengths, counts = zip(*parts, strict=True)
        return cls(*(np.concatenate(arrays) for arrays in (log_probs, lengths, counts)))


@dataclass(frozen=True, eq=False)
class NGram:
    """A counted text."""

    vocabulary: int
    """V."""
    order: int
    """n: contexts have up to n − 1 tokens."""
    end: int
    """The token at which contexts begin anew."""
    tokens: NDArray[np.int64]
    """(E,) the token of each edge."""
    counts: NDArray[np.int64]
    """(E,) how often it followed the context."""
    successors: NDArray[np.int64]
    """(E+1,) the number of edges of each node."""

    # ── counting ───────────────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def count(
        cls, text: NDArray[Any], vocabulary: int, order: int, *, end: int, predicts_end: bool, bytes_: int
    ) -> Self:
        """Count the n-grams of a text.

        Args:
            text: (N,) tokens; documents, or examples, are divided by the token ``end``.
            vocabulary: V.
            order: n, at least 2.
            end: the end token.
            predicts_end: true where examples end by themselves, so that their end is predicted too.
            bytes_: the size that the stored arrays should not exceed: contexts seen less often than some
                number of times are left out then, those of up to one token never.
        """
        text = np.asarray(text[:LIMIT]).astype(np.int64)
        ends = text == end
        counted = np.ones(len(text), bool) if predicts_end else ~ends
        counted[:1] = False  # nothing comes before the first
        context = np.zeros(len(text), np.int64)  # the row of each token's context among those of its length
        levels: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        for length in range(order):
            keys, counts, found = _edges(text, context, counted, vocabulary, everything=not length)
            levels.append((keys, counts))
            context = np.full(len(text), -1, np.int64)
            context[1:] = found[:-1]
            if length:
                context[1:][ends[:-1]] = -1
        size = 2 + np.dtype(_token_type(vocabulary)).itemsize
        return cls._joined(_pruned(levels, vocabulary, bytes_ // size), vocabulary, order, end)

    @classmethod
    def _joined(
        cls, levels: list[tuple[NDArray[np.int64], NDArray[np.int64]]], vocabulary: int, order: int, end: int
    ) -> Self:
        successors, nodes = [], 1
        for keys, _ in levels:
            successors.append(np.bincount(keys // vocabulary, minlength=nodes))
            nodes = len(keys)
        successors.append(np.zeros(nodes, np.int64))
        tokens = np.concatenate([keys % vocabulary for keys, _ in levels])
        counts = np.concatenate([counts for _, counts in levels])
        return cls(vocabulary, order, end, tokens, counts, np.concatenate(successors))

    # ── storing ────────────────────────────────────────────────────────────────────────────────────────────

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that a model's file holds."""
        counts, many = _small(self.counts)
        successors, more = _small(self.successors)
        return {
            SHAPE: np.array([self.vocabulary, self.order, self.end], np.int64),
            TOKENS: self.tokens.astype(_token_type(self.vocabulary)),
            COUNTS: counts,
            MANY: many,
            SUCCESSORS: successors,
            MORE: more,
        }

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> "Self | None":
        """Read back what ``tensors`` returned; None where there is no n-gram.

        Raises:
            ValueError: if the arrays do not fit each other.
        """
        if SHAPE not in tensors:
            return None
        for name in (SHAPE, TOKENS, COUNTS, MANY, SUCCESSORS, MORE):
            array = tensors[name]
            if array.dtype.kind not in "ui" or array.ndim != 1 or (array < 0).any():
                raise ValueError(f"{name} holds no counts")
        vocabulary, order, end = tensors[SHAPE].tolist()
        tokens = tensors[TOKENS].astype(np.int64)
        counts, successors = (
            _whole(tensors[COUNTS], tensors[MANY]),
            _whole(tensors[SUCCESSORS], tensors[MORE]),
        )
        fits = len(tokens) == len(counts) == len(successors) - 1 == successors.sum()
        if not (fits and 1 < order <= MOST_ORDER and (tokens < vocabulary).all() and 0 <= end < vocabulary):
            raise ValueError("the arrays of the n-gram do not fit each other")
        return cls(vocabulary, order, end, tokens, counts, successors)

    # ── predicting ─────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def none(self) -> int:
        """The node in place of a context after which nothing was seen: one more than the last."""
        return len(self.successors)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """(E+2,) the first edge of each node."""
        return np.concatenate([[0], np.cumsum(self.successors)])

    @cached_property
    def _widths(self) -> NDArray[np.int64]:
        """(E+2,) the number of edges of each node."""
        return np.append(self.successors, 0)

    @cached_property
    def _inner(self) -> NDArray[np.int64]:
        """The edges to nodes that have edges themselves."""
        return np.flatnonzero(self.successors[1:])

    @cached_property
    def _keys(self) -> NDArray[np.int64]:
        """Node · V + token of each of these edges, ascending, and a greater number behind them."""
        owners = np.repeat(np.arange(len(self.successors)), self.successors)[self._inner]
        return np.append(owners * self.vocabulary + self.tokens[self._inner], np.iinfo(np.int64).max)

    @cached_property
    def _children(self) -> NDArray[np.int64]:
        """The nodes that they lead to."""
        return np.append(self._inner + 1, self.none)

    @cached_property
    def _totals(self) -> NDArray[np.int64]:
        """(E+2,) c(h) of each node."""
        return self._summed(self.counts)

    @cached_property
    def _kinds(self) -> NDArray[np.int64]:
        """(E+2,) T(h) of each node; an end that is not predicted does not count."""
        return self._summed(self.counts > 0)

    def _summed(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Sum up (E,) numbers of edges by node."""
        sums = np.concatenate([[0], np.cumsum(values)])
        return np.append(sums[self._starts[1:]] - sums[self._starts[:-1]], 0)

    @cached_property
    def _lower(self) -> Doubles:
        """(E+2,) the share of the shorter context, T(h) / (c(h) + T(h))."""
        return np.where(self._totals > 0, self._kinds / np.maximum(self._totals + self._kinds, 1), 1.0)

    @cached_property
    def _shares(self) -> Doubles:
        """(E,) what an edge adds, c(hw) / (c(h) + T(h))."""
        whole = np.maximum(self._totals + self._kinds, 1)[:-1]
        shares: Doubles = self.counts / np.repeat(whole, self.successors)
        return shares

    @cached_property
    def _root(self) -> Doubles:
        """(V,) P(w) after the empty context."""
        probs = np.full(self.vocabulary, self._lower[0] / self.vocabulary)
        first = slice(0, self.successors[0])
        probs[self.tokens[first]] += self._shares[first]
        return probs

    @cached_property
    def _log_root(self) -> Floats:
        """(V,) its logarithm."""
        return np.log(self._root).astype(np.float32)

    def start(self, batch: int) -> Nodes:
        """Return the contexts of ``batch`` streams before their first token."""
        nodes = np.full((batch, self.order), self.none, np.int64)
        nodes[:, 0] = 0
        return nodes

    def advance(self, nodes: Nodes, tokens: TokenIds) -> Nodes:
        """Contexts and the tokens (B,) after them → the contexts that end with those.

        Nothing was counted behind an end but what followed the end alone.
        """
        after = np.zeros_like(nodes)
        keys = nodes[:, :-1] * self.vocabulary
        keys += tokens[:, None]
        places = self._keys.searchsorted(keys)
        after[:, 1:] = np.where(self._keys.take(places) == keys, self._children.take(places), self.none)
        return after

    def predict(self, nodes: Nodes) -> Prediction:
        """Contexts (B,K) → what may follow them."""
        batch, longer = len(nodes), nodes[:, 1:]
        # what every context leaves to the shorter ones, and what all longer ones leave to it
        left = np.cumprod(self._lower.take(longer)[:, ::-1], axis=1)[:, ::-1]
        scales = np.ones_like(left)
        scales[:, :-1] = left[:, 1:]
        widths = self._widths.take(longer)
        rows = np.arange(batch).repeat(widths.sum(axis=1))
        widths = widths.ravel()
        ends = widths.cumsum()
        edges = (self._starts.take(longer).ravel() - ends + widths).repeat(widths)
        edges += np.arange(len(edges))
        shares = self._shares.take(edges)
        shares *= scales.ravel().repeat(widths)
        tokens = self.tokens.take(edges)
        places = rows * self.vocabulary + tokens
        probs = left[:, 0].take(rows) * self._root.take(tokens)
        probs += np.bincount(places, shares, minlength=batch * self.vocabulary).take(places)
        # most tokens followed no context but the empty one: theirs needs no logarithm of its own
        log_probs = np.log(left[:, :1]).astype(np.float32) + self._log_root
        log_probs.ravel()[places] = np.log(probs)
        lengths = (longer != self.none).sum(axis=1)
        longest = nodes.take(lengths + np.arange(0, nodes.size, self.order))
        return Prediction(log_probs, lengths, self._totals.take(longest))


def _token_type(vocabulary: int) -> type[np.unsignedinteger[Any]]:
    return np.uint8 if vocabulary <= 1 << 8 else np.uint16 if vocabulary <= 1 << 16 else np.uint32


def _edges(
    text: NDArray[np.int64],
    context: NDArray[np.int64],
    counted: NDArray[np.bool_],
    vocabulary: int,
    *,
    everything: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Count the edges of contexts of one length.

    ``everything`` gives an edge, of count 0 where it is only read, to the tokens that are not predicted too.

    Returns:
        Row · V + token of each edge, ascending; its count; and the row of each place's edge (N,), or -1.
    """
    live = np.ones(len(text), bool) if everything else counted & (context >= 0)
    found = np.full(len(text), -1, np.int64)
    places = context[live] * vocabulary + text[live]
    ordered = np.sort(places)
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)])
    keys, counts = ordered[last], np.diff(last, prepend=-1)
    found[live] = keys.searchsorted(places)
    if everything:
        counts = np.bincount(found[counted], minlength=len(keys))
    return keys, counts, found


def _pruned(
    levels: list[tuple[NDArray[np.int64], NDArray[np.int64]]], vocabulary: int, limit: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Leave out the rarest contexts of more than one token, so that ``limit`` edges remain where that can be.

    A context occurs no more often than any that is shorter, at either end: what remains is a trie.
    """
    parents = [np.bincount(keys // vocabulary, counts).astype(np.int64) for keys, counts in levels]
    seen = [total[keys // vocabulary] for total, (keys, _) in zip(parents, levels, strict=True)]
    free = sum(len(keys) for keys, _ in levels[:2])
    rare = np.sort(np.concatenate([*seen[2:], np.empty(0, np.int64)]))[::-1]
    room = max(0, limit - free)
    least = 0 if len(rare) <= room else int(rare[room]) + 1
    kept, rows = [], np.zeros(1, np.int64)
    for length, ((keys, counts), times) in enumerate(zip(levels, seen, strict=True)):
        owners = rows[keys // vocabulary]
        stays = (owners >= 0) & ((times >= least) | (length < 2))
        kept.append((owners[stays] * vocabulary + keys[stays] % vocabulary, counts[stays]))
        rows = np.where(stays, np.cumsum(stays) - 1, -1)
    return kept


def _small(numbers: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.uint32]]:
    """Split numbers into a byte each and, in their order, those that need more."""
    return np.minimum(numbers, LARGE).astype(np.uint8), numbers[numbers >= LARGE].astype(np.uint32)


def _whole(small: NDArray[Any], large: NDArray[Any]) -> NDArray[np.int64]:
    """Put together what ``_small`` returned; ``ValueError`` if it was not that."""
    numbers = small.astype(np.int64)
    numbers[numbers == LARGE] = large
    return numbers
