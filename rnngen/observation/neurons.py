"""Single units while a text is read, and which of them follow something that a person can name.

A unit is one number of the state. Its score for a property of the text is Pearson's correlation on the
second half of the text, where the unit was chosen on the first half: of a thousand units some fit any half by
chance, and such a one does not score. (The properties are those of Karpathy et al. 2015, arXiv 1506.02078.)
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, LayeredStep, State
from rnngen.errors import UsageError
from rnngen.generation.generator import Generator
from rnngen.generation.prefix_cache import as_numpy
from rnngen.numerics import Doubles
from rnngen.observation.reading import Piece, Reading, Text, pieces_of

LARGEST = 1 << 16
"""Numbers of one array of the state above which its units are left out: a large matrix memory."""
TELLING = 0.5
"""The score from which a unit is said to follow a property."""
RARE = 8
"""Places with, and without, a property that each half of a text needs at least."""


@dataclass(frozen=True, eq=False)
class Units:
    """The units of a network after each piece of a text."""

    pieces: tuple[Piece, ...]
    values: Floats
    """(N,U)."""
    places: tuple[str, ...]
    """Where each of the U units is: ``layer 1, array 2, number 7``, all counted from 1."""
    left_out: int
    """Arrays of the state whose units are not shown: they grow, hold whole numbers, or are very large."""
    begins: tuple[int, ...] = (0,)
    """The number of each text's first piece."""

    def check(self, unit: int) -> int:
        """Return a unit's number.

        Raises:
            UsageError: if there is no such unit.
        """
        count = len(self.places)
        if not 0 <= unit < count:
            raise UsageError(f"there is no unit {unit}; the model has {count:,}, from 0 to {count - 1}")
        return unit

    def range(self, unit: int) -> float:
        """Return the magnitude that all but one in a hundred values of a unit stay below."""
        return max(float(np.quantile(np.abs(self.values[:, unit]), 0.99)), 1e-6)


@dataclass(frozen=True)
class Finding:
    """The unit that best follows a property of the text."""

    name: str
    """The property."""
    unit: int | None
    """None where the text has too few places with, or without, it."""
    score: float
    """The correlation on the second half, positive or negative."""

    @property
    def telling(self) -> bool:
        """True if the unit follows the property."""
        return self.unit is not None and abs(self.score) >= TELLING


def observe(generator: Generator, texts: Sequence[Text]) -> Units:
    """Read texts → the units after each piece.

    Raises:
        UsageError: if the network has no units of a fixed number.
    """
    reading, pieces, rows, begins = Reading.of(generator), list[Piece](), list[Floats](), list[int]()
    vocabulary, network = generator.tokenizers.target.pieces, reading.network
    kept: list[int] | None = None
    state: State = ()
    offset = 0
    for text in texts:
        prefix, tokens = reading.tokens(text)
        state = reading.start(text)
        for read in reading.blocks(prefix, state):
            state = read.states[-1]
        if not tokens:
            continue
        if kept is None:
            after = network(np.array(tokens[:1]), state)[1]
            varying = _varying(reading)
            kept = [
                at
                for at in range(network.fixed, len(state))
                if at not in varying and _fixed(state[at], after[at])
            ]
            left_out = len(state) - network.fixed - len(kept)
            if not kept:
                raise UsageError("the state of this model holds no units of a fixed number to look at")
        values = [_rows(read.states, kept) for read in reading.blocks(tokens, state)]
        found = pieces_of([vocabulary[token] for token in tokens])
        last = [piece.tokens.stop - 1 for piece in found]
        rows.append(np.concatenate(values)[last])
        begins.append(len(pieces))
        pieces += [
            Piece(one.text, range(one.tokens.start + offset, one.tokens.stop + offset)) for one in found
        ]
        offset += len(tokens)
    if kept is None:
        raise UsageError("there is nothing to read in the text; give one with some")
    places = tuple(_places(network, state, kept))
    return Units(tuple(pieces), np.concatenate(rows), places, left_out, tuple(begins))


def _varying(reading: Reading) -> set[int]:
    """Return the arrays of a state that are as long as the source, as the weights of an attention."""
    if not reading.generator.reads_source:
        return set()
    short, long = (reading.network.start(np.zeros((1, size), np.int64)) for size in (1, 2))
    return {at for at, (one, two) in enumerate(zip(short, long, strict=True)) if one.shape != two.shape}


def _fixed(before: Any, after: Any) -> bool:
    """Return whether an array of a state has units that stay the same."""
    before, after = as_numpy(before), as_numpy(after)
    return bool(before.dtype.kind == "f" and before.shape == after.shape and before[0].size <= LARGEST)


