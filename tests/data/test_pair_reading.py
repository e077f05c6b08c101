"""Pairs are read whole and in order, from one file or from two, and what is no pair is named."""

import gzip
import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins.options import JSONLinesOptions, TableOptions, TextReaderOptions
from rnngen.builtins.readers import read_csv, read_json, read_json_lines, read_text
from rnngen.builtins.tasks import Pairs
from rnngen.contracts import Chunk
from rnngen.data.corpus import Corpus
from rnngen.errors import CorpusError
from rnngen.options import NoOptions

PAIRS = [("one", "eins"), ("two ", " zwei"), ("a\x0bb", "c\u2028d"), ("天地", "🙂")]
TSV = "".join(f"{source}\t{text}\n" for source, text in PAIRS)


def reader_for(path):
    if path.suffix == ".jsonl":
        options = JSONLinesOptions(field="de", source_field="en")
        return lambda stream, name: read_json_lines(stream, name, options)
    return lambda stream, name: read_text(stream, name, TextReaderOptions())


def written(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.fixture
def read(tmp_path):
    """The pairs in a file, or in two that lie side by side."""

    def pairs(texts, sources=None, name="pairs.tsv"):
        path = written(tmp_path, name, texts)
        beside = [] if sources is None else [written(tmp_path, "sources.txt", sources)]
        chunks = list(Corpus([path], Pairs(NoOptions()), reader_for, beside).chunks())
        assert all(chunk.starts_document for chunk in chunks)
        return [(chunk.source, chunk.text) for chunk in chunks]

    return pairs


# ── one file ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    [
        TSV,
        TSV.removesuffix("\n"),
        TSV.replace("\n", "\r\n"),
        TSV.replace("\n", "\n\n \n\t\n"),
        "\n\r\n" + TSV,
        gzip.compress(TSV.encode()),
    ],
    ids=["plain", "no final newline", "CRLF", "blank lines", "blank first", "gzip"],
)
def test_the_pairs_are_the_lines_cut_at_their_tab(read, text):
    assert read(text) == PAIRS


@given(st.lists(st.integers(0, len(TSV)), max_size=9), st.sampled_from(["\n", "\r\n"]))
def test_pairs_are_those_of_the_whole_text_wherever_it_is_cut(cuts, end):
    text = TSV.replace("\n", end)
    borders = [0, *sorted(cuts), len(text)]
    chunks = [Chunk(text[a:b], number == 0) for number, (a, b) in enumerate(pairwise(borders))]
    found = Pairs(NoOptions()).examples(chunks)
    assert [(chunk.source, chunk.text) for chunk in found] == PAIRS


def test_no_line_goes_on_in_the_next_document():
    chunks = [Chunk("a\tb", True), Chunk("c\t", True), Chunk("d", False)]
    assert list(Pairs(NoOptions()).examples(chunks)) == [Chunk("b", True, "a"), Chunk("d", True, "c")]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("alone", "one column"),
        ("a\tb\tc", "3 columns"),
        ("a\tb\t", "3 columns"),
        ("\tb", "no source before"),
        (" \tb", "no source before"),
        ("a\t", "no text after"),
        ("a\t \r", "no text after"),
    ],
)
def test_a_line_that_is_no_pair_is_named_with_its_number(read, line, said):
    with pytest.raises(CorpusError, match=rf"pairs\.tsv: line 6 .*{said}"):
        read(f"{TSV}\n{line}\nx\ty\n")


@pytest.mark.slow
def test_the_number_of_a_line_is_right_far_into_a_file(read):
    with pytest.raises(CorpusError, match="line 200001 "):
        read("source\ttext\n" * 200_000 + "bad\n")


def test_json_lines_bring_both_sides(read):
    text = '{"en": "one", "de": "eins"}\n\n{"de": "a\\tb\\nc", "en": "t w\\no"}\n'
    assert read(text, name="pairs.jsonl") == [("one", "eins"), ("t w\no", "a\tb\nc")]


@pytest.mark.parametrize(
    ("line", "said"), [('{"en": "", "de": "x"}', "'en'"), ('{"en": "x", "de": ""}', "'de'")]
)
def test_an_empty_side_in_json_lines_is_named(read, line, said):
    with pytest.raises(CorpusError, match=f"line 2: {said}"):
        read('{"en": "a", "de": "b"}\n' + line, name="pairs.jsonl")


# ── two files ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "x"])
def test_line_k_of_one_file_goes_with_line_k_of_the_other(read, end, last):
    sources, texts = (end.join([*side, last]) for side in zip(*PAIRS, strict=True))
    assert read(texts, sources) == PAIRS + ([("x", "x")] if last else [])


def test_lines_blank_in_both_are_nothing(read):
    assert read("a\n\n \nb\n", "c\n \n\nd") == [("c", "a"), ("d", "b")]


def test_a_tab_in_a_line_of_two_files_is_text(read):
    assert read("a\tb\n", "c\td\n") == [("c\td", "a\tb")]


@pytest.mark.parametrize(
    ("texts", "sources", "said"),
    [
        ("a\nb\nc\n", "d\n", r"pairs\.tsv: line 2 has no line beside it: the sources"),
        ("a\n", "b\nc\nd", r"sources\.txt: line 2 has no line beside it: the texts"),
        ("", "b\n", r"sources\.txt: line 1 "),
        ("a\n\nc\n", "d\ne\nf\n", r"pairs\.tsv: line 2 is empty, but .*sources\.txt: line 2"),
        ("a\nb\n", "d\n  \n", r"sources\.txt: line 2 is empty, but .*pairs\.tsv: line 2"),
    ],
)
def test_the_first_line_without_a_partner_is_named(read, texts, sources, said):
    with pytest.raises(CorpusError, match=said):
        read(texts, sources)


