"""The decoder: byte order marks, codecs, and what is said of a text that is encoded otherwise."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from rnngen.encodings.guess import Candidate, is_utf8, likely, snippet, wide
from rnngen.encodings.kinds import binary, document, like_text
from rnngen.errors import CorpusError, UsageError
from rnngen.printable import shown

MARK = "\ufeff"
"""The byte order mark, decoded."""
BLOCK = 1 << 20
"""Bytes read at a time, and so the most characters in a piece of text."""
BYTES = "bytes"
"""The encoding of what is no text: each byte is one character."""
BY_OPTION = "pass `encoding={}`"
"""The mend for a file of a corpus, whose encoding can be named."""
BY_ICONV = "convert it with iconv -f {} -t utf-8"
"""The mend for a text that has to be UTF-8."""
MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Byte order marks, and the encodings of the text behind them."""
LONGEST = 10_000_000
"""Characters of a line, at most, where lines are read one by one."""
CONTEXT = 4096
"""Bytes before a place that are kept to judge it by."""
_BEYOND = re.compile(r"[^\x00-\x7f]+")
_ICONV = re.compile(r"(utf-\d\d)-([lb]e)")
_ALONE = "most of it is UTF-8: mend this place"
_CUT_SHORT = {"unexpected end of data", "truncated data", "incomplete multibyte sequence"}


class EncodingError(CorpusError):
    """A text that is not encoded as it was to be.

    Args:
        name: the file.
        fault: the place, and what is wrong there.
        mend: the way out; ``{}`` in it is for the name of the encoding.
        candidates: encodings that the text may have, the likeliest first.
    """

    def __init__(self, name: str, fault: str, mend: str, candidates: tuple[Candidate, ...] = ()) -> None:
        self.name, self.fault, self.mend, self.candidates = name, fault, mend, candidates
        first, *others = self.readings or ("",)
        if self.is_encoded:
            mend = f"{mend.format(candidates[0].encoding)}, which reads {first.partition(' ')[2]} there"
        elif first:
            others = [first, *others]
        super().__init__(f"{name}: {fault}; {mend}" + f" (or {', '.join(others)})" * bool(others))

    @property
    def is_encoded(self) -> bool:
        """True if all of the text is likely in another encoding; False if it is damaged, or no text."""
        return bool(self.candidates) and "{}" in self.mend

    @property
    def readings(self) -> tuple[str, ...]:
        """The candidates, each with what it makes of the place."""
        return tuple(f"{one.encoding} {shown(one.snippet)!r}".replace("`", "'") for one in self.candidates)


def read(stream: BinaryIO, name: str, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the text of a stream in pieces of up to ``BLOCK`` characters, none of them empty.

    Args:
        stream: the bytes.
        name: of the file, for messages.
        encoding: by Python's name; UTF-16 and UTF-32 with a byte order mark are read as it says, under the
            default too. ``bytes`` decodes nothing.

    Raises:
        EncodingError: at a byte that is not the encoding's, or where the file is no text at all.
        UsageError: if there is no such encoding.
    """
    decoder = Decoder(name, encoding)
    while block := stream.read(BLOCK):
        if text := decoder.decode(block):
            yield text
    if text := decoder.decode(b"", final=True):
        yield text


def lines(stream: BinaryIO, name: str, encoding: str = "utf-8") -> Iterator[str]:
    r"""Yield the lines of a stream as they arrive, without ``\n`` or ``\r\n``; errors as of ``read``.

    ``CorpusError`` at a line of more than ``LONGEST`` characters, so that input without an end ends.
    """
    decoder, held = Decoder(name, encoding, BY_ICONV), ""
    carriage_return = "" if encoding == BYTES else "\r"
    number = 1
    while raw := stream.readline(LONGEST + 1):
        *whole, held = (held + decoder.decode(raw)).split("\n")
        yield from (line.removesuffix(carriage_return) for line in whole)
        number += len(whole)
        if len(held) > LONGEST:
            raise CorpusError(f"{name}: line {number} has more than {LONGEST:,} characters; divide it")
    if held := held + decoder.decode(b"", final=True):
        yield held.removesuffix(carriage_return)


def decode(data: bytes, name: str, encoding: str = "utf-8") -> str:
    """Return a text that is there as a whole; errors as of ``read``."""
    return Decoder(name, encoding, BY_ICONV).decode(data, final=True)


def utf8(text: str) -> bytes:
    """Return the bytes of a text.

    Raises:
        CorpusError: if it holds half of a surrogate pair, which stands for no character.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"the text holds U+{ord(text[error.start]):04X} at offset {error.start}, half of a surrogate "
            "pair, which UTF-8 cannot write; repair its source, or read it with errors='replace'"
        ) from None


