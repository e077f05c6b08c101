"""The n-gram baseline: a character 5-gram of the same training text. A network that does worse is broken.

Interpolated Witten-Bell (Witten and Bell 1991, method C; Chen and Goodman 1999, section 2.6). After a history
h that was followed c(h) times by T(h) different symbols, and with h' the history less its oldest symbol::

    P(w|h) = (c(hw) + T(h) P(w|h')) / (c(h) + T(h))

down to a uniform distribution over the training alphabet and one symbol for all that was never seen.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Chunk
from rnngen.errors import CorpusError

Codes: TypeAlias = NDArray[np.uint32]
"""Code points, with ``BOUNDARY`` before every document and, where examples end, behind the last one."""
Ranks: TypeAlias = NDArray[np.int32]
"""For each place in a text the row of a table, or -1 for what the table does not have."""

BOUNDARY = 0x110000
"""One more than the last code point."""
LIMIT = 20 << 20
"""Characters that are learnt from, at most."""
BLOCK = 1 << 20
"""Symbols that are looked up at once."""


@dataclass(frozen=True)
class NGramLoss:
    """Loss of an n-gram on a text."""

    nats_per_char: float
    """Cross-entropy on the text."""
    chars: int
    """Characters that were predicted; where examples end by themselves, each end is one more."""
    train_chars: int
    """Characters that it was trained on, counted likewise: all, or the first ``limit`` of a large corpus."""


def witten_bell(
    train: Iterable[Chunk], text: Iterable[Chunk], *, has_eos: bool, order: int = 5, limit: int = LIMIT
) -> NGramLoss:
    """Train a Witten-Bell n-gram on one text and measure it on another.

    The history is of ``order`` - 1 symbols and begins anew at each document; with ``has_eos`` an example's
    end is predicted as one more character. At most ``limit`` characters are learnt from.

    Raises:
        CorpusError: if either text is empty.
    """
    model = NGram.fit(_joined(blocks(_first(train, limit), has_eos)), has_eos=has_eos, order=order)
    nats, chars, known = 0.0, 0, 1
    history = _joined([])
    for block in blocks(text, has_eos):
        codes = np.concatenate([history, block])
        surprisals = model.surprisals(codes, known)
        nats, chars = nats + float(surprisals.sum()), chars + len(surprisals)
        history = codes[-max(1, order - 1) :]
        known = len(history)
    if not (chars and model.chars):
        missing = "validation" if model.chars else "training"
        raise CorpusError(f"no {missing} text to compare with; give more text")
    return NGramLoss(nats / chars, chars, model.chars)


def _first(chunks: Iterable[Chunk], limit: int) -> Iterator[Chunk]:
    for chunk in chunks:
        if limit <= 0:
            return
        yield Chunk(chunk.text[:limit], chunk.starts_document)
        limit -= len(chunk.text)


def blocks(chunks: Iterable[Chunk], has_eos: bool) -> Iterator[Codes]:
    """Yield a text as code points with boundaries, about ``BLOCK`` at a time."""
    border, buffer = BOUNDARY.to_bytes(4, "little"), bytearray()
    for text, starts_document, *_ in chunks:
        buffer += border * starts_document + text.encode("utf-32-le", "surrogatepass")
        if len(buffer) >= 4 * BLOCK:
            yield np.frombuffer(bytes(buffer), "<u4")
            buffer.clear()
    buffer += border * has_eos
    yield np.frombuffer(bytes(buffer), "<u4")


def _joined(parts: Iterable[Codes]) -> Codes:
    return np.concatenate([np.empty(0, np.uint32), *parts])


@dataclass(frozen=True)
class NGram:
    """A trained model.

    Symbols are numbered 0 for the boundary, then the alphabet, then one for whatever was never seen.
    """

    symbol_of: NDArray[np.int32]
    """(BOUNDARY + 1,) from code point to symbol."""
    tables: "tuple[_Table, ...]"
    """One for each length of history, the empty one first."""
    has_eos: bool
    """True where boundaries are predicted."""
    chars: int
    """Predicted symbols in the training text."""

    @classmethod
    def fit(cls, codes: Codes, *, has_eos: bool, order: int) -> Self:
        """Count every n-gram up to ``order`` in a text (N,)."""
        symbol_of = _numbered(codes)
        symbols = symbol_of[codes]
        size = int(symbol_of.max()) + 1
        predicted = _predicted(symbols, 1, has_eos)
        tables = [_Table.of_symbols(symbols[predicted], size)]
        context = np.zeros(len(symbols), np.int32)
        for length in range(1, order):
            context = _following(tables[-1].find(context, symbols), symbols, length)
            live = predicted & (context >= 0)
            histories = len(tables[-1].keys)
            tables.append(_Table.of_pairs(_packed(context[live], symbols[live], size), histories, size))
        return cls(symbol_of, tuple(tables), has_eos, int(predicted.sum()))

    def surprisals(self, codes: Codes, known: int = 1) -> NDArray[np.float64]:
        """Return the surprisal, in nats, of each symbol (N,) behind the first ``known`` ones.

        The text begins with a boundary, or with a full history.
        """
        symbols = self.symbol_of[codes]
        context = np.zeros(len(symbols), np.int32)
        uniform = 1 / (self.tables[0].size - 1 + self.has_eos)
        p = np.full(len(symbols), uniform)
        for length, table in enumerate(self.tables, start=1):
            gram = table.find(context, symbols)
            p = table.interpolate(p, context, gram)
            context = _following(gram, symbols, length)
        surprisals: NDArray[np.float64] = -np.log(p[_predicted(symbols, known, self.has_eos)])
        return surprisals


def _numbered(codes: Codes) -> NDArray[np.int32]:
    """Number the code points that occur from 1 on; the boundary is 0, and all others are the last."""
    occurs = np.zeros(BOUNDARY + 1, bool)
    occurs[codes] = True
    occurs[BOUNDARY] = False
    numbers = np.where(occurs, np.cumsum(occurs), occurs.sum() + 1).astype(np.int32)
    numbers[BOUNDARY] = 0
    return numbers


def _predicted(symbols: NDArray[np.int32], known: int, has_eos: bool) -> NDArray[np.bool_]:
    """Mark the places (N,) that count: all behind the history, boundaries only where examples end."""
    counts = np.ones(len(symbols), bool) if has_eos else symbols != 0
    counts[:known] = False
    return counts


def _following(gram: Ranks, symbols: NDArray[np.int32], length: int) -> Ranks:
    """Return the grams as histories of the symbols behind them; none reaches back across a boundary."""
    context = np.full_like(gram, -1)
    context[1:] = gram[:-1]
    if length > 1:
        context[1:][symbols[:-1] == 0] = -1
    return context


def _packed(history: Ranks, symbols: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """Pack a history's row and a symbol in one number; in place, because these are the largest arrays."""
    keys = history.astype(np.int64)
    keys *= size
    keys += symbols
    return keys


