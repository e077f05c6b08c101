"""Tables are read as they were meant, what was recognised is noted, and what is no table is named."""

import gzip
import io

import pytest

from rnngen.builtins.headers import is_header
from rnngen.builtins.options import TableOptions
from rnngen.builtins.readers import read_csv, read_tsv
from rnngen.contracts import LabelColumn, WholeText, collected_notes
from rnngen.data.corpus import decompressed
from rnngen.errors import CorpusError

CELLS = [("Ruy, Lopez", "1. e4\n\ne5"), ("King's", 'he says "hi"'), ("a;b", "x\ty|z"), ("last", " plain ")]


def table(rows, sign=",", end="\n", header=None):
    """A table as spreadsheets write it."""
    quoted = [[f'"{cell.replace(chr(34), chr(34) * 2)}"' for cell in row] for row in rows]
    return end.join([*([sign.join(header)] if header else []), *(sign.join(row) for row in quoted), ""])


def read(text, reader=read_csv, whole=None, **options):
    """The rows, with their sources where they have some, and what is noted."""
    stream = io.BytesIO(text.encode())
    with collected_notes() as notes:
        chunks = list((whole or WholeText()).read(reader(stream, "a.csv", TableOptions(**options))))
    assert all(chunk.is_record and chunk.starts_document for chunk in chunks)
    return [(chunk.source, chunk.text) if chunk.source else chunk.text for chunk in chunks], notes


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_quoted_cells_are_read_whole_whatever_separates_them(sign, end):
    rows, (noted,) = read(table(CELLS, sign, end, header=["name", "pgn"]), beside="source")
    assert rows == CELLS
    assert "'name', 'pgn'" in noted
    assert ("separated by" in noted) == (sign != "\t")


def test_columns_are_named_by_header_or_number():
    text = table([(str(n), *row) for n, row in enumerate(CELLS)], header=["id", "name", "text"])
    for field, source in (("text", "name"), ("3", "2"), (None, "name")):
        assert read(text, field=field, source_field=source, beside="label")[0] == CELLS
    assert read(text, field="name")[0] == [name for name, _ in CELLS]
    assert read(text)[0] == [moves for _, moves in CELLS]  # a column that is called so is the text


def test_the_labels_of_two_columns_are_those_that_recur():
    rows = [(f"review, {n}", "good" if n % 2 else "bad") for n in range(20)]
    expected = [(label, text) for text, label in rows]
    assert read(table(rows, header=["review", "sentiment"]), beside="label")[0] == expected
    assert read(table(expected), beside="label")[0] == expected


REVIEWS = [(f"review {n}", "good" if n % 2 else "bad") for n in range(20)]
SWAPPED = [(label, text) for text, label in REVIEWS]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (table(REVIEWS), table(REVIEWS[:2])),
        (table(REVIEWS, header=["text", "label"]), table(REVIEWS[:2])),
        (table(SWAPPED, header=["mood", "review"]), table(REVIEWS[:2], header=["review", "mood"])),
    ],
    ids=["by its place", "by the usual names", "by the name in the first header"],
)
def test_the_column_of_the_labels_is_that_of_the_first_table_of_a_text(first, then):
    whole = WholeText()
    assert read(first, whole=whole, beside="label")[0] == SWAPPED
    assert read(then, whole=whole, beside="label")[0] == SWAPPED[:2]


def test_labels_in_another_column_than_those_before_are_refused():
    whole = WholeText()
    read(table(SWAPPED), whole=whole, beside="label")
    with pytest.raises(
        CorpusError, match=r"column 2, and in a\.csv they are in column 1; name .*`label_field`"
    ):
        read(table(REVIEWS), whole=whole, beside="label")
    assert read(table(REVIEWS), whole=whole, beside="label", field="1", source_field="2")[0] == SWAPPED


@pytest.mark.parametrize("rows", [REVIEWS[:2], SWAPPED[:2]])
def test_labels_that_are_known_are_recognised(rows):
    whole = WholeText(LabelColumn(frozenset({"good", "bad", "so so"})))
    assert read(table(rows), whole=whole, beside="label")[0] == SWAPPED[:2]


def test_a_single_column_is_the_text():
    assert read("name\nEva\n\nTom\n") == (
        ["Eva", "Tom"],
        ["a.csv: the first row is a header ('name'), and no example; --no-header makes one of it"],
    )
    assert read("name\nEva\n", header=False)[0] == ["name", "Eva"]
    assert read("Eva\nTom\n", header=True)[0] == ["Tom"]


def test_quotes_that_quote_nothing_are_text():
    text = 'Hi.\tHallo.\n"Hello," he said.\t"Hallo", sagte er.\n"All of it."\t"Alles."\n'
    rows, (noted,) = read(text, read_tsv, beside="source")
    assert rows == [tuple(line.split("\t")) for line in text.splitlines()]
    assert "quotes are text" in noted
    assert "line 2" in noted


