"""Which source tokens a network looked at while it wrote each target token, ready to be shown.

An alignment holds texts and weights, nothing of the network. Tokens that are no whole character or word can
be joined when it is made: what a joined source gets is the sum, what a joined target gave is the mean, so
that every row stays a distribution::

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
"""What one row or column stands for; a token of several characters is never cut into them."""

SLACK = 0.02
"""How far above 1 the weights of a row may sum: they may come from 16-bit arithmetic."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Attention weights between the tokens of a source and those of a target."""

    source: tuple[str, ...]
    """S texts; the end token's is empty, a part of a character is U+FFFD."""
    target: tuple[str, ...]
    """T texts."""
    weights: NDArray[np.float32]
    """(T,S): how much target t looked at source s. A row sums to 1, or to less where the attention keeps some
    back (local, monotonic), or to 0 where there is no attention."""

    def __post_init__(self) -> None:
        shape = len(self.target), len(self.source)
        if self.weights.shape != shape:
            raise ValueError(
                f"weights of shape {self.weights.shape} for {shape[0]} targets, {shape[1]} sources"
            )
        if not np.isfinite(self.weights).all() or (self.weights < 0).any():
            raise ValueError("weights must be finite and at least 0")
        if (self.weights.sum(axis=1) > 1 + SLACK).any():
            raise ValueError("the weights of one target must sum to 1 at most")

    @classmethod
    def from_pieces(
        cls, source: Sequence[bytes], target: Sequence[bytes], weights: ArrayLike, unit: Unit = "character"
    ) -> Self:
        """Decode tokens, joining those that make one unit.

        Args:
            source: the bytes of each of S source tokens (``Tokenizer.pieces``), the end token's empty.
            target: those of T target tokens.
            weights: (T,S).
            unit: ``token`` joins nothing, ``character`` the parts of one character, ``word`` those of a word.

        Raises:
            ValueError: if the weights do not fit.
        """
        rows, columns = runs(target, unit), runs(source, unit)
        given = np.asarray(weights, dtype=np.float32)
        if given.shape != (len(target), len(source)):
            raise ValueError(
                f"weights of shape {given.shape} for {len(target)} targets, {len(source)} sources"
            )
        return cls(_texts(source, columns), _texts(target, rows), _joined(given, rows, columns))

    def best(self, row: int) -> int:
        """The source that a target looked at most: the first, where several are equal."""
        return int(self.weights[row].argmax())

    @property
    def attends(self) -> bool:
        """Whether there is anything to show: a network without attention has weights of 0."""
        return bool(self.weights.any())

    def as_json(self) -> dict[str, Any]:
        """The texts and the weights to four decimals, for ``json.dumps``."""
        rows = [[round(weight, 4) for weight in row] for row in self.weights.tolist()]
        return {"source": list(self.source), "target": list(self.target), "weights": rows}


def _texts(pieces: Sequence[bytes], parts: Iterable[range]) -> tuple[str, ...]:
    return tuple(decode(pieces, part) for part in parts)


def _joined(weights: NDArray[np.float32], rows: list[range], columns: list[range]) -> NDArray[np.float32]:
    """The sums over runs of columns of the means over runs of rows."""
    if not rows or not columns:
        return np.zeros((len(rows), len(columns)), np.float32)
    sums = np.add.reduceat(weights, [run.start for run in columns], axis=1)
    totals = np.add.reduceat(sums, [run.start for run in rows], axis=0)
    counts = np.array([[len(run)] for run in rows], np.float32)
    return (totals / counts).astype(np.float32)


# ── What belongs together ──────────────────────────────────────────────────────────────────────────────────


def runs(pieces: Sequence[bytes], unit: Unit) -> list[range]:
    """Cut tokens into runs that make one unit each; together they cover all tokens in order."""
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
    """The tokens before which no character is half read; an end token breaks one off."""
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
    """Whether a text goes on with the word before it; spaces belong to the word that follows them."""
    if not before or not text:
        return False
    if before.isspace():
        return True
    return _is_letter(before[-1]) and _is_letter(text[0])


def _is_letter(char: str) -> bool:
    """Whether a character makes words with its neighbours, as ideographs and kana do not."""
    if unicodedata.name(char, "").startswith(("CJK", "HIRAGANA", "KATAKANA")):
        return False
    return char.isalnum() or unicodedata.category(char).startswith("M")
