"""Unicode normal forms: one spelling for letters that can be composed in several ways.

::

    é    U+00E9            nfc, nfkc      one character, composed
    é    U+0065 U+0301     nfd, nfkd      a letter and a mark that combines with it
"""

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from rnngen.contracts import Chunk, Tokenizer
from rnngen.options.corpus import NormalForm

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JOINING = ((0x1160, 0x11FF), (0xD7B0, 0xD7FF), (0x16D40, 0x16D7F))
"""Letters that combine with the one before: Hangul vowels and finals, Kirat Rai vowels."""


def normalize(text: str, form: NormalForm | None) -> str:
    """Return a text in a normal form, or as it is where there is none."""
    return unicodedata.normalize(form.upper(), text) if form else text  # type: ignore[arg-type]


def normalized(chunks: Iterable[Chunk], form: NormalForm | None) -> Iterator[Chunk]:
    """Bring text and sources to a normal form; an end that may still combine with what follows is held back.

    A text comes out as if it had been one piece, however it was cut; a chunk that is a document stays one.
    """
    if form is None:
        yield from chunks
        return
    held: Chunk | None = None
    for chunk in chunks:
        if held is None or chunk.starts_document:
            if held is not None:
                yield _whole(held, form)
            held = chunk
        elif place := _last_boundary(held.text, form):
            yield _whole(held._replace(text=held.text[:place]), form)
            held = chunk._replace(text=held.text[place:] + chunk.text)
        else:
            held = held._replace(text=held.text + chunk.text)
    if held is not None:
        yield _whole(held, form)


def _whole(chunk: Chunk, form: NormalForm) -> Chunk:
    return chunk._replace(text=normalize(chunk.text, form), source=normalize(chunk.source, form))


def _last_boundary(text: str, form: NormalForm) -> int:
    """Return the last place before which nothing combines with what is behind it; 0 if there is none."""
    return next((place for place in range(len(text) - 1, 0, -1) if _begins(text[place], form)), 0)


@cache
def _begins(char: str, form: NormalForm) -> bool:
    """Return whether a character combines with none before it."""
    first = normalize(char, "nfkd" if "k" in form else "nfd")[0]
    joins = any(begin <= ord(first) <= end for begin, end in JOINING)
    return not (unicodedata.combining(first) or unicodedata.category(first)[0] == "M" or joins)


@dataclass(frozen=True)
class NormalizingTokenizer:
    """A tokenizer that brings what it encodes to the normal form of the text that the model learnt."""

    tokenizer: Tokenizer
    form: NormalForm

    @property
    def pieces(self) -> Sequence[bytes]:
        """The bytes of each id."""
        return self.tokenizer.pieces

    @property
    def eos_id(self) -> int:
        """The end token."""
        return self.tokenizer.eos_id

    def encode(self, text: str) -> "NDArray[np.integer[Any]]":
        """Return the ids of a text in the normal form."""
        return self.tokenizer.encode(normalize(text, self.form))

    def to_json(self) -> str:
        """Return the text of ``tokenizer.json``, which knows no normal form."""
        return self.tokenizer.to_json()
