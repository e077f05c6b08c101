"""All ways to cut words into candidate pieces, with their probabilities: the inside of unigram training.

::

    th e r e        one row of a forward table is one word; an edge is a candidate that fits
    ╰──╯ ╰─╯        there. Rows have an edge of a given start and length once at most, so that
    ╰───────╯       NumPy takes all words at once, one (start, length) after the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

LONGEST = 16
"""Characters of the longest candidate."""
WIDTHS = 4
"""A character that is no candidate goes by its 1 to 4 bytes of UTF-8."""


class Lattice:
    """The edges of all words.

    Scores are natural logarithms of probabilities, one a candidate, and behind them one for spelling a
    character in 1, 2, 3 and 4 bytes.

    Args:
        words: the words.
        index: the number of each candidate.
        whole: whether a word that is a candidate may be taken whole.
    """

    def __init__(self, words: Sequence[str], index: Mapping[str, int], *, whole: bool = True) -> None:
        self.lengths = np.array([len(word) for word in words], np.int64)
        edges = np.fromiter(_edges(words, index, whole), np.dtype((np.int64, 5)))
        self.word, self.start, self.length, self.piece, self.width = edges.T
        self._candidates = len(index)
        self._select(np.argsort(_rank(self.start, self.length), kind="stable"))

    def keep(self, candidates: NDArray[np.intp], *, rows: NDArray[np.intp] | None = None) -> None:
        """Drop all candidates but these, which are numbered anew, and all words but those of ``rows``.

        A single character that goes is spelt in bytes from now on.
        """
        left = len(candidates)
        renumber = np.full(self._candidates + WIDTHS, -1)
        renumber[candidates] = np.arange(left)
        renumber[self._candidates :] = np.arange(left, left + WIDTHS)
        self.piece = renumber[self.piece]
        spelt = (self.piece < 0) & (self.length == 1)
        self.piece[spelt] = left + self.width[spelt] - 1
        self._candidates = left
        if rows is not None:
            self._keep_rows(rows)
        self._select(np.flatnonzero((self.piece >= 0) & (self.word >= 0)))

    def _keep_rows(self, rows: NDArray[np.intp]) -> None:
        """Number the words anew; the edges of those that go belong to word -1."""
        renumber = np.full(len(self.lengths), -1)
        renumber[rows] = np.arange(len(rows))
        self.word, self.lengths = renumber[self.word], self.lengths[rows]

    def _select(self, edges: NDArray[np.intp]) -> None:
        """Keep these edges, in this order, and remember where those of one start and length lie."""
        self.word, self.start, self.length = self.word[edges], self.start[edges], self.length[edges]
        self.piece, self.width = self.piece[edges], self.width[edges]
        borders = np.flatnonzero(np.diff(_rank(self.start, self.length), prepend=-1, append=-1))
        self._groups = [slice(low, high) for low, high in pairwise(borders.tolist())]

    def forward(self, scores: Floats) -> Floats:
        """Return the log probability of each word's beginnings: (words, longest + 1)."""
        table = np.full((len(self.lengths), int(self.lengths.max(initial=0)) + 1), -np.inf)
        table[:, 0] = 0
        for edges in self._groups:
            rows, start = self.word[edges], self.start[edges.start]
            end = start + self.length[edges.start]
            reached = table[rows, start] + scores[self.piece[edges]]
            table[rows, end] = np.logaddexp(table[rows, end], reached)
        return table

    def log_probability(self, scores: Floats) -> Floats:
        """Return the log probability of each word, over all ways to cut it."""
        return self.forward(scores)[np.arange(len(self.lengths)), self.lengths]

    def expected_uses(self, scores: Floats, counts: Floats) -> Floats:
        """Return each candidate's expected uses over the cuts of words that occur ``counts`` times."""
        forward = self.forward(scores)
        rows = np.arange(len(self.lengths))
        total = forward[rows, self.lengths]
        backward = np.full_like(forward, -np.inf)
        backward[rows, self.lengths] = 0
        uses = np.zeros(len(scores))
        for edges in reversed(self._groups):
            words, start = self.word[edges], self.start[edges.start]
            onward = scores[self.piece[edges]] + backward[words, start + self.length[edges.start]]
            backward[words, start] = np.logaddexp(backward[words, start], onward)
            share = np.exp(forward[words, start] + onward - total[words])
            uses += np.bincount(self.piece[edges], share * counts[words], len(uses))
        return uses


def substrings(word: str) -> Iterator[tuple[int, str]]:
    """Yield each part of a word that may be a candidate, with its start."""
    for start in range(len(word)):
        for end in range(start + 1, min(start + LONGEST, len(word)) + 1):
            yield start, word[start:end]


def _rank(start: Ints, length: Ints) -> Ints:
    return start * (LONGEST + 1) + length


def _edges(words: Sequence[str], index: Mapping[str, int], whole: bool) -> Iterator[tuple[int, ...]]:
    """Yield for each edge its word, start, length, candidate, and the bytes of its characters."""
    for row, word in enumerate(words):
        for start, part in substrings(word):
            piece = index.get(part, -1) if whole or len(part) < len(word) else -1
            if piece < 0 and len(part) > 1:
                continue
            width = len(part.encode()) if len(part) == 1 else 0
            yield row, start, len(part), len(index) + width - 1 if piece < 0 else piece, width
