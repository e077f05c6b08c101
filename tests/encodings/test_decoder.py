"""Every text that enters is decoded exactly, or refused with the place, the likely encodings and the mend."""

import io
import re
import zipfile

import pytest

from rnngen import encodings
from rnngen.encodings import EncodingError, decoder
from rnngen.errors import CorpusError, UsageError


def text_of(data, encoding="utf-8"):
    return "".join(encodings.read(io.BytesIO(data), "a.txt", encoding))


def lines_of(data, encoding="utf-8"):
    return list(encodings.lines(io.BytesIO(data), "a.txt", encoding))


def refused(data, encoding="utf-8"):
    """The error that a text is refused with."""
    with pytest.raises(EncodingError, match=r"^a\.txt: ") as error:
        text_of(data, encoding)
    return error.value


@pytest.fixture(params=[1, 2, 3, 5, 1 << 20])
def block(request, monkeypatch):
    monkeypatch.setattr(decoder, "BLOCK", request.param)


# ── what can be read ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "gb18030", "shift_jis", "utf-32"])
def test_text_is_the_same_whatever_the_block(encoding):
    text = "日本\r\n一二\r\x0b三\n\n終"
    assert text_of(text.encode(encoding), encoding) == text


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig"])
def test_one_byte_order_mark_at_the_start_is_dropped(encoding):
    assert text_of(b"\xef\xbb\xbfa\xef\xbb\xbfb", encoding) == "a\ufeffb"


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("family", ["utf-16", "utf-32"])
@pytest.mark.parametrize("order", ["le", "be"])
@pytest.mark.parametrize("asked", ["utf-8", "family", "exact"])
def test_a_mark_names_the_encoding_of_what_is_behind_it(family, order, asked):
    exact = f"{family}-{order}"
    encoding = {"family": family, "exact": exact}.get(asked, asked)
    text = "naïve\n日本\n"
    assert text_of(("\ufeff" + text).encode(exact), encoding) == text
    assert lines_of(("\ufeff" + text).encode(exact), encoding) == ["naïve", "日本"]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\xff\xfe"])
def test_nothing_gives_nothing(data):
    assert text_of(data) == ""
    assert lines_of(data) == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_fault_behind_a_mark_is_one_of_the_encoding_that_the_mark_names(encoding):
    mark = "\ufeff".encode(encoding)
    whole = mark + ("two lines\n" * 50).encode(encoding)
    for asked in ("utf-8", encoding[:6]):
        said = str(refused(whole[:-1], asked))
        assert f"is not {encoding.upper()}; all before is {encoding.upper()}: get the whole file" in said
        assert "NUL character" in str(refused(whole + "\0".encode(encoding), asked))


def test_what_may_be_half_a_mark_and_is_none_is_a_wrong_byte():
    assert "byte 0xef at offset 0" in str(refused(b"\xef\xbb"))


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\n\nb", ["a", "", "b"]),
        (b"\xef\xbb\xbfa\x0b\xc2\x85b\rc\n", ["a\x0b\x85b\rc"]),
    ],
)
def test_lines_end_at_line_feeds_alone(data, lines):
    assert lines_of(data) == lines


def test_lines_are_given_as_they_arrive():
    class Waiting(io.BytesIO):
        def readline(self, size=-1):
            read.append(line := super().readline(size))
            return line

    read = []
    arriving = encodings.lines(Waiting(b"a\nb\nc\n"), "a.txt")
    assert (next(arriving), read) == ("a", [b"a\n"])


def test_input_without_a_line_end_ends_in_an_error(monkeypatch):
    monkeypatch.setattr("rnngen.encodings.decoder.LONGEST", 10)
    arriving = encodings.lines(io.BytesIO(b"ab\n" + b"x" * 1000), "a.txt")
    assert next(arriving) == "ab"
    with pytest.raises(CorpusError, match=r"a\.txt: line 2 has more than 10 characters; divide it"):
        next(arriving)


@pytest.mark.usefixtures("block")
def test_bytes_are_characters_and_nothing_is_taken_away():
    data = b"\xef\xbb\xbf\r\n\0\n" + bytes(range(256)) + b"PK\x03\x04"
    assert text_of(data, "bytes") == data.decode("latin-1")
    assert encodings.to_bytes(text_of(data, "bytes")) == data
    assert lines_of(b"a\r\n\0\xff\n", "bytes") == ["a\r", "\0\xff"]
    with pytest.raises(CorpusError, match="is no byte"):
        encodings.to_bytes("a\ufffd")


# ── the place ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    ("data", "encoding", "line", "offset", "byte"),
    [
        (b"caf\xe9 noir", "utf-8", 1, 3, 0xE9),
        (b"\xef\xbb\xbfabc\xff", "utf-8", 1, 6, 0xFF),
        (b"\xef\xbb\xbfabc\xff", "utf-8-sig", 1, 6, 0xFF),
        ("天地\n\n".encode() + b"\xe7\x8e!", "utf-8", 3, 8, 0xE7),
        ("天\n地".encode()[:-1], "utf-8", 2, 4, 0xE5),
        (b"abc\x80", "ascii", 1, 3, 0x80),
        ("ab\n天".encode("gb18030")[:-1], "gb18030", 2, 3, 0xCC),
        (b"a\0b\0c", "utf-16-le", 1, 4, 0x63),
    ],
)
def test_a_wrong_byte_is_named_with_its_place(data, encoding, line, offset, byte):
    place = f"line {line}: byte 0x{byte:02x} at offset {offset} is not {encoding.upper()}"
    assert str(refused(data, encoding)).startswith(f"a.txt: {place}")