@dataclass(frozen=True)
class _Table:
    """The symbols that followed the histories of one length, with counts.

    A history is known by its row in the table of histories one shorter: a pair of row and symbol fits
    64 bits whatever the alphabet. The arrays end in a 0, which is what row -1 finds.
    """

    size: int
    """Number of symbols."""
    keys: NDArray[np.int64]
    """(R,) history · size + symbol, ascending: one row a gram."""
    counts: NDArray[np.int64]
    """(R + 1,) c(hw)."""
    totals: NDArray[np.int64]
    """(histories + 1,) c(h)."""
    kinds: NDArray[np.int64]
    """(histories + 1,) T(h)."""

    @classmethod
    def of_symbols(cls, symbols: NDArray[np.int32], size: int) -> Self:
        """Make the table of the empty history; every symbol has its row, which the next table builds on."""
        counts = np.bincount(symbols, minlength=size)
        return cls._closed(size, np.arange(size), counts, [counts.sum()], [np.count_nonzero(counts)])

    @classmethod
    def of_pairs(cls, pairs: NDArray[np.int64], histories: int, size: int) -> Self:
        """Make the table of histories and symbols, as ``_packed`` gives them; they are sorted in place."""
        pairs.sort()
        last = np.flatnonzero(np.append(pairs[1:] != pairs[:-1], True)[: len(pairs)])
        counts, keys = np.diff(last, prepend=-1), pairs[last]
        owner = keys // size
        totals = np.zeros(histories, np.int64)
        np.add.at(totals, owner, counts)
        return cls._closed(size, keys, counts, totals, np.bincount(owner, minlength=histories))

    @classmethod
    def _closed(cls, size: int, keys: Any, counts: Any, totals: Any, kinds: Any) -> Self:
        return cls(size, keys, *(np.append(column, 0) for column in (counts, totals, kinds)))

    def find(self, history: Ranks, symbols: NDArray[np.int32]) -> Ranks:
        """Return the row of each gram."""
        found = np.full(len(symbols), -1, np.int32)
        for at in range(0, len(symbols) if len(self.keys) else 0, BLOCK):
            part = slice(at, at + BLOCK)
            keys = _packed(history[part], symbols[part], self.size)
            rows = np.searchsorted(self.keys[:-1], keys)
            found[part] = np.where(self.keys[rows] == keys, rows, -1)
        return found

    def interpolate(self, lower: NDArray[np.float64], history: Ranks, gram: Ranks) -> NDArray[np.float64]:
        """Return P(w|h) from P(w|h')."""
        c, kinds = self.totals[history], self.kinds[history]
        return np.where(c > 0, (self.counts[gram] + kinds * lower) / np.maximum(c + kinds, 1), lower)