@pytest.fixture
def side_by_side(tmp_path):
    """The pairs in two files of records, whose text has the key or the column ``t``."""

    def pairs(name, sources, texts):
        reading = {
            ".csv": lambda stream, name: read_csv(stream, name, TableOptions(field="t")),
            ".jsonl": lambda stream, name: read_json_lines(stream, name, JSONLinesOptions(field="t")),
            ".json": lambda stream, name: read_json(stream, name, JSONLinesOptions(field="t")),
        }
        en, de = written(tmp_path, f"en{name}", sources), written(tmp_path, f"de{name}", texts)
        corpus = Corpus([de], Pairs(NoOptions()), lambda path: reading[path.suffix], [en])
        return [(chunk.source, chunk.text) for chunk in corpus.chunks()]

    return pairs


RECORDS = {
    ".jsonl": lambda *texts: "".join(json.dumps({"t": text}) + "\n" for text in texts),
    ".json": lambda *texts: json.dumps([{"t": text} for text in texts]),
    ".csv": lambda *texts: "".join(f"{text}\n" for text in ("t", *texts)),
}


@pytest.mark.parametrize("name", RECORDS)
def test_record_k_of_one_file_goes_with_record_k_of_the_other(side_by_side, name):
    records = RECORDS[name]
    both_empty = side_by_side(name, records("", "one", "", "two", ""), records("", "eins", " ", "zwei", ""))
    assert both_empty == [("one", "eins"), ("two", "zwei")]
    with pytest.raises(CorpusError, match=r"en\S+: record 2 is empty, but .*de\S+: record 2 is not"):
        side_by_side(name, records("one", "", "two"), records("eins", "zwei"))


def test_empty_cells_of_a_wider_table_are_records_too(side_by_side):
    with pytest.raises(CorpusError, match=r"de\.csv: record 1 is empty, but .*en\.csv: record 1 is not"):
        side_by_side(".csv", "id,t\n1,one\n2,two\n", "id,t\n1,\n2,zwei\n")
    both_empty = side_by_side(".csv", "id,t\n\n1,one\n,\n2,two\n", "id,t\n1,eins\n,\n2,zwei\n\n")
    assert both_empty == [("one", "eins"), ("two", "zwei")]


def test_line_ends_of_two_files_are_those_of_each_file(read):
    lines = [*(f"line {number}" for number in range(30)), "a\rb\rc\rd"]
    assert read("\n".join(lines), "\n".join(lines))[-1] == ("a\rb\rc\rd", "a\rb\rc\rd")
    with pytest.raises(CorpusError, match=r"pairs\.tsv: its lines end in \\r alone"):
        read("a\rb\rc\r", "a\nb\nc\n")


def test_lines_of_two_files_are_those_of_each_document_and_records_stay_whole(tmp_path):
    def reader(path):
        parts = [
            Chunk("on", True),
            Chunk("e\ntwo", False),
            Chunk("three\n", True),
            Chunk("a\nb", True, is_record=True),
        ]
        return lambda stream, name: iter(parts)

    texts, sources = written(tmp_path, "de.txt", ""), written(tmp_path, "en.txt", "")
    chunks = Corpus([texts], Pairs(NoOptions()), reader, [sources]).chunks()
    assert [chunk.text for chunk in chunks] == ["one", "two", "three", "a\nb"]


def test_what_a_task_refuses_of_two_files_names_them(tmp_path):
    class Refusing(Pairs):
        def examples(self, chunks):
            raise ValueError("too short; write more")

    texts, sources = written(tmp_path, "de.txt", "eins\n"), written(tmp_path, "en.txt", "one\n")
    with pytest.raises(CorpusError, match=r"en\.txt, .*de\.txt: too short; write more"):
        list(Corpus([texts], Refusing(NoOptions()), reader_for, [sources]).chunks())


def test_several_files_of_each_side_are_read_one_after_another(tmp_path):
    texts = [written(tmp_path, "a.txt", "1\n2"), written(tmp_path, "b.txt", "3\n")]
    sources = [written(tmp_path, "c.txt", "x\n"), written(tmp_path, "d.txt", "y\nz\n")]
    chunks = Corpus(texts, Pairs(NoOptions()), reader_for, sources).chunks()
    assert [(chunk.source, chunk.text) for chunk in chunks] == [("x", "1"), ("y", "2"), ("z", "3")]


# ── a task whose sources have a form ───────────────────────────────────────────────────────────────────────


class Figures(Pairs):
    def check_source(self, source):
        if not source.isdigit():
            raise ValueError(f"{source!r} is no number; write figures")


@pytest.mark.parametrize(
    ("name", "texts", "sources", "place"),
    [
        ("de.txt", "eins\n\nzwei\n", "1\n\ntwo\n", "sources.txt: line 3"),
        ("pairs.csv", "1,eins\n\ntwo,zwei\n", None, "pairs.csv: line 3"),
        (
            "pairs.jsonl",
            '{"en": "1", "de": "eins"}\n{"en": "two", "de": "zwei"}\n',
            None,
            "pairs.jsonl: record 2",
        ),
    ],
)
def test_a_source_of_another_form_is_named_with_its_place(tmp_path, name, texts, sources, place):
    def reader(path):
        options = TableOptions(beside="source")
        csv = path.suffix == ".csv"
        return (lambda stream, name: read_csv(stream, name, options)) if csv else reader_for(path)

    beside = [] if sources is None else [written(tmp_path, "sources.txt", sources)]
    corpus = Corpus([written(tmp_path, name, texts)], Figures(NoOptions()), reader, beside)
    with pytest.raises(CorpusError, match="'two' is no number; write figures") as error:
        list(corpus.chunks())
    assert f"{place}: " in str(error.value)