def _rows(states: Sequence[State], kept: Sequence[int]) -> Floats:
    """The units of T states (T,U)."""
    columns = [np.stack([as_numpy(state[at])[0].ravel() for state in states]) for at in kept]
    joined: Floats = np.concatenate(columns, axis=1).astype(np.float32)
    return joined


def _places(network: Any, state: State, kept: Sequence[int]) -> Iterator[str]:
    spans = network.layer_spans if isinstance(network, LayeredStep) else []
    for at in kept:
        where = f"array {at - network.fixed + 1}"
        for layer, span in enumerate(spans, start=1):
            if span.start <= at < span.stop:
                where = f"layer {layer}, array {at - span.start + 1}"
        for number in range(as_numpy(state[at])[0].size):
            yield f"{where}, number {number + 1}"


# ── Properties of a text ───────────────────────────────────────────────────────────────────────────────────

Property = Callable[[str], "list[float | None]"]
"""A text → a number for each character, None where it does not apply."""


def find(units: Units) -> list[Finding]:
    """Find for each property the unit that follows it best."""
    spans = zip(units.begins, [*units.begins[1:], None], strict=True)
    texts = ["".join(piece.text for piece in units.pieces[begin:end]) for begin, end in spans]
    ends = np.cumsum([len(piece.text) for piece in units.pieces]) - 1
    found = []
    for name, measure in PROPERTIES.items():
        measured = chain.from_iterable(map(measure, texts))
        by_char = np.array([np.nan if one is None else one for one in measured])
        found.append(_finding(name, units.values, by_char[ends]))
    return found


def _finding(name: str, values: Floats, wanted: Doubles) -> Finding:
    applies = np.flatnonzero(~np.isnan(wanted))
    halves = np.split(applies, [len(applies) // 2])
    if any(_rare(wanted[half]) for half in halves):
        return Finding(name, None, 0.0)
    first, second = halves
    fits = correlations(values[first], wanted[first])
    unit = int(np.abs(fits).argmax())
    return Finding(name, unit, float(correlations(values[second][:, [unit]], wanted[second])[0]))


def _rare(wanted: Doubles) -> bool:
    """Return whether a half of a text has too few places that differ."""
    if not len(wanted):
        return True
    common = np.unique(wanted, return_counts=True)[1].max()
    return len(wanted) - int(common) < RARE


def correlations(values: NDArray[Any], wanted: Doubles) -> Doubles:
    """Pearson's correlation of each column (N,U) with a series (N,) → (U,); 0 for one that never changes."""
    centred = values - values.mean(axis=0, dtype=np.float64)
    target = wanted - wanted.mean()
    size = np.sqrt((centred**2).sum(axis=0) * (target**2).sum())
    moved: Doubles = np.divide(target @ centred, size, out=np.zeros(values.shape[1]), where=size > 1e-12)
    return moved


def in_quotes(text: str) -> "list[float | None]":
    """1 between quotation marks."""
    found: list[float | None] = [0.0] * len(text)
    for match in re.finditer(r'"[^"]*?"|“[^”]*”|«[^»]*»|「[^」]*」', text):
        found[match.start() : match.end() - 1] = [1.0] * (match.end() - 1 - match.start())
    return found


def in_brackets(text: str) -> "list[float | None]":
    """1 between brackets of any kind."""
    found: list[float | None] = []
    depth = 0
    for char in text:
        depth = max(depth + (char in "([{（【") - (char in ")]}）】"), 0)
        found.append(float(depth > 0))
    return found


def line_position(text: str) -> "list[float | None]":
    """The number of characters since the beginning of the line."""
    found: list[float | None] = []
    at = 0
    for char in text:
        at = 0 if char == "\n" else at + 1
        found.append(float(at))
    return found


def indentation(text: str) -> "list[float | None]":
    """The number of blanks that the line begins with."""
    found: list[float | None] = []
    for line in text.splitlines(keepends=True):
        found += [float(len(line) - len(line.lstrip(" \t")))] * len(line)
    return found + [0.0] * (len(text) - len(found))


def word_end(text: str) -> "list[float | None]":
    """1 at the last letter of a word, 0 at the others; nothing elsewhere."""
    pairs = pairwise(f"{text} ")
    return [float(not after.isalnum()) if char.isalnum() else None for char, after in pairs]


PROPERTIES: dict[str, Property] = {
    "inside quotes": in_quotes,
    "inside brackets": in_brackets,
    "position in the line": line_position,
    "indentation": indentation,
    "end of a word": word_end,
}
"""What units are compared with."""
