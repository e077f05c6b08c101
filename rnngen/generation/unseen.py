"""Characters of a text that training never met, and characters that it met which they may stand for.

::

    'Cafe\u0301'  ─▸  strange: U+0301  ─▸  composed otherwise: NFC has é, which the model knows

Pure functions, from a text and the characters that are known to what was found. Only texts that hold
something strange cost more than a look.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rnngen.data.normalization import normalize
from rnngen.options.corpus import NormalForm

SHOWN = 20
"""Characters of one kind that a message names at most."""
Kind: TypeAlias = Literal[
    "escape", "tab", "line end", "crlf", "lf", "blank", "invisible", "form", "sign", "case", "width", "other"
]
PLAIN = {"'": "‘’‚‛ʼ′`´", '"': "“”„‟«»″", "-": "‐‑‒–—―−", "...": "…"}
"""Signs of a keyboard, each with the typographic ones that stand for it."""
SIGNS = {sign: plain for plain, signs in PLAIN.items() for sign in signs}
ESCAPE = re.compile(r"\\[ntr]")
FORMS: tuple[Literal["NFC", "NFD"], ...] = ("NFC", "NFD")


@dataclass(frozen=True)
class Known:
    """Characters of one side of the training text, and how that text was written."""

    characters: frozenset[str]
    normalize: NormalForm | None = None
    """The normal form that every text is brought to before it is read."""
    line_end: str = ""
    """The line end of the training text; empty where it is not known."""

    def normal(self, text: str) -> str:
        """Return a text as the model reads it."""
        return normalize(text, self.normalize)

    def strange(self, text: str) -> list[str]:
        """Return every occurrence in a text of a character that training never met."""
        if self.characters.issuperset(text):
            return []
        return [one for one in text if one not in self.characters]


def recognise(text: str, strange: Iterable[str], known: Collection[str]) -> dict[Kind, list[str]]:
    """Sort the strange characters of a text by what they may have been meant to be."""
    found: dict[Kind, list[str]] = {}
    left = list(dict.fromkeys(strange))
    composed = _composed(text, left, known)
    escaped = bool(left and ESCAPE.search(text))
    for one in left:
        kind: Kind = "escape" if escaped and one == "\\" else "form" if one in composed else _kind(one, known)
        found.setdefault(kind, []).append(one)
    return found


def _composed(text: str, strange: Sequence[str], known: Collection[str]) -> set[str]:
    """The strange characters that another normal form of the text does not have, and which adds none."""
    for form in FORMS if strange else ():
        other = unicodedata.normalize(form, text)
        still = {one for one in other if one not in known}
        if not still - {*strange} and (gone := {*strange} - still):
            return {one for one in gone if unicodedata.normalize(form, one) != one or _combines(one)}
    return set()


def _combines(one: str) -> bool:
    """Return whether a character may melt into the one before it: a mark, or a part of a Korean syllable."""
    return unicodedata.category(one)[0] == "M" or "\u1100" <= one <= "\u11ff"


def _kind(one: str, known: Collection[str]) -> Kind:
    if one in "\t\n\r":
        return "tab" if one == "\t" else "line end" if one == "\n" or "\n" not in known else "crlf"
    if unicodedata.category(one) == "Zs":
        return "blank" if one != " " and " " in known else "other"
    if unicodedata.category(one) == "Cf":
        return "invisible"
    if any(other in known for other in _signs(one)):
        return "sign"
    if any(other != one and _all_known(other, known) for other in (one.lower(), one.upper())):
        return "case"
    compatible = unicodedata.normalize("NFKC", one)
    return "width" if compatible != one and _all_known(compatible, known) else "other"


def _all_known(text: str, known: Collection[str]) -> bool:
    return all(one in known for one in text)


def _signs(one: str) -> Iterable[str]:
    """Signs that may stand for another: the plain one, or the typographic ones."""
    plain = SIGNS.get(one)
    return PLAIN.get(one, "") if plain is None else plain


REMARKS: dict[Kind, str] = {
    "escape": r"a backslash and a letter are no line end and no tab: bash writes them $'\n' and $'\t'",
    "tab": "lines with a tab look like pairs: give sources alone, as `cut -f 1` does",
    "line end": "its examples have none: give each prompt on a line of its own, or leave the line end out",
    "crlf": "lines end in CRLF here and in LF where it learnt: pass them through `tr -d '\\r'`",
    "lf": "lines end in LF here and in CRLF where it learnt: pass them through `sed 's/$/\\r/'`, or "
    "train it on LF",
    "blank": "no blank that the space bar types: replace it by one",
    "invisible": "nothing that is seen: remove it",
    "form": "the same letters, composed otherwise: pass the text through `uconv -x any-{form}`, or "
    "train with --normalize {form}",
    "case": "it knows them in the other case",
    "width": "it knows them in their plain form: pass the text through `uconv -x any-nfkc`, or train with "
    "--normalize nfkc",
    "sign": "it knows {plain} instead",
    "other": "",
}
"""The probable meaning of each kind, and the mend."""


@dataclass
class Unseen:
    """The characters of texts that entered which training never met."""

    known: Known
    strange: Callable[[str], Sequence[str]]
    """Returns the strange characters of a text, every occurrence."""
    sources: bool = False
    """The texts are sources, so that a tab may have come with the targets of pairs."""
    texts: int = 0
    """Texts that were looked at…"""
    held: int = 0
    """…and those of them that hold something strange."""
    characters: int = 0
    """Characters that were looked at."""
    counts: Counter[str] = field(default_factory=Counter)
    """Occurrences of each strange character."""
    kinds: dict[Kind, dict[str, None]] = field(default_factory=dict)
    """The strange characters of each kind, in the order of their appearance."""

    def anew(self) -> "Unseen":
        """Return one that has looked at nothing yet."""
        return Unseen(self.known, self.strange, self.sources)

    def add(self, text: str) -> bool:
        """Take in a text → whether it holds a strange character that none before it held."""
        text = self.known.normal(text)
        self.texts += 1
        self.characters += len(text)
        strange = self.strange(text)
        found = recognise(text, strange, self.known.characters)
        if self.known.line_end == "\r\n" and (ends := text.count("\n") - text.count("\r\n")):
            strange, found["lf"] = [*strange, *"\n" * ends], ["\n"]
        before = len(self.counts)
        self.held += bool(strange)
        self.counts.update(strange)
        for kind, some in found.items():
            self.kinds.setdefault(kind, {}).update(dict.fromkeys(some))
        return len(self.counts) > before

    def message(self, what: str, so: str = "makes little of") -> str:
        """Return one line: what was met, how often, and what it may have been meant to be.

        ``what`` is what the texts are: ``the prompt holds``, ``3 of 9 sources hold``; ``so`` what the model
        does with it.
        """
        kinds = "; ".join(self._remarks())
        share = f"{self.counts.total():,} of {self.characters:,} characters"
        return f"{what} what the model has never seen, and {so}: {kinds} ({share})"

    def _remarks(self) -> Iterator[str]:
        for kind, characters in self.kinds.items():
            some = " ".join(map(shown, [*characters][:SHOWN])) + (" …" if len(characters) > SHOWN else "")
            remark = "" if kind == "tab" and not self.sources else REMARKS[kind]
            remark = remark.format(form=self._form(characters), plain=self._plain(characters))
            yield f"{some}, {remark}" if remark else some

    def _form(self, characters: Iterable[str]) -> str:
        """The normal form that the model knows."""
        return "nfc" if any(map(_combines, characters)) else "nfd"

    def _plain(self, characters: Iterable[str]) -> str:
        known = self.known.characters
        signs = [next((other for other in _signs(one) if other in known), "") for one in characters]
        return " ".join(dict.fromkeys(filter(None, signs)))


def shown(one: str) -> str:
    r"""Spell a character: ``é`` as it is, ``\n``, and ``U+00A0`` for what cannot be seen by itself."""
    if one in "\n\r\t":
        return repr(one)[1:-1]
    seen = one.isprintable() and not one.isspace() and not unicodedata.category(one).startswith("M")
    return one if seen else f"U+{ord(one):04X}"
