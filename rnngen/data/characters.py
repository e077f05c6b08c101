"""Oddities of single characters: what no one types, and letters that are composed in two ways.

Observers of the survey (``rnngen.data.survey``), which count while a text passes and repair nothing.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import cache
from typing import Protocol

from rnngen.contracts import Chunk

_ODD = re.compile("[\0-\x08\x0e-\x1f\x7f-\x9f\ufeff\ufffd]")
_NAMED = 4
"""Kinds of characters that are named at most."""
_LATIN_1 = "iso8859-1"
"""Python's name for the codec."""


class HasEncodings(Protocol):
    """A survey, so far as these observers ask it."""

    @property
    def encodings(self) -> frozenset[str]:
        """The codecs that the files were read with."""


class OddCharacters:
    """Control characters, replacement characters and byte order marks within the text."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def see(self, chunk: Chunk) -> None:
        """Count the characters of a chunk and its source."""
        for text in (chunk.text, chunk.source):
            if found := _ODD.findall(text):  # an update with nothing takes longer than the search
                self.counts.update(found)

    def oddities(self, survey: HasEncodings) -> Iterator[str]:
        """Report each kind, by what it comes from."""
        marks, lost = self.counts.pop("\ufeff", 0), self.counts.pop("\ufffd", 0)
        latin = Counter({char: count for char, count in self.counts.items() if char >= "\x80"})
        if marks:
            yield (
                f"{_many(marks, 'byte order mark')} (U+FEFF) within the text, as of files that were joined: "
                r"remove them with sed 's/\xEF\xBB\xBF//g'"
            )
        if lost:
            yield (
                f"{_many(lost, 'replacement character')} (U+FFFD): another program could not read what was "
                "there; convert the original again"
            )
        if latin:
            mend = "read as latin-1; give --encoding cp1252"
            if _LATIN_1 not in survey.encodings:  # the file itself is spoilt
                mend = "converted as latin-1: iconv -f utf-8 -t latin1 FILE | iconv -f cp1252 -t utf-8 > NEW"
            yield (
                f"{_many(latin.total(), 'control character')} from U+0080 to U+009F ({_kinds(latin)}): the "
                f"text is likely cp1252 that was {mend}"
            )
        if others := self.counts - latin:
            yield (
                f"{_many(others.total(), 'control character')} ({_kinds(others)}), which the model learns "
                r"to write: remove them with tr -d '\000-\010\016-\037\177'"
            )


class NormalForms:
    """Letters composed of a letter and marks, where others, or those that are typed, are one character."""

    def __init__(self) -> None:
        self.apart = self.together = 0

    def see(self, chunk: Chunk) -> None:
        """Count marks that a normal form would join to a letter, and letters that hold such a mark."""
        for text in (chunk.text, chunk.source):
            if text.isascii():
                continue
            self.apart += max(0, len(text) - len(unicodedata.normalize("NFC", text)))
            self.together += sum(count for char, count in Counter(text).items() if _is_composed(char))

    def oddities(self, survey: object) -> Iterator[str]:  # noqa: ARG002 - as observers are called
        """Report letters that are composed otherwise, since prompts mostly are not."""
        if not self.apart:
            return
        beside = f"{self.together:,} others are one character" if self.together else "and no others"
        are = "letter is" if self.apart == 1 else "letters are"
        yield (
            f"{self.apart:,} {are} composed of a letter and a mark (NFD), {beside}: the same letter has two "
            "spellings; --normalize nfc makes them one, for prompts too"
        )


@cache
def _is_composed(char: str) -> bool:
    return len(unicodedata.normalize("NFD", char)) > 1 and unicodedata.normalize("NFC", char) == char


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' * (count > 1)}"


def _kinds(counts: Counter[str]) -> str:
    named = ", ".join(f"U+{ord(char):04X}" for char, _ in counts.most_common(_NAMED))
    return f"{named} …" if len(counts) > _NAMED else named
