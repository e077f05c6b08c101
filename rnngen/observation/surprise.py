"""How surprising each token of a text is: −log₂ p, of the network, of its n-gram, and of both mixed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import log
from typing import Any

import numpy as np

from rnngen.contracts import Floats, TokenIds
from rnngen.generation.generator import Generator
from rnngen.inference.ngram.mixture import Mixture
from rnngen.inference.unwrapped import unwrapped
from rnngen.numerics import Doubles, log_softmax
from rnngen.observation.reading import Piece, Reading, Text, pieces_of

NETWORK, NGRAM, MIXED = "network", "n-gram", "mixture"
CONTEXT = 24
"""Characters that are shown before a surprising place."""


@dataclass(frozen=True, eq=False)
class Surprise:
    """The surprisal of every token of some texts."""

    tokens: tuple[bytes, ...]
    """N tokens; an empty one is the end of a text."""
    bits: dict[str, Doubles]
    """By predictor: ``network`` and, of a model with an n-gram, ``n-gram`` and ``mixture``; each (N,)."""
    expected: "dict[str, TokenIds]"
    """The token that each predictor found most probable in the place of each (N,)."""
    chances: dict[str, Doubles]
    """(N,) the probability of that."""
    vocabulary: Sequence[bytes] = field(repr=False)
    pieces: tuple[Piece, ...] = field(repr=False)
    """The text in whole characters."""

    @property
    def whole(self) -> str:
        """The predictor that is the whole model."""
        return MIXED if MIXED in self.bits else NETWORK

    def of(self, predictor: str) -> list[tuple[Piece, float]]:
        """Return each piece of the text with its surprisal in bits."""
        bits = self.bits[predictor]
        return [(piece, float(bits[piece.tokens.start : piece.tokens.stop].sum())) for piece in self.pieces]

    def mean(self, predictor: str) -> float:
        """Return the mean surprisal, in bits per character, the ends of texts included."""
        characters = sum(max(len(piece.text), 1) for piece in self.pieces)
        return float(self.bits[predictor].sum()) / characters

    def peaks(self, predictor: str, count: int) -> "list[Peak]":
        """Return the most surprising places, the most surprising first."""
        listed = self.of(predictor)
        order = sorted(range(len(listed)), key=lambda at: -listed[at][1])[:count]
        return [self._peak(predictor, listed, at) for at in order]

    def _peak(self, predictor: str, listed: Sequence[tuple[Piece, float]], at: int) -> "Peak":
        piece, bits = listed[at]
        before = ""
        for one in self.pieces[max(at - CONTEXT, 0) : at]:
            before = (before + one.text) if one.text else ""  # the model has not read another text
        before = before[-CONTEXT:]
        first = piece.tokens.start
        expected = self.vocabulary[int(self.expected[predictor][first])]
        return Peak(at, before, piece.text, bits, expected, float(self.chances[predictor][first]))


@dataclass(frozen=True)
class Peak:
    """A surprising place."""

    place: int
    """Its number among the pieces, from 0."""
    before: str
    text: str
    """Empty for the end of a text."""
    bits: float
    expected: bytes
    """The token that was most probable there…"""
    chance: float
    """…and its probability."""


def surprise(generator: Generator, texts: Sequence[Text]) -> Surprise:
    """Read texts → how surprising each of their tokens was.

    Raises:
        UsageError: if a source is missing, or given to a model that reads none.
    """
    reading, mixture = Reading.of(generator), unwrapped(generator.model)[1]
    vocabulary = generator.tokenizers.target.pieces
    names = [NETWORK] if mixture is None else [NETWORK, NGRAM, MIXED]
    tokens: list[int] = []
    pieces: list[Piece] = []
    bits, best, chances = ({name: list[Any]() for name in names} for _ in range(3))
    for text in texts:
        targets: list[int] = []
        for part, by_name in _predictions(reading, mixture, text):
            targets += part
            rows = np.arange(len(part))
            for name, log_probs in by_name.items():
                bits[name].append(np.maximum(-log_probs[rows, part] / log(2), 0))
                best[name].append(log_probs.argmax(axis=1))
                chances[name].append(np.exp(log_probs.max(axis=1)))
        offset = len(tokens)
        pieces += [
            Piece(one.text, range(one.tokens.start + offset, one.tokens.stop + offset))
            for one in pieces_of([vocabulary[token] for token in targets])
        ]
        tokens += targets
    whole = [{name: np.concatenate(parts) for name, parts in one.items()} for one in (bits, best, chances)]
    written = tuple(vocabulary[token] for token in tokens)
    return Surprise(written, whole[0], whole[1], whole[2], vocabulary, tuple(pieces))


def _predictions(
    reading: Reading, mixture: Mixture | None, text: Text
) -> Iterator[tuple[list[int], dict[str, Doubles]]]:
    """Yield some tokens of a text, and what was expected in their place, (T,V) by predictor."""
    generator = reading.generator
    prefix, tokens = reading.tokens(text)
    inputs = [*prefix, *tokens] if generator.has_eos else [*prefix, *tokens[:-1]]
    targets = [*prefix[1:], *tokens] + [generator.eos_id] * generator.has_eos
    skipped, at = len(prefix) - 1, 0
    nodes = None if mixture is None else mixture.ngram.start(1)
    for read in reading.blocks(inputs, reading.start(text)):
        by_name = {NETWORK: read.logits}
        if mixture is not None:
            assert nodes is not None
            path = [nodes]
            for token in read.tokens:
                path.append(mixture.ngram.advance(path[-1], np.array([token])))
            nodes = path[-1]
            by_name |= _mixed(mixture, read.logits, np.concatenate(path[1:]))
        drop = max(skipped - at, 0)
        wanted = targets[at + drop : at + len(read.tokens)]
        if wanted:
            yield wanted, {name: log_softmax(logits[drop:]) for name, logits in by_name.items()}
        at += len(read.tokens)


def _mixed(mixture: Mixture, logits: Floats, nodes: TokenIds) -> dict[str, Floats]:
    predicted = mixture.ngram.predict(nodes)
    return {NGRAM: predicted.log_probs, MIXED: mixture.mixed(logits, predicted)}
