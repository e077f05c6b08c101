"""The unigram language model over byte-level pieces (Kudo 2018).

The library's trainer gives a different vocabulary at every run (its sums follow hash maps and threads), so
that the vocabulary is learnt here, and the library's model is made from the list of pieces and scores.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.options import VocabularyOptions
from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.byte_level import ALPHABET, ByteLevelTokenizer, read, write
from rnngen.builtins.tokenizers.tokenizer_json import Parts
from rnngen.builtins.tokenizers.words import by_frequency, count_words, forget_rarest, sample
from rnngen.contracts import Chunk

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]

LONGEST = 16
"""Characters of the longest candidate."""
WIDTHS = 4
"""A character that is no candidate goes by its 1 to 4 bytes of UTF-8."""
_ASCII = tuple(map(chr, range(128)))
"""Candidates that are always kept, as their single bytes are tokens anyway."""
_SEEDS = 8
"""Candidates at the start, in multiples of what is kept."""
_SHRINK = 0.75
"""The share of the candidates that a round of pruning keeps."""
_ROUNDS = 2
"""Steps of expectation and maximisation between prunings."""
_PARTS = 4_000_000
"""Largest number of substrings; words beyond, the rarest, are not learnt from."""


class UnigramTokenizer(ByteLevelTokenizer):
    """The most probable cut, where each piece has its probability, whatever stands around it.

    Args:
        tokens: the pieces by ascending id, written in the byte alphabet, each with the natural logarithm of
            its probability.
    """

    kind = "unigram"

    def __init__(self, tokens: Sequence[tuple[str, float]]) -> None:
        model = {
            "type": "Unigram",
            "unk_id": None,
            "vocab": [[token, score] for token, score in tokens],
            "byte_fallback": False,
        }
        super().__init__(model, (read(token) for token, _ in tokens))

    @classmethod
    def from_model(cls, model: Parts) -> Self:
        """Build it from the library's model."""
        for entry in model["vocab"]:
            match entry:
                case [str(), float(score)] if -np.inf < score <= 0:
                    continue
            raise tokenizer_json.damaged(
                cls.kind, f"{entry!r} is no piece with the logarithm of a probability"
            )
        tokens = [(token, score) for token, score in model["vocab"]]
        cls.check_bytes([token for token, _ in tokens])
        if len(dict(tokens)) != len(tokens):
            raise tokenizer_json.damaged(cls.kind, "a piece is there twice")
        return cls(tokens)

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: VocabularyOptions) -> Self:
        """Begin with frequent substrings, and drop what the text can best do without until there is room.

        No piece cuts a character, but for the single bytes. Memory is bounded (see ``words.count_words``).
        """
        words = by_frequency(count_words(sample(chunks)))
        sizes = np.cumsum([sum(1 for _ in substrings(word)) for word, _ in words])
        words = words[: int(np.searchsorted(sizes, _PARTS, "right"))]
        learnt = _learn(words, options.vocab_size - len(ALPHABET) - 1)
        rarest = min(learnt.values())
        single = dict.fromkeys(ALPHABET, rarest) | {write(piece): learnt.pop(piece) for piece in _ASCII}
        others = sorted(learnt.items(), key=lambda item: (-item[1], item[0]))
        return cls([*single.items(), *((write(piece), score) for piece, score in others)])


def _seeds(words: list[tuple[str, int]], size: int) -> dict[str, float]:
    """ASCII, then the substrings that cover most of the text (count times length), each with its count."""
    counts: Counter[str] = Counter()
    for word, count in words:
        for _, part in substrings(word):
            counts[part] += count
        forget_rarest(counts, _PARTS // 2)
    covers = Counter({part: count * len(part) for part, count in counts.items() if count > 1})
    kept = frozenset(_ASCII)
    best = [part for part, _ in by_frequency(covers) if part not in kept][:size]
    return {part: float(counts[part]) for part in (*_ASCII, *best)}


def _learn(words: list[tuple[str, int]], room: int) -> dict[str, float]:
    """Learn the score of each piece: those of ASCII, and ``room`` others at most."""
    counts = np.array([count for _, count in words], float)
    seeds = _seeds(words, room * _SEEDS)
    pieces, scores = list(seeds), _scores(np.array(list(seeds.values())))
    index = {piece: number for number, piece in enumerate(pieces)}
    text = Lattice([word for word, _ in words], index)
    others = Lattice(pieces, index, whole=False)
    while True:
        for _ in range(_ROUNDS):
            uses = text.expected_uses(scores, counts)[: len(pieces)]
            scores = _scores(uses)
        excess = len(pieces) - len(_ASCII) - room
        if excess <= 0:
            break
        loss = uses * (scores[: len(pieces)] - others.log_probability(scores))
        stays = _worth_most(loss, max(room, int((room + excess) * _SHRINK)))
        pieces, scores = [pieces[number] for number in stays], _scores(uses[stays])
        text.keep(stays)
        others.keep(stays, rows=stays)
    used = [number for number in range(len(pieces)) if number < len(_ASCII) or uses[number] >= 1]
    return {pieces[number]: round(float(scores[number]), 6) for number in used}


def _scores(uses: Floats) -> Floats:
    """Log probabilities from uses; spelling costs as much a byte as the rarest candidate."""
    scores: Floats = np.log(np.maximum(uses, 0.5) / max(uses.sum(), 1.0))
    return np.concatenate([scores, scores.min() * np.arange(1, WIDTHS + 1)])


def _worth_most(loss: Floats, size: int) -> NDArray[np.intp]:
    """Return the numbers of ASCII and of the ``size`` others of the greatest loss, ascending."""
    learnt = loss[len(_ASCII) :]
    best = np.argsort(-learnt, kind="stable")[:size]
    return np.concatenate([np.arange(len(_ASCII)), np.sort(best) + len(_ASCII)])


class Lattice:
    """All ways to cut words into candidate pieces, with their probabilities.

    ::

        th e r e        one row of a forward table is one word; an edge is a candidate that fits
        ╰──╯ ╰─╯        there. Rows have an edge of a given start and length once at most, so that
        ╰───────╯       NumPy takes all words at once, one (start, length) after the other.

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
        self._select(np.argsort(self.start * (LONGEST + 1) + self.length, kind="stable"))

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
            renumber = np.full(len(self.lengths), -1)  # the edges of words that go belong to word -1
            renumber[rows] = np.arange(len(rows))
            self.word, self.lengths = renumber[self.word], self.lengths[rows]
        self._select(np.flatnonzero((self.piece >= 0) & (self.word >= 0)))

    def _select(self, edges: NDArray[np.intp]) -> None:
        """Keep these edges, in this order, and remember where those of one start and length lie."""
        self.word, self.start, self.length = self.word[edges], self.start[edges], self.length[edges]
        self.piece, self.width = self.piece[edges], self.width[edges]
        borders = np.flatnonzero(np.diff(self.start * (LONGEST + 1) + self.length, prepend=-1, append=-1))
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


def _edges(words: Sequence[str], index: Mapping[str, int], whole: bool) -> Iterator[tuple[int, ...]]:
    """Yield for each edge its word, start, length, candidate, and the bytes of its characters."""
    for row, word in enumerate(words):
        for start, part in substrings(word):
            piece = index.get(part, -1) if whole or len(part) < len(word) else -1
            if piece < 0 and len(part) > 1:
                continue
            width = len(part.encode()) if len(part) == 1 else 0
            yield row, start, len(part), len(index) + width - 1 if piece < 0 else piece, width