def test_a_plain_table_is_its_lines_and_nothing_is_noted():
    text = "".join(f"one {n}\tthe {n} other\u2028\x0b\r\n" for n in range(2000))
    rows, notes = read(text, read_tsv, beside="source")
    assert rows == [tuple(line.split("\t")) for line in text.split("\r\n")[:-1]]
    assert not notes


RAGGED = "a,b,c\n" * 501 + "a,b\n" * 600
"""None of the rows that are looked at is as wide as most."""


@pytest.mark.parametrize(
    ("text", "options", "complaint"),
    [
        ("a,b,c\n" * 3, {}, r"has 3 columns \(1 'a', 2 'b', 3 'c'\); name that of the text with `field`"),
        ("a,b,c\n" * 3, {"beside": "label"}, "`label_field` and `field`"),
        ("name,text\nx,y\n", {"field": "texts"}, "no column 'texts'; did you mean 'text'"),
        (
            "a,b\n" * 16 + "c,d,e\n" + "f,g\n" * 9,
            {"beside": "source"},
            "line 17 has 3 columns, 25 others have 2",
        ),
        ("a,b\n" * 9 + "c\n", {"field": "2"}, "line 10 has one column, and others 2: column 2 is missing"),
        ("a,b\nc,\n", {"beside": "source"}, "line 2: column 2 is empty; fill it in"),
        ('a,b\n"c, d"x,e\n"f,g\nh",i\n', {"beside": "source"}, "line 2: a quoted cell"),
        ("a\rb\rc\r", {}, r"end in \\r alone .*tr '\\r' '\\n'"),
        ("alone\n", {"beside": "source"}, "has one column"),
        (RAGGED, {}, "line 1 has 3 columns, 600 others have 2; mend the line"),
        (RAGGED, {"field": "2"}, "line 1 has 3 columns, 600 others have 2; mend the line"),
    ],
)
def test_what_is_no_such_table_is_named_with_its_place_and_the_mend(text, options, complaint):
    with pytest.raises(CorpusError, match=rf"^a\.csv.*{complaint}"):
        read(text, **options)


def test_odd_rows_are_noted_where_columns_are_named():
    rows, (noted,) = read("a,b\n" * 9 + "c,d,e\n", field="2")
    assert rows == ["b"] * 9 + ["d"]
    assert "rows that have not 2 columns: 1 (line 10 has 3)" in noted


def test_a_header_that_is_asked_for_is_one_whatever_its_width():
    text = "name,country,\n" + "Eva,Peru\nTom,Mali\n"
    assert read(text, field="country", header=True)[0] == ["Peru", "Mali"]
    assert read(f"country\n{text.partition(chr(10))[2]}", field="2", header=True)[0] == ["Peru", "Mali"]


def test_rows_without_a_text_are_noted():
    rows, notes = read("a,b\nc,\n,\nd,e\n", field="2")
    assert rows == ["b", "e"]
    assert notes[-1] == "a.csv: rows left out, as their text is empty: 1"


def test_a_stream_that_cannot_be_rewound_is_read_too():
    zstandard = pytest.importorskip("zstandard")
    for data in (gzip.compress(b"a\tb\n"), zstandard.compress(b"a\tb\n")):
        stream = decompressed(io.BytesIO(data))
        (chunk,) = read_tsv(stream, "a.tsv", TableOptions(beside="source"))
        assert (chunk.source, chunk.text) == ("a", "b")


# ── headers ────────────────────────────────────────────────────────────────────────────────────────────────

MALES = [("male", f"Tom{n}") for n in range(9)] + [("female", f"Eva{n}") for n in range(9)]
GAMES = [(f"Game {n}: Closed", f"1. e4 e5 {n}. Nf3") for n in range(9)]
PHRASES = [("How are you?", "Comment allez-vous ?"), ("Thank you.", "Merci."), ("Where is it?", "Où ?")]


@pytest.mark.parametrize(
    ("first", "rows", "header"),
    [
        (("name", "pgn"), GAMES, True),
        (("Sex", "Vorname"), MALES, True),
        (("Wort", "Zahl"), [("Hund", "12"), ("Katze", "7"), ("Maus", "1,300")], True),
        (("de", "en"), [("Hund", "dog"), ("Katze", "cat")], True),
        (("name",), [("Eva",), ("Tom",)], True),
        (("female", "Eva"), MALES, False),
        (("Eva",), [("Tom",), ("Ann",)], False),
        (("Hi.", "Salut."), PHRASES, False),
        (("hello", "bonjour"), PHRASES, False),
        (("dog", "chien"), [("cat", "chat"), ("cow", "vache")], False),
        (("name", "text"), [("name", "word"), ("text", "line")], False),
    ],
)
def test_a_header_names_columns_that_hold_something_else(first, rows, header):
    assert is_header(first, rows) is header
