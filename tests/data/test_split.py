"""A text is split where it says, whole examples on one side, and nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.contracts import Chunk
from rnngen.data.split import split_at, survey, train_split, validation_split
from rnngen.errors import CorpusError


def joined(chunks):
    found = []
    for text, starts_document, *_ in chunks:
        if starts_document:
            found.append("")
        found[-1] += text
    return found


def chunks(texts, size=1000):
    return [Chunk(t[at : at + size], at == 0) for t in texts for at in range(0, len(t), size)]


TEXTS = st.lists(st.text(alphabet="abcd\n", min_size=1, max_size=12), min_size=1, max_size=6)
FRACTION = st.floats(0, 0.99)


def split(texts, size, fraction, has_eos):
    cut = split_at(survey(chunks(texts, size), has_eos), fraction)
    return train_split(chunks(texts, size), cut, has_eos), validation_split(chunks(texts, size), cut, has_eos)


def test_a_survey_counts_characters_and_ends():
    measured = survey(chunks(["abc", "de\n"], 2))
    assert (measured.chars, measured.examples, measured.newline) == (6, 2, True)
    measured = survey(chunks(["abc", "de"], 2), has_eos=True)
    assert (measured.chars, measured.examples, measured.newline) == (7, 2, False)


@pytest.mark.parametrize("has_eos", [False, True])
def test_an_empty_corpus_is_an_error(has_eos):
    with pytest.raises(CorpusError, match="the corpus is empty: "):
        survey([], has_eos)


@given(TEXTS, st.integers(1, 5), FRACTION)
def test_free_text_is_cut_at_the_character(texts, size, fraction):
    before, after = split(texts, size, fraction, has_eos=False)
    before, after, whole = "".join(joined(before)), "".join(joined(after)), "".join(texts)
    assert before + after == whole
    assert len(before) == int(len(whole) * (1 - fraction))


@given(TEXTS, st.integers(1, 5), FRACTION)
def test_examples_that_end_stay_whole(texts, size, fraction):
    before, after = split(texts, size, fraction, has_eos=True)
    before, after = joined(before), joined(after)
    assert before + after == texts
    assert before
    if fraction > 0 and len(texts) > 1:
        assert after


@pytest.mark.parametrize("fraction", [1e-9, 0.5, 0.99])
@pytest.mark.parametrize("texts", [["a", "b" * 1000], ["a" * 1000, "b"], ["a", "b"]])
def test_both_parts_get_an_example_however_unequal_they_are(texts, fraction):
    assert [joined(part) for part in split(texts, 7, fraction, has_eos=True)] == [texts[:1], texts[1:]]


def test_an_example_across_the_cut_goes_to_the_head():
    before, after = split(["aaaa", "bbbb", "cccc"], 3, 0.5, has_eos=True)
    assert (joined(before), joined(after)) == (["aaaa", "bbbb"], ["cccc"])


def test_the_tail_opens_a_document_where_it_begins():
    assert list(validation_split(chunks(["abcdef"]), 2, has_eos=False)) == [Chunk("cdef", True)]
    assert [c.starts_document for c in validation_split(chunks(["abcdef", "g"], 2), 3, has_eos=False)] == [
        True,
        False,
        True,
    ]


def test_the_head_reads_no_further_than_the_cut():
    def text():
        yield Chunk("abc", True)
        yield Chunk("def", False)
        raise AssertionError("read too far")

    assert joined(train_split(text(), 3, has_eos=False)) == ["abc"]
