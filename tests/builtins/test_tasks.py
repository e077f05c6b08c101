"""The tasks cut text into examples, however it was read; the conformance suite says so when one does not."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rnngen.builtins import rnngen_tasks
from rnngen.builtins.tasks import Continue, Labelled, Lines
from rnngen.contracts import Chunk, TaskSpec
from rnngen.options import NoOptions
from rnngen.testing.tasks import check_task


def joined(chunks):
    found = []
    for text, starts_document, *_ in chunks:
        if starts_document:
            found.append("")
        found[-1] += text
    return found


def lines(*documents):
    return joined(Lines(NoOptions()).examples(Chunk(text, True) for text in documents))


@pytest.mark.parametrize("spec", rnngen_tasks(), ids=lambda spec: spec.name)
def test_built_in_tasks_conform(spec):
    check_task(spec)


def test_continue_keeps_documents_whole():
    chunks = [Chunk("a\n", True), Chunk("", True), Chunk("b", False), Chunk("", False), Chunk("c", True)]
    assert list(Continue(NoOptions()).examples(chunks)) == [
        Chunk("a\n", True),
        Chunk("b", True),
        Chunk("c", True),
    ]


@given(st.text(alphabet="ab \t\r\n\x0b\u2028", max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_lines_are_those_of_the_whole_text_wherever_it_is_cut(text, cuts):
    borders = [0, *sorted(cut for cut in cuts if cut <= len(text)), len(text)]
    pieces = [text[a:b] for a, b in pairwise(borders)]
    chunks = [Chunk(piece, number == 0) for number, piece in enumerate(pieces)]
    assume(text.count("\r") <= 10 * text.count("\n") + 1)  # else it is refused
    *ended, last = text.split("\n")
    expected = [line.removesuffix("\r") for line in ended] + [last]
    assert joined(Lines(NoOptions()).examples(chunks)) == [line for line in expected if line.strip()]


def test_only_the_line_feed_cuts_lines():
    assert lines("a\x0bb\x0cc\x85d\u2028e\rf\ng") == ["a\x0bb\x0cc\x85d\u2028e\rf", "g"]


def test_a_line_does_not_go_on_in_the_next_document():
    assert lines("a\nb", "c\n", "d") == ["a", "b", "c", "d"]


def test_an_enormous_line_streams_through():
    read = 0

    def endless():
        nonlocal read
        yield Chunk("  x", True)
        while True:
            read += 1
            yield Chunk("y" * 1000, False)

    given_back = Lines(NoOptions()).examples(endless())
    assert [next(given_back).text[-3:] for _ in range(50)] == ["  x"] + ["yyy"] * 49
    assert read <= 50


# ── labels ─────────────────────────────────────────────────────────────────────────────────────────────────


def labelled(*documents):
    return joined(Labelled(NoOptions()).examples(Chunk(text, True) for text in documents))


def test_the_first_tab_divides_a_label_from_its_text():
    assert labelled("male\tTom\r\n\n \nfar female\tEva\tMaria", "x\ty\n") == [
        "male\tTom",
        "far female\tEva\tMaria",
        "x\ty",
    ]


def test_a_label_of_a_reader_stands_before_a_text_of_any_form():
    chunks = [Chunk("two\nlines\tand a tab", True, "verse"), Chunk("b", True, "a")]
    assert joined(Labelled(NoOptions()).examples(chunks)) == ["verse\ttwo\nlines\tand a tab", "a\tb"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("alone", "line 3 has no label: .*`label_field`"),
        ("\tTom", "line 3 has no label before its tab; fill it in"),
        ("male\t \r", "line 3 has no text after its tab; fill it in"),
    ],
)
def test_a_line_without_a_label_or_a_text_is_named(line, complaint):
    with pytest.raises(ValueError, match=complaint):
        labelled(f"a\tb\n\n{line}\nc\td\n")


@pytest.mark.parametrize("label", ["a\tb", "a\nb"])
def test_a_label_that_is_no_line_without_a_tab_is_refused(label):
    with pytest.raises(ValueError, match="holds a tab or a line end"):
        list(Labelled(NoOptions()).examples([Chunk("text", True, label)]))


# ── What the conformance suite refuses ─────────────────────────────────────────────────────────────────────


class Chunkwise(Lines):
    """Takes every chunk for an example."""

    def examples(self, chunks):
        return (Chunk(chunk.text, True) for chunk in chunks)


class Blank(Lines):
    def examples(self, chunks):
        return (Chunk(line, True) for text in joined(chunks) for line in text.split("\n"))


class Hoarder(Lines):
    def examples(self, chunks):
        yield from super().examples(list(chunks))


class Shut(Continue):
    def examples(self, chunks):
        return (Chunk(chunk.text, False) for chunk in chunks)


class Forgetful(Continue):
    def __init__(self, options):
        self.seen = set()

    def examples(self, chunks):
        for text in joined(chunks) if not self.seen else ():
            self.seen.add(text)
            yield Chunk(text, True)


class Untyped(Continue):
    has_eos = "no"


class Unlabelled(Lines):
    """Gives examples without the label of a reader."""


class Silent(Continue):
    def examples(self, chunks):
        return iter(())


@pytest.mark.parametrize(
    ("task", "sentence"),
    [
        (Chunkwise, "read in chunks of 1 characters, example 0 is 'S' instead of"),
        (Blank, "is empty"),
        (Hoarder, "stream them"),
        (Shut, "does not open"),
        (Forgetful, "read in chunks of 1 characters, there are 0 examples instead of"),
        (Untyped, "has_eos should be a bool"),
        (Silent, "no example was found"),
    ],
)
def test_a_broken_task_is_refused_in_a_sentence(task, sentence):
    spec = TaskSpec(name="broken", summary="", load=f"{__name__}:{task.__name__}")
    with pytest.raises(AssertionError, match=sentence):
        check_task(spec)


def test_a_task_that_drops_the_labels_of_readers_is_refused():
    spec = TaskSpec(name="broken", summary="", load=f"{__name__}:Unlabelled", has_labels=True)
    with pytest.raises(AssertionError, match="come out as"):
        check_task(spec)
