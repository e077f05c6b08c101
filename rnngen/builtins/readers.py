"""Readers of plain text and of JSON lines: from the bytes of one file to chunks of text, as a stream.

Nothing is repaired in silence. Bytes that the encoding does not allow are an error at their exact offset,
line ends stay as they are, and only a byte order mark at the very start is dropped.
"""

import codecs
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from rnngen.builtins.options import JSONLinesOptions, TextReaderOptions
from rnngen.contracts import Chunk
from rnngen.errors import CorpusError, UsageError

BLOCK = 1 << 20
"""Bytes read at a time, and so the most characters in a chunk of plain text."""


def read_text(stream: BinaryIO, name: str, options: TextReaderOptions) -> Iterator[Chunk]:
    """Read one document of plain text.

    Raises:
        CorpusError: at a byte that the encoding does not allow, with its offset and the way out.
        UsageError: if there is no such encoding.
    """
    starts_document = True
    for text in _decoded(stream, name, options.encoding):
        yield Chunk(text, starts_document)
        starts_document = False


def read_json_lines(stream: BinaryIO, name: str, options: JSONLinesOptions) -> Iterator[Chunk]:
    """Read one document a line, each the string under ``options.field``; blank lines are skipped.

    Raises:
        CorpusError: at a line that is not JSON or has no string there, with its number and the closest key;
            also as ``read_text`` does.
        UsageError: if there is no such encoding.
    """
    for number, line in enumerate(_lines(_decoded(stream, name, options.encoding)), start=1):
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


# ── Bytes to text ──────────────────────────────────────────────────────────────────────────────────────────


def _decoded(stream: BinaryIO, name: str, encoding: str) -> Iterator[str]:
    """Yield the text of a stream in pieces, none of them empty."""
    decoder = codecs.getincrementaldecoder(_checked(encoding))(errors="strict")
    start, taken, last = True, 0, False
    while not last:
        block = stream.read(BLOCK)
        last, taken = not block, taken + len(block)
        try:
            text = decoder.decode(block, last)
        except UnicodeDecodeError as error:
            # the decoder held bytes back from earlier blocks: its object ends where we stand
            offset = taken - len(error.object) + error.start
            raise CorpusError(f"{name}: {_complaint(error, offset, encoding)}") from error
        except UnicodeError as error:  # from codecs that keep no account of positions
            raise CorpusError(f"{name}: not {encoding.upper()} before offset {taken} ({error})") from error
        if start and text:
            start, text = False, text.removeprefix("\ufeff")
        if text:
            yield text


def _checked(encoding: str) -> str:
    """Return the codec to decode with, but not ``utf-8-sig``, whose errors do not count the mark."""
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)  # refuses codecs of other things than text, too
    except (LookupError, ValueError) as error:
        raise UsageError(f"unknown encoding {encoding!r}; say utf-8, latin-1, gb18030 …") from error
    canonical = codecs.lookup(encoding).name
    return "utf-8" if canonical == "utf-8-sig" else canonical


def _complaint(error: UnicodeDecodeError, offset: int, encoding: str) -> str:
    fault = f"byte 0x{error.object[error.start]:02x} at offset {offset} is not {encoding.upper()}"
    if error.reason in _CUT_SHORT:
        fault += ", or the file is cut short there"
    return f"{fault}; pass --encoding {_likely(error.object, encoding)}"


_CUT_SHORT = {"unexpected end of data", "truncated data", "incomplete multibyte sequence"}


def _likely(sample: bytes, refused: str) -> str:
    """Return the encoding to suggest for bytes that were refused as another one."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        guess = "utf-16"
    elif not refused.lower().startswith(("utf-8", "utf8")):
        guess = "utf-8"
    else:
        guess = "gb18030" if _looks_chinese(sample) else "latin-1"
    try:
        codecs.getincrementaldecoder(guess)().decode(sample)
    except UnicodeDecodeError:
        return "latin-1"  # which gives every byte a character
    return guess


def _looks_chinese(sample: bytes) -> bool:
    """Return whether most bytes above 0x7f make pairs that are frequent characters in GB 2312."""
    high = sum(map(len, re.findall(rb"[\x80-\xff]+", sample)))
    return 2 * 2 * len(re.findall(rb"[\xb0-\xd7][\xa1-\xfe]", sample)) > high


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
