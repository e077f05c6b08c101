r"""The survey of a corpus: one pass over its examples that measures them and notes oddities.

An oddity is a trait of the text that nobody repairs and its owner would want to know. Each kind is an
``Observer`` among ``OBSERVERS``: it sees every chunk once, in order, and then reports in a line with figures.
"""

import hashlib
import re
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Chunk
from rnngen.data.characters import NormalForms, OddCharacters
from rnngen.errors import CorpusError

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Survey:
    """Measures of a text, taken in one pass."""

    chars: int
    """Characters; where examples end by themselves, each end counts as one more."""
    newline: bool
    r"""True where there is a ``\n`` within an example."""
    has_eos: bool
    """True where examples end by themselves."""
    lengths: NDArray[np.int64]
    """(examples,) characters of each, its end not counted."""
    keys: Hashes
    """(examples,) a hash of each, its source included."""
    sources: Hashes | None = None
    """(examples,) a hash of each one's source, or of its label; None where examples have neither."""
    line_end: str = ""
    """The line end within examples, empty where there is none."""
    labels: tuple[str, ...] = ()
    """The labels of the examples, sorted, where the task has labels."""
    oddities: tuple[str, ...] = ()
    """Remarks for the owner of the text, a line each."""
    encodings: frozenset[str] = frozenset()
    """The codecs that the files were read with."""
    kinds: dict[str, list[int]] = field(default_factory=dict)
    """Files and characters by ending, as in ``Surveyed``."""

    @property
    def examples(self) -> int:
        """Number of documents, or of whatever the task takes for an example."""
        return len(self.lengths)

    @cached_property
    def duplicates(self) -> int:
        """Number of examples that repeat an earlier one."""
        keys = np.sort(self.keys)  # np.unique builds a table of several times their size
        return int((keys[1:] == keys[:-1]).sum())


class Observer(Protocol):
    """Looks at a text while it passes."""

    def see(self, chunk: Chunk) -> None:
        """Look at a chunk, the next part of an example or the first of another."""

    def oddities(self, survey: Survey) -> Iterator[str]:
        """Report, once all chunks have passed: lines that begin in lower case and name figures and the mend.

        ``survey`` is complete but for its oddities.
        """


def survey(
    chunks: Iterable[Chunk],
    *,
    has_eos: bool = False,
    has_source: bool = False,
    has_labels: bool = False,
    name: str = "the corpus",
    encodings: Collection[str] = (),
) -> Survey:
    """Measure a text in one pass, keeping 16 bytes an example, and 8 more where it has a source or a label.

    ``encodings`` are the codecs that it is read with.

    Raises:
        CorpusError: if there is not one character; ``name`` is the text's in the message.
    """
    examples, ends = _Examples(has_source, has_labels), LineEnds()
    observers: list[Observer] = [ends, *(make() for make in OBSERVERS)]
    for chunk in chunks:
        examples.see(chunk)
        for observer in observers:
            observer.see(chunk)
    measured = replace(examples.close(has_eos, ends), encodings=frozenset(encodings))
    if not measured.lengths.any():
        raise CorpusError(f"{name} is empty: not one character was read; check that this is the text")
    oddities = tuple(line for observer in observers for line in observer.oddities(measured))
    return replace(measured, oddities=oddities)


def hash_of(text: str) -> int:
    """Return a hash of 64 bits, the same on every machine."""
    return int.from_bytes(_blake(text).digest(), "big")


def _blake(text: str) -> "hashlib.blake2b":
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8)


class _Examples:
    """Lengths, hashes and labels of examples, gathered chunk by chunk."""

    def __init__(self, has_source: bool, has_labels: bool) -> None:
        self.has_source, self.has_labels = has_source, has_labels
        self.lengths, self.keys, self.sources = array("q"), array("Q"), array("Q")
        self.labels: set[str] = set()
        self.newline, self.key = False, _blake("")

    def see(self, chunk: Chunk) -> None:
        text = chunk.text
        if chunk.starts_document:
            self._end()
            self.lengths.append(0)
            self.key = _blake(f"{chunk.source}\t" if chunk.source else "")
            if self.has_source:
                self.sources.append(hash_of(chunk.source))
            elif self.has_labels:
                label = text.partition("\t")[0]
                self.labels.add(label)
                self.sources.append(hash_of(label))
        self.lengths[-1] += len(text)
        self.key.update(text.encode(errors="surrogatepass"))
        self.newline = self.newline or "\n" in text

    def _end(self) -> None:
        if self.lengths:
            self.keys.append(int.from_bytes(self.key.digest(), "big"))

    def close(self, has_eos: bool, ends: "LineEnds") -> Survey:
        self._end()
        lengths = np.frombuffer(self.lengths, np.int64)  # no copy of what is large
        return Survey(
            chars=int(lengths.sum()) + len(lengths) * has_eos,
            newline=self.newline,
            has_eos=has_eos,
            lengths=lengths,
            keys=np.frombuffer(self.keys, np.uint64),
            sources=np.frombuffer(self.sources, np.uint64) if self.has_source or self.has_labels else None,
            line_end=ends.line_end,
            labels=tuple(sorted(self.labels)),
        )


