"""The unigram language model over byte-level pieces (Kudo 2018).

The library's trainer gives a different vocabulary at every run (its sums follow hash maps and threads), so
that the vocabulary is learnt here, and the library's model is made from the list of pieces and scores.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.options import VocabularyOptions
from rnngen.builtins.tokenizers import tokenizer_json
from rnngen.builtins.tokenizers.byte_level import ALPHABET, ByteLevelTokenizer, read, write
from rnngen.builtins.tokenizers.lattice import WIDTHS, Floats, Lattice, substrings
from rnngen.builtins.tokenizers.tokenizer_json import Parts
from rnngen.builtins.tokenizers.words import by_frequency, count_words, forget_rarest, sample
from rnngen.contracts import Chunk

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

        Raises:
            CorpusError: if the text holds a lone surrogate.
        """
        words = _affordable(by_frequency(count_words(sample(chunks))))
        learnt = _learn(words, options.vocab_size - len(ALPHABET) - 1)
        rarest = min(learnt.values())
        single = dict.fromkeys(ALPHABET, rarest) | {write(piece): learnt.pop(piece) for piece in _ASCII}
        others = sorted(learnt.items(), key=lambda item: (-item[1], item[0]))
        return cls([*single.items(), *((write(piece), score) for piece, score in others)])


def _affordable(words: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the most frequent words, as many as have ``_PARTS`` substrings together."""
    sizes = np.cumsum([sum(1 for _ in substrings(word)) for word, _ in words])
    return words[: int(np.searchsorted(sizes, _PARTS, "right"))]


def _seeds(words: list[tuple[str, int]], size: int) -> dict[str, float]:
    """ASCII, then the substrings that cover most of the text (count times length), each with its count."""
    counts: Counter[str] = Counter()
    for word, count in words:
        for _, part in substrings(word):
            counts[part] += count
        forget_rarest(counts, _PARTS // 2)
    covers = Counter({part: count * len(part) for part, count in counts.items() if count > 1})
    best = [part for part, _ in by_frequency(covers) if part not in _ASCII][:size]
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
