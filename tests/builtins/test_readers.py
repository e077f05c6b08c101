"""The readers give the text as it is, or say exactly where it is not text."""

import io
import json
import re

import pytest

from rnngen.builtins.options import JSONLinesOptions, TextReaderOptions
from rnngen.builtins.readers import read_json, read_json_lines, read_text, records
from rnngen.encodings import decoder
from rnngen.errors import CorpusError


def text_of(data, encoding="utf-8"):
    return "".join(chunk.text for chunk in read_text(io.BytesIO(data), "a.txt", TextReaderOptions(encoding)))


def documents(data, **options):
    return [c.text for c in read_json_lines(io.BytesIO(data), "a.jsonl", JSONLinesOptions(**options))]


@pytest.fixture(params=[1, 2, 3, 5, 1 << 20])
def block(request, monkeypatch):
    monkeypatch.setattr(decoder, "BLOCK", request.param)


@pytest.mark.usefixtures("block")
def test_only_the_first_chunk_opens_and_none_is_empty():
    chunks = list(read_text(io.BytesIO("天地 玄黃".encode()), "a.txt", TextReaderOptions()))
    assert [chunk.starts_document for chunk in chunks] == [True] + [False] * (len(chunks) - 1)
    assert all(chunk.text for chunk in chunks)


def test_a_chunk_is_no_longer_than_a_block():
    sizes = [len(c.text) for c in read_text(io.BytesIO(b"x" * 2_500_000), "a.txt", TextReaderOptions())]
    assert sizes == [1 << 20, 1 << 20, 2_500_000 - (2 << 20)]


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file_gives_no_chunk(data):
    assert list(read_text(io.BytesIO(data), "a.txt", TextReaderOptions())) == []


@pytest.mark.usefixtures("block")
def test_json_lines_give_one_document_a_line():
    lines = ['{"text": "a\\nb"}', "", "  ", '{"text": "天\u2028地"}\r', '{"text": ""}', '{"text": "end"}']
    assert documents("\n".join(lines).encode()) == ["a\nb", "天\u2028地", "end"]


def test_a_key_that_holds_dots_is_taken_whole():
    line = json.dumps({"post.body": "whole", "post": {"body": "deep", "a.b": "no"}})
    assert documents(line.encode(), field="post.body") == ["whole"]
    assert documents(json.dumps({"post": {"body": "deep"}}).encode(), field="post.body") == ["deep"]


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
        ("[1]", "text", "the record is a list, not an object; no key 'text' in it"),
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
    with pytest.raises(CorpusError, match=r"a\.jsonl: line 2: byte 0xff at offset 14 is not UTF-8"):
        documents(b'{"text": "a"}\n\xff')


# ── JSON that is not a record a line ───────────────────────────────────────────────────────────────────────


def json_documents(text, **options):
    found = read_json(io.BytesIO(text.encode()), "a.json", JSONLinesOptions(**options))
    return [(chunk.source, chunk.text) if chunk.source else chunk.text for chunk in found]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_and_records_one_after_another_are_the_same(indent):
    records = [{"text": "a\nb"}, {"text": ""}, {"text": "天 [{", "more": [1, {"x": None}]}]
    assert json_documents(json.dumps(records, indent=indent)) == ["a\nb", "天 [{"]
    assert json_documents("\n".join(json.dumps(one, indent=indent) for one in records)) == ["a\nb", "天 [{"]
    assert json_documents(" [] ") == json_documents("") == []


def test_a_list_of_texts_is_as_many_with_one_source():
    records = [{"s": "x", "text": ["a", "b"]}, {"s": 3, "text": "c"}, {"s": True, "text": "d"}]
    expected = [("x", "a"), ("x", "b"), ("3", "c"), ("true", "d")]
    assert json_documents(json.dumps(records), source_field="s") == expected


def test_a_label_may_be_any_number():
    text = '[{"s": 4.5, "text": "a"}, {"s": -1e-3, "text": "b"}, {"s": 10, "text": "c"}]'
    assert json_documents(text, source_field="s") == [("4.5", "a"), ("-0.001", "b"), ("10", "c")]


@pytest.mark.parametrize(
    ("label", "complaint"),
    [
        ("null", "'s' is null; fill it in, or remove the record"),
        ("NaN", "'s' is NaN; fill it in, or remove the record"),
        ('["a"]', "'s' is a list, not a string; name the key that holds the source or the label"),
    ],
)
def test_what_is_no_label_is_named_with_the_mend(label, complaint):
    with pytest.raises(CorpusError, match=re.escape(f"a.json: line 1: {complaint}")):
        json_documents(f'{{"s": {label}, "text": "a"}}', source_field="s")


@pytest.mark.parametrize(
    ("record", "empty"), [({"s": " ", "text": "a"}, "s"), ({"s": "a", "text": " \t"}, "text")]
)
def test_blanks_alone_are_no_side_of_a_pair(record, empty):
    with pytest.raises(CorpusError, match=f"'{empty}' is empty; fill it in"):
        json_documents(json.dumps([record]), source_field="s")
    records = [{"s": " ", "text": ""}, {"s": "b", "text": "c"}]
    assert json_documents(json.dumps(records), source_field="s") == [("b", "c")]


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('[{"text": "a"},\n{"tex": "b"}]', "line 2: no key 'text'; did you mean 'tex'?"),
        ('[{"text": "a"},\n', "line 2: not JSON (the array does not end: the file is cut short)"),
        ('[{"text": "a"}\n{"text": "b"}]', "line 2: not JSON (a comma, or the end of the array, expected)"),
        ('[{"text": "a"}]\n{', "line 2: not JSON (the array has ended, and something follows)"),
        ('{"text": "a"}\n\n{"text": "b', "line 3: column 10: not JSON (Unterminated string"),
        ('[{"text": "a"}, {"text":\n "b",\n  x}]', "line 3: column 3: not JSON (Expecting"),
        ('[{"text": "a"}, {x}]', "line 1: column 18: not JSON (Expecting"),
        ('"a"', "line 1: the record is a string, not an object"),
    ],
)
def test_bad_json_is_named_with_its_line(text, complaint):
    with pytest.raises(CorpusError, match="^" + re.escape(f"a.json: {complaint}")) as error:
        json_documents(text)
    assert "a line is expected" not in str(error.value)


@pytest.mark.parametrize("value", [{"text": "a" * 900}, {"text": "a", "more": list(range(400))}])
def test_a_value_that_is_too_long_is_called_so_with_the_mend(monkeypatch, value):
    monkeypatch.setattr(decoder, "BLOCK", 100)
    monkeypatch.setattr(records, "LONGEST", 200)
    text = json.dumps([{"text": "short"}, value], indent=0)
    with pytest.raises(
        CorpusError, match=r"^a\.json: line 5: .* more than 200 characters.* a record a line.*\.jsonl"
    ):
        json_documents(text)
    with pytest.raises(CorpusError, match="line 6: column 9: not JSON"):
        json_documents(text.replace('": "a', '": ?"a'))
    assert documents(f"{json.dumps(value)}\n".encode()) == [value["text"]]