# ── Observers ──────────────────────────────────────────────────────────────────────────────────────────────


class LineEnds:
    """Line ends of other systems: they are characters, which a model learns and writes."""

    def __init__(self) -> None:
        self.feeds = self.returns = self.both = 0
        self._half = False

    def see(self, chunk: Chunk) -> None:
        """Count line feeds, carriage returns, and both in a row."""
        text = chunk.text
        self.feeds += text.count("\n")
        self.both += self._half and text.startswith("\n") and not chunk.starts_document
        if "\r" in text:
            self.returns += text.count("\r")
            self.both += text.count("\r\n")
        self._half = text.endswith("\r")

    @property
    def line_end(self) -> str:
        """The line end of most lines."""
        return "" if not self.feeds else "\r\n" if 2 * self.both > self.feeds else "\n"

    def oddities(self, survey: Survey) -> Iterator[str]:
        """Report CRLF, a mixture, and carriage returns that end lines by themselves."""
        mend = r"`tr -d '\r' < FILE > NEW` removes the carriage returns"
        if self.both:
            rest = "the others LF" if self.both < self.feeds else "so that the model writes such, too"
            yield rf"{self.both:,} of {self.feeds:,} line ends are CRLF (\r\n), {rest}; {mend}"
        alone, lines = self.returns - self.both, self.feeds + (survey.examples if survey.has_eos else 0)
        if alone > max(1, lines):
            yield (
                rf"{alone:,} carriage returns (\r), more than there are line feeds: if \r ends its lines, "
                r"convert them first, `tr '\r' '\n' < FILE > NEW`"
            )


class SortedLines:
    """Free text that is a sorted list: its end, the validation text, is unlike the rest."""

    LOOKED_AT = 50_000
    """Lines that are compared with the one before; the rest is taken to be alike."""
    LEAST = 50
    """Lines from which on an order is no accident."""
    MOST = 0.02
    """The share of lines that may be out of order."""
    LONGEST = 10_000
    """Characters of a line in a list."""

    def __init__(self) -> None:
        self._held, self._last = "", ""
        self.lines, self.above, self.below, self.longer, self.shorter = 0, 0, 0, 0, 0

    def see(self, chunk: Chunk) -> None:
        """Compare lines with those before them."""
        if chunk.starts_document:
            self._held = self._last = ""
        if self.lines >= self.LOOKED_AT or len(self._held) > self.LONGEST:
            return
        *lines, self._held = (self._held + chunk.text).split("\n")
        for line in lines:
            if word := line.strip().casefold():
                self._compare(word, self._last)
                self._last = word

    def _compare(self, line: str, last: str) -> None:
        if last:
            self.lines += 1
            self.above, self.below = self.above + (line > last), self.below + (line < last)
            self.longer += len(line) > len(last)
            self.shorter += len(line) < len(last)

    def oddities(self, survey: Survey) -> Iterator[str]:
        """Report an order by the alphabet or by length, where the split is by place."""
        if survey.has_eos or self.lines < self.LEAST:
            return
        for order, up, down, least in (
            ("in alphabetical order", self.above, self.below, self.lines // 2),
            ("in the order of their length", self.longer, self.shorter, 10),
        ):
            if up >= least and down <= self.MOST * self.lines:
                yield (
                    f"its lines are {order} ({self.lines - down:,} of {self.lines:,} come after the one "
                    "before), so that the end, which is held out, is unlike the rest; --task lines holds out "
                    "lines from all over"
                )
                return


class TabbedLines:
    """Looks for two columns with a tab between them, in a text that is not learnt as such."""

    LEAST, SHARE = 10, 0.9
    """Lines below which nothing is said, and the share of them that are two columns."""
    TWO = re.compile(r"^[^\t\n]+\t[^\t\n]+$", re.MULTILINE)

    def __init__(self) -> None:
        self.lines, self.two = 0, 0

    def see(self, chunk: Chunk) -> None:
        """Count lines, those at the borders of chunks not exactly."""
        lines = chunk.text.split("\n")
        self.lines += sum(not line.isspace() for line in lines if line)
        self.two += len(self.TWO.findall(chunk.text)) if "\t" in chunk.text else 0

    def oddities(self, survey: Survey) -> Iterator[str]:
        """Report columns that are no sources or labels."""
        if survey.sources is None and self.lines >= self.LEAST and self.two >= self.SHARE * self.lines:
            yield (
                f"{self.two:,} of {self.lines:,} lines are two columns with a tab between them; --task pairs "
                "learns the second from the first, --task labelled takes the first for a label"
            )


OBSERVERS: tuple[Callable[[], Observer], ...] = (SortedLines, TabbedLines, OddCharacters, NormalForms)
"""The kinds of oddities that are looked for, besides line ends."""