def test_lines_before_a_wrong_one_come_first():
    arriving = encodings.lines(io.BytesIO(b"a\nb\n\xff\nc\n"), "a.txt")
    assert [next(arriving), next(arriving)] == ["a", "b"]
    with pytest.raises(EncodingError, match=r"^a\.txt: line 3: byte 0xff"):
        next(arriving)


def test_a_file_cut_within_a_character_is_called_so():
    assert "or the file is cut short there" in str(refused("天地".encode()[:-1]))


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13", "u\0"])
def test_an_encoding_that_is_none_is_a_usage_error_that_names_it(encoding):
    with pytest.raises(UsageError, match="unknown encoding") as error:
        text_of(b"a", encoding)
    assert repr(encoding) in str(error.value)


# ── the mend ───────────────────────────────────────────────────────────────────────────────────────────────


def advised(error):
    """The encoding that an error's message names."""
    return re.search(r"`encoding=([^`]+)`", str(error))[1]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("asked", ["utf-8", "latin-1", "cp1252", "utf-16", "utf-32", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["THE NIGHT\nand a rose\n", "Où est-il, l'été ?\n", "Привет, мир, и люди\n" * 9]
)
def test_wide_text_without_a_mark_is_never_garbage(encoding, asked, text):
    data = text.encode(encoding)
    if asked == encoding:
        assert text_of(data, asked) == text
        return
    assert advised(refused(data, asked)) == encoding
    assert text_of(data, encoding) == text


def test_a_mark_of_another_encoding_is_refused_with_its_name():
    assert advised(refused("\ufeffthe night".encode("utf-16-le"), "latin-1")) == "utf-16-le"
    assert advised(refused("\ufeffthe night".encode(), "cp1252")) == "utf-8"
    assert advised(refused("\ufeffthe night".encode("utf-16-le"), "utf-16-be")) == "utf-16-le"


def test_utf8_in_another_encoding_is_refused():
    """A folder of which most is cp1252 would learn ``cafÃ©``."""
    assert advised(refused("café, naïve, déjà".encode(), "cp1252")) == "utf-8"
    assert text_of("café, naïve, déjà".encode("cp1252"), "cp1252") == "café, naïve, déjà"


@pytest.mark.parametrize(
    ("data", "place"),
    [(b"a\0b\n", "line 1: a NUL character"), (b"abc\n" * 20 + b"x\0y\0\n", "line 21: 2 NUL characters")],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "gb18030"])
def test_stray_nuls_are_refused_with_their_place(data, place, encoding):
    message = str(refused(data, encoding))
    assert place in message
    assert "tr -d '\\000'" in message


def test_text_that_is_utf8_but_for_a_place_is_mended_there():
    data = "l'été, où ?\n".encode() * 3 + b"it\x92s\n"
    error = refused(data)
    assert "line 4: byte 0x92" in str(error)
    assert "mend this place" in str(error)
    assert "encoding=" not in str(error)
    assert error.candidates[0] == ("cp1252", "it’s")


def zipped(*names):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in names:
            archive.writestr(name, "text" * 20)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (zipped("[Content_Types].xml", "word/document.xml"), "a Word document"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "a spreadsheet"),
        (zipped("a.txt"), "a zip archive"),
        (b"PK\x03\x04\0\0mimetypeapplication/epub+zipPK", "an e-book"),
        (b"PK\x03\x04\0\0mimetypeapplication/vnd.oasis.opendocument.textPK", "a text document"),
        (b"%PDF-1.7\nall of it ASCII", "a PDF document"),
        (b"{\\rtf1\\ansi It's}", "a Rich Text document"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG picture"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
        (b"SQLite format 3\0\x10", "an SQLite database"),
        (b"\x7fELF\x02\x01\x01\0", "a program"),
        (b"\x1f\x8b\x08\0\0", "compressed with gzip"),
        (b"notes.txt".ljust(257, b"\0") + b"ustar\x0000", "a tar archive"),
        (b"7z\xbc\xaf\x27\x1c\0\x04", "a 7z archive"),
        (b"Rar!\x1a\x07\0", "a RAR archive"),
        (b"\xca\xfe\xba\xbe\0\0\0\x34", "a compiled Java class"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0", "an old Office document"),
        (b"MThd\0\0\0\x06", "MIDI"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_archives_and_binaries_are_called_what_they_are(data, kind, encoding):
    message = str(refused(data, encoding))
    assert kind in message
    assert "save it as plain text" in message
    assert text_of(data, "bytes") == data.decode("latin-1")


@pytest.mark.parametrize("text", ["BMW and MZ\n", "ID3 is a tag\n", "GIF87a was first\n", "BM é\n"])
def test_text_that_begins_like_a_binary_is_text(text):
    assert text_of(text.encode()) == text


@pytest.mark.parametrize("text", ["BMW fährt\n", "MZ, 3. März\n", "ID3 für MP3\n", "RIFF für Töne\n"])
def test_text_in_another_encoding_that_begins_like_a_binary_is_text(text):
    assert advised(refused(text.encode("cp1252"))) == "cp1252"
    assert "a BMP picture" in str(refused(b"BM\x8a\x96\0\0\0\0\x8a"))


@pytest.mark.parametrize(
    ("data", "mend"),
    [
        (b"it\x92s\n", "iconv -f cp1252 -t utf-8"),
        ("a\nb\n".encode("utf-16-le"), "iconv -f utf-16le -t utf-8"),
    ],
)
def test_texts_that_have_to_be_utf8_are_converted_with_iconv(data, mend):
    with pytest.raises(EncodingError, match=mend):
        encodings.decode(data, "standard input")
    with pytest.raises(EncodingError, match=mend):
        lines_of(data)
