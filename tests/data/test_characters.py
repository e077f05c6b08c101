"""The survey reports characters that no one types, with figures and the mend."""

import unicodedata

import pytest

from rnngen.contracts import Chunk
from rnngen.data.survey import survey

TEXT = "The sea is calm.\n" * 9


def oddities(*texts, source="", **options):
    chunks = (Chunk(text, number == 0, source) for number, text in enumerate(texts))
    return survey(chunks, **options).oddities


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        "a\tb\x0c\r\n",
        "Où est l'été ?",
        "日本\u3000語",
        "각 가",
        "а̀б",
        unicodedata.normalize("NFC", "é"),
    ],
)
def test_common_characters_are_not_reported(text):
    assert not [
        line for line in oddities(text) if "character" in line or "composed" in line or "mark" in line
    ]


@pytest.mark.parametrize(
    ("text", "figure", "mend"),
    [
        (f"{TEXT}\ufeff{TEXT}\ufeff", "2 byte order marks (U+FEFF) within", "sed"),
        ("caf\ufffd", "1 replacement character (U+FFFD)", "convert the original"),
        (
            "It\x92s \x93fine\x94, it\x92s",
            "4 control characters from U+0080 to U+009F (U+0092, ",
            "iconv -f utf-8 -t latin1 FILE | iconv -f cp1252 -t utf-8",
        ),
        ("a\x1b[0mb\x1b[0m\0", "3 control characters (U+001B, U+0000)", "tr -d"),
        (
            "e\u0301te\u0301",
            "2 letters are composed of a letter and a mark (NFD), and no others",
            "--normalize nfc",
        ),
        (
            "e\u0301t\xe9 \xe9",
            "1 letter is composed of a letter and a mark (NFD), 2 others",
            "--normalize nfc",
        ),
    ],
)
def test_odd_characters_are_counted_with_the_mend(text, figure, mend):
    (line,) = oddities(text, TEXT)
    assert line.startswith(figure)
    assert mend in line


def test_another_encoding_is_advised_where_it_was_latin_1_that_read_the_file():
    assert "give --encoding cp1252" in oddities("It\x92s", encodings={"iso8859-1"})[0]
    assert "--encoding" not in oddities("It\x92s", encodings={"utf-8"})[0]


def test_sources_count_too():
    (line,) = oddities("a", source="e\u0301")
    assert line.startswith("1 letter is composed")
