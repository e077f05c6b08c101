"""The division of a corpus into a train split and a validation split, always as a stream.

::

    free text            ├──────────── train ────────────┤├─ validation ─┤    cut at a character
    examples             those that begin before the cut go to training, whole
    examples, sources    a hash of the source decides, so that none is on both sides
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rnngen.contracts import Chunk
from rnngen.errors import CorpusError
from rnngen.store.config import CorpusRecord


@dataclass(frozen=True)
class Survey:
    """Measures of a text, taken in one pass."""

    chars: int
    """Characters; where examples end by themselves, each end counts as one more."""
    examples: int
    """Documents, or whatever the task takes for an example."""
    newline: bool
    r"""True where there is a ``\n`` within an example."""
    has_eos: bool = False
    """True where examples end by themselves."""
    last: int = 0
    """The position, in ``chars``, at which the last example opens."""


def survey(chunks: Iterable[Chunk], has_eos: bool = False, name: str = "the corpus") -> Survey:
    """Measure a text in one pass, keeping nothing of it.

    Raises:
        CorpusError: if there is not one character; ``name`` is the text's in the message.
    """
    chars = examples = last = 0
    newline = False
    for chunk in chunks:
        if chunk.starts_document:
            examples, last, chars = examples + 1, chars, chars + has_eos
        chars += len(chunk.text)
        newline = newline or "\n" in chunk.text
    if chars == examples * has_eos:
        raise CorpusError(f"{name} is empty: not one character was read; check that this is the text")
    return Survey(chars, examples, newline, has_eos, last)


@dataclass(frozen=True)
class Split:
    """The place of the validation split."""

    cut: int
    """Its beginning in characters, where examples have no sources."""
    fraction: float
    """The share of the examples, where they have sources."""

    @classmethod
    def of(cls, record: CorpusRecord) -> "Split":
        """Return the split that a model was trained with."""
        return cls(record.cut, record.val_fraction)


def split_at(survey: Survey, fraction: float) -> int:
    """Return where the validation split, a share of the text's end, begins, in the survey's characters.

    Where examples end by themselves and there are two or more, each split gets one at least.
    """
    cut = int(survey.chars * (1 - fraction))
    if not survey.has_eos:
        return cut
    # an example goes where it opens: one opens at 0, the last at ``last``
    return max(1, min(cut, survey.last) if fraction > 0 and survey.examples > 1 else cut)


def train_split(chunks: Iterable[Chunk], cut: int, has_eos: bool) -> Iterator[Chunk]:
    """Yield the text before ``cut``; where examples end by themselves, whole ones that open before it."""
    for position, chunk in _placed(chunks, has_eos):
        if position >= cut:
            return
        yield chunk if has_eos else Chunk(chunk.text[: cut - position], chunk.starts_document)


def validation_split(chunks: Iterable[Chunk], cut: int, has_eos: bool) -> Iterator[Chunk]:
    """Yield the text that ``train_split`` leaves; where it begins, a document opens."""
    first = True
    for position, chunk in _placed(chunks, has_eos):
        text = chunk.text if has_eos else chunk.text[max(0, cut - position) :]
        if text and (position >= cut or not has_eos):
            yield Chunk(text, chunk.starts_document or first)
            first = False


def is_validation(source: str, fraction: float) -> bool:
    """Return whether an example belongs to the validation split, which its source alone decides."""
    digest = hashlib.blake2b(source.encode(errors="surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") < fraction * 2**64


def _placed(chunks: Iterable[Chunk], has_eos: bool) -> Iterator[tuple[int, Chunk]]:
    """Yield chunks with the position that decides: their own or, with ``has_eos``, their example's."""
    position = opened = 0
    for chunk in chunks:
        if chunk.starts_document:
            opened, position = position, position + has_eos
        yield opened if has_eos else position, chunk
        position += len(chunk.text)
