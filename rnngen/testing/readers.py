"""The conformance suite for readers: chunks depend on the bytes alone, and what is no text is refused."""

import io
from typing import Any

from rnngen.contracts import Chunk, ReaderSpec, imported
from rnngen.errors import CorpusError
from rnngen.options import build
from rnngen.testing import checks

GARBAGE = (b"", b"\n", bytes(range(256)) * 4, b"\xff\xfe\x00", b'{"a": [', b"PK\x03\x04 broken", b"<a><b")
"""Contents of files that are of hardly any format."""


@checks.suite
def check_reader(spec: ReaderSpec, *samples: bytes, **options: str) -> None:
    """Check a reader against its contract; ``samples`` are contents of files that it reads."""
    for suffix in spec.suffixes:
        lower = suffix.startswith(".") and suffix == suffix.lower()
        assert lower, f"the ending {suffix!r} should begin with a dot, in lower case"
    chosen = build(spec.options, options, owner=f"reader {spec.name!r}")
    read = imported(spec.load)
    for sample in samples:
        whole = _chunks(read, sample, chosen)
        assert whole, "a sample has no text at all"
        assert _texts(_chunks(read, sample, chosen)) == _texts(whole), "read again, the text is another"
        slow = [*read(_Slow(sample), "sample", chosen)]
        same = _texts(slow) == _texts(whole)
        assert same, "read from a stream that gives a few bytes at a time, the text is another"
    for data in GARBAGE:
        message = _refusal(read, data, chosen)
        assert message is None or "sample" in message, f"an error names the file, and not this one: {message}"


def _refusal(read: Any, data: bytes, options: Any) -> str | None:
    """Return what a reader says of a file that it cannot read; None if it reads it."""
    try:
        _chunks(read, data, options)
    except CorpusError as error:
        return str(error)
    return None


def _chunks(read: Any, data: bytes, options: Any) -> list[Chunk]:
    found = [*read(io.BytesIO(data), "sample", options)]
    for chunk in found:
        assert isinstance(chunk, Chunk), f"it yields {type(chunk).__name__}, not Chunks"
    assert not found or found[0].starts_document, "its first chunk does not open a document"
    return found


def _texts(chunks: list[Chunk]) -> list[tuple[str, str]]:
    """Join the chunks of each document → its text and its source."""
    found: list[tuple[str, str]] = []
    for chunk in chunks:
        if chunk.starts_document:
            found.append(("", chunk.source))
        text, source = found[-1]
        found[-1] = (text + chunk.text, source)
    return found


class _Slow(io.BytesIO):
    """A stream that gives seven bytes at most, as a pipe may."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is None or size < 0:
            return super().read()
        return super().read(min(7, size))

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read(7 if size is None or size < 0 else min(7, size))
