"""The readers give the text as it is, or say exactly where it is not text."""

import io
import json
import re

import pytest

from rnngen.builtins import readers
from rnngen.builtins.options import JSONLinesOptions, TextReaderOptions
from rnngen.builtins.readers import read_json_lines, read_text
from rnngen.errors import CorpusError, UsageError


def text_of(data, encoding="utf-8"):
    return "".join(chunk.text for chunk in read_text(io.BytesIO(data), "a.txt", TextReaderOptions(encoding)))


def documents(data, **options):
    return [c.text for c in read_json_lines(io.BytesIO(data), "a.jsonl", JSONLinesOptions(**options))]


@pytest.fixture(params=[1, 2, 3, 5, 1 << 20])
def block(request, monkeypatch):
    monkeypatch.setattr(readers, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "gb18030", "shift_jis", "utf-32"])
def test_text_is_the_same_whatever_the_block(encoding):
    text = "日本\r\n一二\r\x0b三\n\n終"
    assert text_of(text.encode(encoding), encoding) == text


@pytest.mark.usefixtures("block")
def test_only_the_first_chunk_opens_and_none_is_empty():
    chunks = list(read_text(io.BytesIO("天地 玄黃".encode()), "a.txt", TextReaderOptions()))
    assert [chunk.starts_document for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert all(chunk.text for chunk in chunks)


def test_a_chunk_is_no_longer_than_a_block():
    sizes = [len(c.text) for c in read_text(io.BytesIO(b"x" * 2_500_000), "a.txt", TextReaderOptions())]
    assert sizes == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf-8-sig"])
def test_one_byte_order_mark_at_the_start_is_dropped(encoding):
    assert text_of(b"\xef\xbb\xbfa\xef\xbb\xbfb", encoding) == "a\ufeffb"


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_gives_no_chunk(data):
    assert list(read_text(io.BytesIO(data), "a.txt", TextReaderOptions())) == []


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    ("data", "encoding", "offset", "byte"),
    [
        (b"caf\xe9 noir", "utf-8", 3, 0xE9),
        (b"\xef\xbb\xbfabc\xff", "utf-8", 6, 0xFF),
        (b"\xef\xbb\xbfabc\xff", "utf-8-sig", 6, 0xFF),
        ("天地".encode() + b"\xe7\x8e!", "utf-8", 6, 0xE7),
        ("天地".encode()[:-1], "utf-8", 3, 0xE5),
        (b"abc\x80", "ascii", 3, 0x80),
        ("ab天".encode("gb18030")[:-1], "gb18030", 2, 0xCC),
        (b"a\0b\0c", "utf-16-le", 4, 0x63),
    ],
)
def test_a_wrong_byte_is_named_with_its_offset(data, encoding, offset, byte):
    with pytest.raises(CorpusError, match=rf"^a\.txt: byte 0x{byte:02x} at offset {offset} is not ") as error:
        text_of(data, encoding)
    assert encoding.upper() in str(error.value)


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        ("Où est-il, l'été ? À Nîmes.".encode("latin-1"), "utf-8"),
        ("白日依山盡,黃河入海流。".encode("gb18030"), "utf-8"),
        ("窗前明月光，疑是地上霜。举头望明月，低头思故乡。\n".encode("gb18030") * 9, "utf-8"),
        ("naïve".encode("utf-16"), "utf-8"),
        ("naïve".encode(), "ascii"),
        ("Привет, мир, и тебе привет".encode("cp1251"), "utf-8"),
    ],
)
def test_the_encoding_that_is_offered_reads_the_file(data, asked):
    with pytest.raises(CorpusError) as error:
        text_of(data, asked)
    (offered,) = re.findall(r"pass --encoding (\S+)$", str(error.value))
    assert text_of(data, offered)


@pytest.mark.parametrize(
    ("text", "written", "offered"),
    [
        ("Où est-il, l'été ? À Nîmes.", "latin-1", "latin-1"),
        ("窗前明月光，疑是地上霜。举头望明月，低头思故乡。", "gb18030", "gb18030"),
        ("naïve", "utf-16", "utf-16"),
    ],
)
def test_the_encoding_that_is_offered_is_the_likely_one(text, written, offered):
    with pytest.raises(CorpusError, match=f"--encoding {offered}$"):
        text_of(text.encode(written))


def test_a_file_cut_within_a_character_is_called_so():
    with pytest.raises(CorpusError, match="or the file is cut short there"):
        text_of("天地".encode()[:-1])


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13", "u\0"])
def test_an_encoding_that_is_none_is_a_usage_error_that_names_it(encoding):
    with pytest.raises(UsageError, match="unknown encoding") as error:
        text_of(b"a", encoding)
    assert repr(encoding) in str(error.value)


@pytest.mark.usefixtures("block")
def test_json_lines_give_one_document_a_line():
    lines = ['{"text": "a\\nb"}', "", "  ", '{"text": "天\u2028地"}\r', '{"text": ""}', '{"text": "end"}']
    assert documents("\n".join(lines).encode()) == ["a\nb", "天\u2028地", "end"]


def test_each_json_line_opens_a_document():
    data = b'{"text": "a"}\n{"text": "b"}\n'
    assert all(
        chunk.starts_document for chunk in read_json_lines(io.BytesIO(data), "a.jsonl", JSONLinesOptions())
    )


def test_dots_reach_into_objects():
    line = json.dumps({"post": {"body": {"plain": "deep"}}})
    assert documents(line.encode(), field="post.body.plain") == ["deep"]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    ("line", "field", "complaint"),
    [
        ('{"texts": "a"}', "text", "no key 'text'; did you mean 'texts'?"),
        ('{"a": 1, "b": 2}', "text", "no key 'text'; there is a, b"),
        ("{}", "text", "no key 'text'; the object is empty"),
        ('{"post": "a"}', "post.body", "'post' is a string, not an object; no key 'body' in it"),
        ("[1]", "text", "the line is a list, not an object; no key 'text' in it"),
        ('{"text": 5}', "text", "'text' is a number, not a string; name the key that holds the text"),
        ('{"text": null}', "text", "'text' is null, not a string; name the key that holds the text"),
        ('{"text": "a}', "text", "column 10: not JSON"),
        ('{"text": "ab\\ud83d"}', "text", "'text' holds half a surrogate pair at character 2"),
        ("[" * 100_000, "text", "not JSON that can be read"),
    ],
)
def test_a_bad_json_line_is_named_with_its_number(line, field, complaint):
    good = json.dumps({"text": "a", "post": {"body": "b"}})
    with pytest.raises(CorpusError, match="^" + re.escape(f"a.jsonl: line 3: {complaint}")):
        documents(f"{good}\n\n{line}\n".encode(), field=field)


def test_json_lines_name_the_offset_of_a_wrong_byte():
    with pytest.raises(CorpusError, match=r"a\.jsonl: byte 0xff at offset 14 is not UTF-8"):
        documents(b'{"text": "a"}\n\xff')
