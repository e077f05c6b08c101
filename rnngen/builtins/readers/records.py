"""JSON: a record a line, or records one after another or in an array; a document each."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from rnngen import encodings
from rnngen.builtins.line_ends import lines
from rnngen.builtins.options import JSONLinesOptions
from rnngen.contracts import Chunk, whole_text
from rnngen.errors import CorpusError

_SPACE = re.compile(r"\s*")
LONGEST = 1 << 26
"""Characters of a record at most, where one need not stand on a line."""
LONGEST_SIGN = len(r"\ud800\udc00")
"""Characters of the longest sign of JSON that is an error where it is cut."""


def read_json_lines(stream: BinaryIO, name: str, options: JSONLinesOptions) -> Iterator[Chunk]:
    """Read one document a line, each the string under ``options.field``; blank lines are skipped.

    Where there is a source, a list of strings is several documents with that source. An empty string is none,
    unless records go with the lines of another file.

    Raises:
        CorpusError: at a line that is not JSON or has no string there, with its number and the closest key;
            also as ``read_text`` does.
        UsageError: if there is no such encoding.
    """
    by_line = whole_text().by_line
    for number, line in enumerate(lines(encodings.read(stream, name, options.encoding)), start=1):
        if line and not line.isspace():
            try:
                yield from _documents(json.loads(line), options, by_line)
            except json.JSONDecodeError as error:
                fault = f"column {error.colno}: not JSON ({error.msg}); one object a line is expected"
                raise CorpusError(f"{name}: line {number}: {fault}") from error
            except (ValueError, RecursionError) as error:
                raise CorpusError(f"{name}: line {number}: {_reason(error)}") from error


def read_json(stream: BinaryIO, name: str, options: JSONLinesOptions) -> Iterator[Chunk]:
    """Read the documents of an array of objects, or of objects that stand one after another.

    Raises:
        CorpusError: as ``read_json_lines`` does; of an object without a string there, the line is that on
            which it begins.
        UsageError: if there is no such encoding.
    """
    by_line = whole_text().by_line
    for number, record in _Values(encodings.read(stream, name, options.encoding), name).records():
        try:
            yield from _documents(record, options, by_line)
        except ValueError as error:
            raise CorpusError(f"{name}: line {number}: {_reason(error)}") from error


class _Values:
    """The values in the pieces of a text, each decoded when all of it is there."""

    def __init__(self, pieces: Iterator[str], name: str) -> None:
        self.pieces, self.name = pieces, name
        self.held, self.at, self.ended = "", 0, False
        self.line, self.column = 1, 1
        self.decoder = json.JSONDecoder()

    def records(self) -> Iterator[tuple[int, Any]]:
        """Yield the values, those of an array by themselves, with the lines on which they begin."""
        in_array = self._next() == "["
        self._skip(int(in_array))
        while (sign := self._next()) and not (in_array and sign == "]"):
            line = self.line
            yield line, self._value()
            following = self._next()
            if in_array and following and following not in ",]":
                raise self._wrong("a comma, or the end of the array, expected")
            self._skip(int(following == ","))
        if in_array and not sign:
            raise self._wrong("the array does not end: the file is cut short")
        self._skip(int(in_array))
        if in_array and self._next():
            raise self._wrong("the array has ended, and something follows")

    def _next(self) -> str:
        """Return the next sign that is no white space, empty at the end."""
        while True:
            space = _SPACE.match(self.held, self.at)
            self._skip(space.end() - self.at if space else 0)
            if self.at < len(self.held) or not self._more():
                return self.held[self.at : self.at + 1]

    def _skip(self, count: int) -> None:
        self.line, self.column = self._place(self.at + count)
        self.at += count

    def _place(self, at: int) -> tuple[int, int]:
        """Return the line and the column of what is held at a place."""
        ended = self.held.rfind("\n", self.at, at)
        column = at - ended if ended >= 0 else self.column + at - self.at
        return self.line + self.held.count("\n", self.at, at), column

    def _more(self) -> bool:
        piece = next(self.pieces, "")
        self.held, self.at, self.ended = self.held[self.at :] + piece, 0, not piece
        return bool(piece)

    def _value(self) -> Any:
        while True:
            try:
                value, end = self.decoder.raw_decode(self.held, self.at)
                if end < len(self.held) or self.ended:
                    self._skip(end - self.at)
                    return value
                self._more()  # a number may go on
            except (ValueError, RecursionError) as error:
                held = len(self.held) - self.at
                if not self.ended and held > LONGEST and self._is_cut(error):
                    raise CorpusError(
                        f"{self.name}: line {self.line}: a value that begins here has more than {LONGEST:,} "
                        "characters, or a quote or a bracket in it is not closed; write a record a line, and "
                        "name the file .jsonl"
                    ) from error
                if self.ended or held > LONGEST:
                    raise self._fault(error) from error
                while len(self.held) - self.at < 2 * held and self._more():
                    pass

    def _is_cut(self, error: Exception) -> bool:
        """Return whether what is held may be the beginning of a value: the error is at its end."""
        if not isinstance(error, json.JSONDecodeError):
            return False
        return error.msg.startswith("Unterminated string") or len(self.held) - error.pos < LONGEST_SIGN

    def _fault(self, error: Exception) -> CorpusError:
        if not isinstance(error, json.JSONDecodeError):
            return CorpusError(f"{self.name}: line {self.line}: {_reason(error)}")
        line, column = self._place(error.pos)
        reason = f"not JSON ({error.msg}); an array of objects, or objects one after another, are expected"
        return CorpusError(f"{self.name}: line {line}: column {column}: {reason}")

    def _wrong(self, reason: str) -> CorpusError:
        return CorpusError(f"{self.name}: line {self.line}: not JSON ({reason})")


# ── Fields ─────────────────────────────────────────────────────────────────────────────────────────────────


def _documents(record: Any, options: JSONLinesOptions, by_line: bool) -> Iterator[Chunk]:
    """Yield the text of a record or, with its source, each of its texts; an empty one only by line."""
    if options.source_field is None:
        text = _text(record, options.field)
        if text or by_line:
            yield Chunk(text, True, is_record=True)
        return
    source = _source(record, options.source_field)
    found, path = _reach(record, options.field)
    texts = found if isinstance(found, list) else [found]
    for text in (_checked(text, path) for text in texts):
        blank = not text.strip(), not source.strip()
        if any(blank) and not all(blank):
            empty = options.field if blank[0] else options.source_field
            raise _Unsuited(f"{empty!r} is empty; fill it in, or remove the record")
        if not any(blank):
            yield Chunk(text, True, source, is_record=True)


def _text(record: Any, field: str) -> str:
    return _checked(*_reach(record, field))


def _source(record: Any, field: str) -> str:
    """Return a source, or a label: these are often numbers, or true and false."""
    value, path = _reach(record, field)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value)
    if value is None or isinstance(value, float):  # NaN is what pandas writes where there is none
        raise _Unsuited(f"{path} is {json.dumps(value)}; fill it in, or remove the record")
    return _checked(value, path, "the source or the label")


def _reach(record: Any, field: str) -> tuple[Any, str]:
    """Return what is under a key, dotted or with dots of its own, and its name for messages.

    Raises:
        ValueError: if it is not there; the message is the rest of a sentence.
    """
    value, path = record, "the record"
    if isinstance(record, dict) and field in record:
        return record[field], repr(field)
    for key in field.split("."):
        if not isinstance(value, dict):
            raise _Unsuited(f"{path} is {_called(value)}, not an object; no key {key!r} in it")
        if key not in value:
            raise _Unsuited(f"no key {key!r}{_closest(key, value)}")
        value, path = value[key], repr(key)
    return value, path


def _checked(value: Any, path: str, kind: str = "the text") -> str:
    """Return a value, if it is a string, or raise ``ValueError``."""
    if not isinstance(value, str):
        raise _Unsuited(f"{path} is {_called(value)}, not a string; name the key that holds {kind}")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _Unsuited(f"{path} holds half a surrogate pair at character {error.start}; mend it") from error
    return value


class _Unsuited(ValueError):  # noqa: N818 - reads as the sentence that it ends
    """A record of good JSON that holds no text where it should."""


def _reason(error: Exception) -> str:
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