def to_bytes(text: str) -> bytes:
    """Return the bytes that a text of the encoding ``bytes`` stands for.

    Raises:
        CorpusError: at a character that is no byte.
    """
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"{shown(text[error.start])!r} is no byte, and this model writes bytes; "
            "train it with `tokenizer=char`"
        ) from error


def canonical(encoding: str) -> str:
    """Return the name of the codec to decode with, but not ``utf-8-sig``, whose errors do not count the mark.

    Raises:
        UsageError: if there is none.
    """
    if encoding == BYTES:
        return BYTES
    try:
        io.TextIOWrapper(io.BytesIO(), encoding=encoding)  # refuses codecs of other things than text, too
    except (LookupError, ValueError) as error:
        raise UsageError(f"unknown encoding {encoding!r}; give utf-8, cp1252, gb18030 … or bytes") from error
    name = codecs.lookup(encoding).name
    return "utf-8" if name == "utf-8-sig" else name


class Decoder:
    """Decodes bytes as they come, and knows where it stands.

    Args:
        name: of the text, for messages.
        encoding: as ``read`` takes it.
        mend: the way out of another encoding, ``{}`` for its name.
    """

    def __init__(self, name: str, encoding: str = "utf-8", mend: str = BY_OPTION) -> None:
        self._name, self._asked, self._mend = name, encoding, mend
        self._encoding = canonical(encoding)
        self._codec: codecs.IncrementalDecoder | None = None
        self._head = self._before = b""
        self._taken, self._lines, self._begun = 0, 0, False

    def decode(self, block: bytes, final: bool = False) -> str:
        """Take the next bytes, and return the text that they complete.

        Raises:
            EncodingError: as ``read`` does.
        """
        if self._encoding == BYTES:
            return block.decode("latin-1")
        if self._codec is None:
            self._head += block
            if not final and any(mark.startswith(self._head) for mark in MARKS):
                return ""  # it may be the half of a mark
            block = self._head
            self._codec = codecs.getincrementaldecoder(self._begin(block))()
        text = self._text(self._codec, block, final)
        self._lines += text.count("\n")
        self._before = block[-CONTEXT:] if len(block) >= CONTEXT else (self._before + block)[-CONTEXT:]
        if self._begun or not text:
            return text
        self._begun = True
        return text.removeprefix(MARK)

    def _text(self, codec: codecs.IncrementalDecoder, block: bytes, final: bool) -> str:
        self._taken += len(block)
        try:
            text = codec.decode(block, final)
        except UnicodeDecodeError as error:
            raise self._wrong_byte(error, len(error.object) - len(block)) from error
        except UnicodeError as error:  # from codecs that keep no account of positions
            fault = f"not {self._asked.upper()} before offset {self._taken} ({error})"
            raise EncodingError(self._name, fault, "convert it to UTF-8") from error
        if "\0" in text:
            raise self._zero(block, text)
        return text

    def _begin(self, block: bytes) -> str:
        """Return the codec for a text that begins so."""
        codec = self._encoding
        if kind := document(block):
            raise self._no_text(kind)
        mark = next((name for bom, name in MARKS.items() if block.startswith(bom)), None)
        if mark is not None and (codec == "utf-8" or mark.startswith(codec)):
            if mark != codec:  # from here on it is what the text should be
                self._asked = self._encoding = mark
            return mark
        if mark is not None:
            fault = f"not {self._asked.upper()}: it begins with the byte order mark of {mark.upper()}"
            raise self._other(fault, [mark], block)
        if self._is_wide:
            self._check_byte_order(codec, block)
        elif codec != "utf-8" and is_utf8(block, codec):
            raise self._other(f"not {self._asked.upper()}, but UTF-8", ["utf-8"], block)
        return codec

    @property
    def _is_wide(self) -> bool:
        return self._encoding.startswith(("utf-16", "utf-32"))

    def _check_byte_order(self, codec: str, block: bytes) -> None:
        """Refuse a text without a mark whose byte order is not said, or is another one."""
        found = wide(block)
        if block and codec in ("utf-16", "utf-32"):
            fault = f"{codec.upper()} without a byte order mark"
            raise self._other(fault, [found] if found else [f"{codec}-le", f"{codec}-be"], block)
        if found not in (None, codec):
            raise self._other(f"not {self._asked.upper()}", [found], block)

    # ── what is wrong ──────────────────────────────────────────────────────────────────────────────────────

    def _wrong_byte(self, error: UnicodeDecodeError, held: int) -> EncodingError:
        """Return the error for a byte of another encoding, in bytes of which some were held back before."""
        kind = binary(self._head)
        if kind is not None and not like_text(self._head):
            return self._no_text(kind)
        before = self._before[: len(self._before) - held]
        data, place = before + error.object, len(before) + error.start
        begin = self._taken - len(data)
        line = self._line(error.object[: error.start].decode(self._encoding, "replace"))
        fault = f"{line}: byte 0x{data[place]:02x} at offset {begin + place} is not {self._asked.upper()}"
        if (found := wide(data, begin)) not in (None, self._encoding):
            fault += f", and looks like {found.upper()} without a byte order mark"
            return self._other(fault, [found], data[-begin % 4 :])
        if self._is_wide:
            mend = f"all before is {self._asked.upper()}: get the whole file, or mend this place"
            return EncodingError(self._name, fault, mend)
        return self._of_another(fault, data, place, begin, error.reason)

    def _of_another(self, fault: str, data: bytes, place: int, begin: int, reason: str) -> EncodingError:
        """Return the error for a byte that may be of another encoding of single bytes, or of several."""
        text = data.decode("utf-8", "replace") if self._encoding == "utf-8" else ""
        wrong = text.count("\ufffd")
        right = sum(map(len, _BEYOND.findall(text))) - wrong
        if reason in _CUT_SHORT:
            fault += ", or the file is cut short there"
            if right:
                return EncodingError(self._name, fault, "all before is UTF-8: get the whole file")
        candidates = likely(data, place, refused=self._encoding, offset=begin)
        if not candidates:
            kind = binary(self._head)
            return self._no_text(kind or f"{fault}, nor text in any encoding that is known here")
        if right > wrong:
            return EncodingError(self._name, fault, _ALONE, candidates)
        return self._other(fault, candidates, data)

    def _zero(self, block: bytes, text: str) -> EncodingError:
        """Return the error for a NUL: of UTF-16, of a file that is no text, or a stray one."""
        line = self._line(text[: text.index("\0")])
        if (kind := binary(self._head)) is not None:
            return self._no_text(kind)
        begin = self._taken - len(block)
        if (found := wide(block, begin)) not in (None, self._encoding):
            fault = f"{line}: NUL bytes, as of {found.upper()} without a byte order mark"
            return self._other(fault, [found], block[-begin % 4 :])
        count = f"{text.count(chr(0)):,} NUL characters" if text.count("\0") > 1 else "a NUL character"
        mend = "texts have none: remove them with tr -d '\\000'" + ", once it is UTF-8" * self._is_wide
        return EncodingError(self._name, f"{line}: {count}", mend + self._raw(", or, if this is no text,"))

    def _line(self, text: str) -> str:
        """Return the place behind some text that follows all that was decoded."""
        return f"line {self._lines + text.count(chr(10)) + 1}"

    def _no_text(self, kind: str) -> EncodingError:
        return EncodingError(self._name, kind, "save it as plain text" + self._raw(", or"))

    def _raw(self, begin: str) -> str:
        """Return the way to learn what is no text, where that is possible."""
        return f"{begin} `encoding=bytes` learns its bytes" if self._mend == BY_OPTION else ""

    def _other(self, fault: str, encodings: Iterable[str | Candidate], data: bytes) -> EncodingError:
        """Return an error that names encodings, with what they make of the data where that is not known."""
        candidates = [
            Candidate(one, snippet(data.decode(one, "ignore").lstrip(MARK))) if isinstance(one, str) else one
            for one in encodings
        ]
        if self._mend == BY_ICONV:  # which has no hyphen before the byte order
            candidates = [one._replace(encoding=_ICONV.sub(r"\1\2", one.encoding)) for one in candidates]
        return EncodingError(self._name, fault, self._mend, tuple(candidates))
