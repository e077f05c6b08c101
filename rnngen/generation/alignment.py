"""Attention weights between source and target tokens, ready to be shown.

An alignment holds texts and weights, nothing of the network. Tokens that are only a part of a character or
word can be joined: the weights of joined sources are summed, those of joined targets averaged, so that every
row stays a distribution::

            "中" in three bytes            characters
    ni      0.2  0.3  0.1   0.4            ni   0.6  0.4
    hao     0.0  0.1  0.1   0.8            hao  0.2  0.8
"""

import codecs
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnngen.decoding.text_stream import decode

Unit: TypeAlias = Literal["token", "character", "word"]
"""The meaning of a row or column; a token of several characters is never split."""

SLACK = 0.02
"""Tolerance for the sum of a row above 1: the weights may come from 16-bit arithmetic."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Attention weights between the tokens of a source and those of a target."""

    source: tuple[str, ...]
    """S texts: empty for the end token, U+FFFD for a part of a character."""
    target: tuple[str, ...]
    """T texts."""
    weights: NDArray[np.float32]
    """(T,S) attention weights. A row sums to 1, to less for some attentions (local, monotonic), or to 0 where
    there is no attention."""

    def __post_init__(self) -> None:
        _check_shape(self.weights, self.target, self.source)
        if not np.isfinite(self.weights).all() or (self.weights < 0).any():
            raise ValueError("weights must be finite and at least 0")
        if (self.weights.sum(axis=1) > 1 + SLACK).any():
            raise ValueError("the weights of one target must sum to 1 at most")

    @classmethod
    def from_pieces(
        cls, source: Sequence[bytes], target: Sequence[bytes], weights: ArrayLike, unit: Unit = "character"
    ) -> Self:
        """Decode tokens, and join those of one unit.

        Args:
            source: the bytes of S source tokens (``Tokenizer.pieces``), empty for the end token.
            target: the bytes of T target tokens.
            weights: (T,S).
            unit: ``token`` joins nothing, ``character`` the parts of a character, ``word`` those of a word.

        Raises:
            ValueError: if the weights have another shape.
        """
        rows, columns = runs(target, unit), runs(source, unit)
        given = np.asarray(weights, dtype=np.float32)
        _check_shape(given, target, source)
        return cls(_texts(source, columns), _texts(target, rows), _joined(given, rows, columns))

    def best(self, row: int) -> int:
        """Return the source of the largest weight of a target, the first of equals."""
        return int(self.weights[row].argmax())

    @property
    def attends(self) -> bool:
        """True if any weight is above 0, as in every network that attends."""
        return bool(self.weights.any())

    def as_json(self) -> dict[str, Any]:
        """Return the texts and the weights to four decimals, for ``json.dumps``."""
        rows = [[round(weight, 4) for weight in row] for row in self.weights.tolist()]
        return {"source": list(self.source), "target": list(self.target), "weights": rows}


def _check_shape(weights: NDArray[Any], target: Sequence[object], source: Sequence[object]) -> None:
    if weights.shape != (len(target), len(source)):
        raise ValueError(f"weights of shape {weights.shape} for {len(target)} targets, {len(source)} sources")


def _texts(pieces: Sequence[bytes], parts: Iterable[range]) -> tuple[str, ...]:
    return tuple(decode(pieces, part) for part in parts)


def _joined(weights: NDArray[np.float32], rows: list[range], columns: list[range]) -> NDArray[np.float32]:
    """Sum runs of columns, and average runs of rows."""
    if not rows or not columns:
        return np.zeros((len(rows), len(columns)), np.float32)
    sums = np.add.reduceat(weights, [run.start for run in columns], axis=1)
    totals = np.add.reduceat(sums, [run.start for run in rows], axis=0)
    counts = np.array([[len(run)] for run in rows], np.float32)
    return (totals / counts).astype(np.float32)


# ── Units ──────────────────────────────────────────────────────────────────────────────────────────────────


def runs(pieces: Sequence[bytes], unit: Unit) -> list[range]:
    """Split tokens into runs of one unit each, in order."""
    if unit == "token":
        return [range(at, at + 1) for at in range(len(pieces))]
    characters = _cut(len(pieces), _character_starts(pieces))
    if unit == "character":
        return characters
    texts = _texts(pieces, characters)
    starts = [characters[at].start for at in _word_starts(texts)]
    return _cut(len(pieces), starts)


def _cut(length: int, starts: Iterable[int]) -> list[range]:
    return [range(start, end) for start, end in pairwise([*starts, length])]


def _character_starts(pieces: Sequence[bytes]) -> list[int]:
    """Return the tokens that begin a character; an end token breaks off an incomplete one."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    starts = []
    for at, piece in enumerate(pieces):
        if not piece:
            decoder.reset()
        if not decoder.getstate()[0]:
            starts.append(at)
        decoder.decode(piece)
    return starts


def _word_starts(texts: Sequence[str]) -> list[int]:
    starts: list[int] = []
    before = ""
    for at, text in enumerate(texts):
        if starts and _one_word(before, text):
            before += text
        else:
            starts.append(at)
            before = text
    return starts


def _one_word(before: str, text: str) -> bool:
    """Return whether a text continues the word before it; spaces belong to the word that follows them."""
    if not before or not text:
        return False
    if before.isspace():
        return True
    return _is_letter(before[-1]) and _is_letter(text[0])


def _is_letter(char: str) -> bool:
    """Return whether a character forms words with its neighbours, unlike ideographs and kana."""
    if unicodedata.name(char, "").startswith(("CJK", "HIRAGANA", "KATAKANA")):
        return False
    return char.isalnum() or unicodedata.category(char).startswith("M")
