"""Readers of plain text and of JSON lines: from the bytes of one file to chunks of text, as a stream.

Nothing is repaired in silence: see ``rnngen.encodings``, which any reader may use.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from rnngen import encodings
from rnngen.builtins.options import JSONLinesOptions, TextReaderOptions
from rnngen.contracts import Chunk
from rnngen.errors import CorpusError


def read_text(stream: BinaryIO, name: str, options: TextReaderOptions) -> Iterator[Chunk]:
    """Read one document of plain text.

    Raises:
        EncodingError: at a byte that the encoding does not allow, or where the file is no text.
        UsageError: if there is no such encoding.
    """
    starts_document = True
    for text in encodings.read(stream, name, options.encoding):
        yield Chunk(text, starts_document)
        starts_document = False


def read_json_lines(stream: BinaryIO, name: str, options: JSONLinesOptions) -> Iterator[Chunk]:
    """Read one document a line, each the string under ``options.field``; blank lines are skipped.

    Raises:
        CorpusError: at a line that is not JSON or has no string there, with its number and the closest key;
            also as ``read_text`` does.
        UsageError: if there is no such encoding.
    """
    for number, line in enumerate(_lines(encodings.read(stream, name, options.encoding)), start=1):
        if line and not line.isspace():
            try:
                text, source = _fields(json.loads(line), options)
            except (ValueError, RecursionError) as error:
                raise CorpusError(f"{name}: line {number}: {_reason(error)}") from error
            if text:
                yield Chunk(text, True, source)


def _fields(document: Any, options: JSONLinesOptions) -> tuple[str, str]:
    """Return the text and, if the options name one, its source; both or neither may be empty then."""
    text = _reach(document, options.field)
    if options.source_field is None:
        return text, ""
    source = _reach(document, options.source_field)
    if bool(text) != bool(source):
        empty = options.source_field if text else options.field
        raise _Unsuited(f"{empty!r} is empty; fill it in, or remove the line")
    return text, source


# ── JSON lines ─────────────────────────────────────────────────────────────────────────────────────────────


def _lines(pieces: Iterable[str]) -> Iterator[str]:
    r"""Join pieces and cut them at ``\n``."""
    held: list[str] = []
    for piece in pieces:
        first, *others = piece.split("\n")
        held.append(first)
        if others:
            yield "".join(held)
            yield from others[:-1]
            held = others[-1:]
    yield "".join(held)


def _reach(document: Any, field: str) -> str:
    """Return the string under a dotted key.

    Raises:
        ValueError: if it is not there, or is no string; the message is the rest of a sentence.
    """
    value, path = document, "the line"
    for key in field.split("."):
        if not isinstance(value, dict):
            raise _Unsuited(f"{path} is {_called(value)}, not an object; no key {key!r} in it")
        if key not in value:
            raise _Unsuited(f"no key {key!r}{_closest(key, value)}")
        value, path = value[key], repr(key)
    if not isinstance(value, str):
        raise _Unsuited(f"{path} is {_called(value)}, not a string; name the key that holds the text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Unsuited(f"{path} holds half a surrogate pair at character {error.start}; mend it") from error
    return value


class _Unsuited(ValueError):  # noqa: N818 - reads as the sentence that it ends
    """A line of good JSON that holds no text where it should."""


def _reason(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"column {error.colno}: not JSON ({error.msg}); one object a line is expected"
    return str(error) if isinstance(error, _Unsuited) else f"not JSON that can be read ({error})"


def _closest(key: str, known: dict[str, Any]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; there is {', '.join(sorted(known))}" if known else "; the object is empty"


def _called(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
