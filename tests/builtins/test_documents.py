"""Documents are what stands between separators, however a file is read, and records as they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins import documents
from rnngen.builtins.documents import Documents
from rnngen.builtins.options import DocumentsOptions
from rnngen.contracts import Chunk
from rnngen.errors import UsageError
from rnngen.options import build

SEPARATORS = ["blank", "---", r"\n%\n", r"\n\n", r"\t", "re:^(?=X)", "re:\n-+\n", "re:[%X]", "none"]
SIGNS = st.sampled_from(["\n", "\r\n", "\n\n", "%", "-", "---", "X", " ", "\t", "word", "天", "\u2028"])


def divided(*files, separator="blank", size=None):
    """The documents of some files, each read in chunks of so many characters."""
    task = Documents(build(DocumentsOptions, {"separator": separator}, owner="task"))
    found = []
    for chunk in task.examples(pieces(files, size)):
        if chunk.starts_document:
            found.append("")
        found[-1] += chunk.text
    return found


def pieces(files, size):
    for text in files:
        step = size or max(1, len(text))
        yield from (Chunk(text[at : at + step], at == 0) for at in range(0, len(text), step))


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_blank_lines_divide_and_line_ends_inside_stay(end):
    text = end.join(["", " ", "one", "  two", "", "\t ", "three ", "", "four", "  ", ""])
    assert divided(text) == [f"one{end}  two", "three ", "four"]


@pytest.mark.parametrize(
    ("separator", "text", "found"),
    [
        ("---", "a---b\n---\nc", ["a", "b", "c"]),
        (r"\n%\n", "%\na\n%\n%\nb, 100%\n%", ["a", "b, 100%"]),
        (r"\n%\n", "a\r\n\r\nx\r\n%\r\nb\r\n%\r\n", ["a\r\n\r\nx", "b"]),
        (r"\n\n", "a\n \nb\n\n\nc", ["a\n \nb", "c"]),
        (r"\t", "a\nb\tc", ["a\nb", "c"]),
        ("re:^(?=X:)", "X:1\nabc\n\nX:2\ndef", ["X:1\nabc", "X:2\ndef"]),
        ("re:^\\*{3,}$", "a\n***\nb **** c\n*****\nd", ["a", "b **** c", "d"]),
        ("none", "\na\n\nb\n", ["a\n\nb"]),
    ],
)
def test_a_separator_is_a_text_or_an_expression(separator, text, found):
    assert divided(text, separator=separator) == found
    assert divided(text, separator=separator, size=1) == found


@given(st.lists(SIGNS, max_size=40), st.sampled_from(SEPARATORS), st.integers(1, 9))
def test_documents_are_those_of_the_whole_text_wherever_it_is_cut(signs, separator, size):
    text, longest = "".join(signs), documents.LONGEST
    try:
        whole = divided(text, separator=separator)
    except ValueError:
        return  # its lines end in \r
    documents.LONGEST = 200
    try:
        assert divided(text * 20, separator=separator, size=size) == divided(text * 20, separator=separator)
    finally:
        documents.LONGEST = longest
    assert divided(text, separator=separator, size=size) == whole


@given(st.lists(st.sampled_from(["a", "b\nc", "  d\n e", "%"]), min_size=1), st.sampled_from(SEPARATORS[:4]))
def test_what_is_written_is_divided_again(texts, separator):
    task = Documents(DocumentsOptions(separator))
    written = (task.separator.removeprefix("\n")).join(f"{text}\n" for text in texts)
    assert divided(written, separator=separator) == [text for text in texts if text != separator.strip("\\n")]


def test_no_document_goes_on_in_the_next_file():
    assert divided("a\n\nb", "c\n", "\n", "d") == ["a", "b", "c", "d"]


def test_records_stay_as_they_are_unless_they_are_blank():
    chunks = [Chunk(text, True, is_record=True) for text in ("\n a\n\nb\n", " \n", "c")]
    assert [chunk.text for chunk in Documents(DocumentsOptions()).examples(chunks)] == ["\n a\n\nb\n", "c"]


def test_an_enormous_document_streams_through():
    def endless():
        yield Chunk("x", True)
        for _ in range(1000):
            yield Chunk(" word\n" * 1000, False)
        raise AssertionError("all of it was read")

    given_back = Documents(DocumentsOptions()).examples(endless())
    assert sum(len(next(given_back).text) for _ in range(100)) > 1_000_000


def test_lines_that_end_in_carriage_returns_are_named():
    with pytest.raises(ValueError, match=r"end in \\r alone \(3 times.*tr '\\r' '\\n'"):
        divided("a\rb\r\rc")


@pytest.mark.parametrize(
    ("separator", "complaint"), [("", "some text"), ("re:", "some text"), ("re:(", "no regular expression")]
)
def test_a_separator_that_is_none_is_refused(separator, complaint):
    with pytest.raises(UsageError, match=complaint):
        build(DocumentsOptions, {"separator": separator}, owner="task 'documents'")
