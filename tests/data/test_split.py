"""A text is split by the rule that suits it, near the share asked for, and nothing is lost."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.contracts import Chunk, TaskSpec
from rnngen.data.split import recorded_split, split
from rnngen.data.survey import survey
from rnngen.errors import CorpusError
from rnngen.store.config import CorpusRecord

RECORD = CorpusRecord(("corpus.txt",), "f" * 64, 0, 0, 0.1, own_vocabulary=True)


def chunks(texts, size=1000):
    """Texts, or pairs of a source and a text, in pieces."""
    both = [text if isinstance(text, tuple) else ("", text) for text in texts]
    return [
        Chunk(text[at : at + size], at == 0, source if at == 0 else "")
        for source, text in both
        for at in range(0, len(text), size)
    ]


def joined(found):
    whole = []
    for text, starts_document, source, *_ in found:
        if starts_document:
            whole.append([source, ""])
        whole[-1][1] += text
    return [(source, text) if source else text for source, text in whole]


def sides(texts, fraction=0.1, size=1000, **kind):
    """The rule, and the examples of both sides."""
    divided = split(survey(chunks(texts, size), **kind), fraction)
    train, val = divided.train(chunks(texts, size)), divided.validation(chunks(texts, size))
    return divided.rule, joined(train), joined(val)


def lines(texts, fraction=0.1, size=1000):
    return sides(texts, fraction, size, has_eos=True)


def pairs(texts, fraction=0.1):
    return sides(texts, fraction, has_eos=True, has_source=True)


TEXTS = st.lists(st.text(alphabet="abcd\n", min_size=1, max_size=12), min_size=1, max_size=6)
FRACTION = st.floats(0.01, 0.99)

# ── the survey ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_survey_counts_characters_ends_and_duplicates():
    measured = survey(chunks(["abc", "de\n", "abc"], 2))
    assert (measured.chars, measured.examples, measured.newline) == (9, 3, True)
    assert (measured.duplicates, measured.lengths.tolist()) == (1, [3, 3, 3])
    measured = survey(chunks(["abc", "de"], 2), has_eos=True)
    assert (measured.chars, measured.examples, measured.newline) == (7, 2, False)
    measured = survey(chunks([("x", "abc"), ("y", "abc"), ("y", "abc")]), has_eos=True, has_source=True)
    assert (measured.duplicates, len(np.unique(measured.sources))) == (1, 2)


def test_a_survey_lists_labels():
    measured = survey(chunks(["b\tx", "a\ty\tz", "b\tw"], 2), has_eos=True, has_labels=True)
    assert measured.labels == ("a", "b")


@pytest.mark.parametrize("has_eos", [False, True])
def test_an_empty_corpus_is_an_error(has_eos):
    with pytest.raises(CorpusError, match="the corpus is empty: "):
        survey([], has_eos=has_eos)


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("text", "line_end", "told"),
    [
        ("a\nb\n", "\n", ""),
        ("a\r\nb\r\n", "\r\n", "2 of 2 line ends are CRLF"),
        ("a\r\nb\r\nc\n", "\r\n", "2 of 3 line ends are CRLF (\\r\\n), the others LF"),
        ("a\rb\rc\r", "", "3 carriage returns (\\r), more than"),
        ("no end", "", ""),
    ],
)
def test_line_ends_of_other_systems_are_noted(text, size, line_end, told):
    measured = survey(chunks([text], size))
    assert measured.line_end == line_end
    assert told in "".join(measured.oddities)
    assert bool(told) == bool(measured.oddities)


@pytest.mark.parametrize(
    ("order", "told"),
    [(sorted, "alphabetical order"), (lambda words: sorted(words, key=len), "order of their length")],
)
def test_sorted_lines_in_free_text_are_noted(order, told):
    words = [f"{chr(97 + k * 7 % 26)}{'abcdefghij'[: k % 9]}{k}" for k in range(400)]
    text = "\n".join(order(words)) + "\n"
    assert told in "".join(survey(chunks([text], 50)).oddities)
    assert "--task lines" in "".join(survey(chunks([text], 50)).oddities)
    assert not survey(chunks(["\n".join(words)])).oddities
    assert not survey(chunks(order(words)), has_eos=True).oddities


def test_lines_of_two_columns_in_free_text_are_noted():
    pairs = "".join(f"{k} apples\t{k} pommes\n" for k in range(40))
    assert "40 of 40 lines are two columns" in "".join(survey(chunks([pairs])).oddities)
    assert "--task pairs" in "".join(survey(chunks([pairs])).oddities)
    assert not survey([Chunk("pommes", True, "apples")] * 40, has_eos=True, has_source=True).oddities
    assert not survey(chunks(["\tindented\n" * 40])).oddities


# ── free text ──────────────────────────────────────────────────────────────────────────────────────────────


@given(st.text(alphabet="abcd\n", min_size=1, max_size=60), st.integers(1, 5), FRACTION)
def test_one_document_is_cut_at_the_character(text, size, fraction):
    _, before, after = sides([text], fraction, size)
    before, after = "".join(before), "".join(after)
    assert before + after == text
    assert len(before) == int(len(text) * (1 - fraction))


@given(TEXTS, st.integers(1, 5), st.floats(0.01, 0.3))
def test_of_every_document_the_end_is_held_out(texts, size, fraction):
    texts = [text * 300 for text in texts]
    rule, before, after = sides(texts, fraction, size * 100)
    assert rule == "place"
    assert [a + b for a, b in zip(before, after, strict=True)] == texts
    assert [len(part) for part in before] == [int(len(text) * (1 - fraction)) for text in texts]


def test_many_documents_are_held_out_whole_and_of_a_large_one_the_end():
    small = [f"document {k} " * (5 + k % 7) for k in range(300)]
    novel = "the whale " * 10_000
    rule, before, after = sides([*small, novel])
    assert rule == "documents"
    assert novel[90_000:] in after
    assert novel[:90_000] in before
    held = [text for text in after if text in small]
    assert len(held) == len(after) - 1
    assert sorted([*held, *(text for text in before if text in small)]) == sorted(small)
    assert sum(map(len, held)) == pytest.approx(0.1 * sum(map(len, small)), rel=0.1)


def test_validation_opens_a_document_where_it_begins():
    divided = split(survey(chunks(["abcdef", "gh"], 2)), 0.5)
    found = list(divided.validation(chunks(["abcdef", "gh"], 2)))
    assert found == [Chunk("d", True), Chunk("ef", False), Chunk("h", True)]


def test_training_reads_no_further_than_its_part():
    divided = split(survey(chunks(["abcdef"], 3)), 0.5)

    def text():
        yield Chunk("abc", True)
        yield Chunk("def", False)
        raise AssertionError("read too far")

    assert joined(divided.train(text())) == ["abc"]


# ── examples that end ──────────────────────────────────────────────────────────────────────────────────────


@given(TEXTS, st.integers(1, 5), FRACTION)
def test_examples_that_end_stay_whole_and_each_side_gets_one(texts, size, fraction):
    _, before, after = lines(texts, fraction, size)
    assert Counter(before + after) == Counter(texts)
    if len(texts) > 1:
        assert before
        assert after


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("texts", [["a", "b" * 1000], ["a" * 1000, "b"]])
def test_of_two_examples_a_small_share_holds_out_the_shorter(texts, fraction):
    _, before, after = lines(texts, fraction)
    assert len(before) == len(after) == 1
    if fraction < 0.5:
        assert len(after[0]) == 1


def test_a_sorted_list_is_held_out_from_all_over_and_copies_together():
    names = [f"{chr(97 + k // 40)}{'aeiou'[k % 5]}{k:03}" for k in range(1040)]
    names = sorted(names + names[::3])
    rule, before, after = lines(names)
    assert rule == "examples"
    assert not {*before} & {*after}
    assert len(after) == pytest.approx(0.1 * len(names), rel=0.02)
    assert len({name[0] for name in after}) > 20


def test_a_line_that_is_very_frequent_or_very_long_stays_in_training():
    texts = ["yes"] * 400 + ["x" * 50_000] + [f"line {k}" for k in range(600)]
    _, before, after = lines(texts)
    assert before.count("yes") == 400
    assert "x" * 50_000 in before
    assert len(after) == pytest.approx(100, abs=2)


@pytest.mark.parametrize("texts", [["one line"] * 200, [f"line {k % 3}" for k in range(300)] + ["once"]])
def test_where_nearly_all_are_copies_of_a_few_they_are_divided(texts):
    rule, before, after = lines(texts)
    assert rule == "copies"
    assert len(after) == pytest.approx(0.1 * len(texts), abs=1)
    assert {*texts[:3]} <= {*before}


@given(st.permutations(range(40)))
def test_the_order_of_examples_decides_nothing(order):
    texts = [f"line {k % 35}" for k in range(40)]
    assert sorted(lines([texts[k] for k in order])[2]) == sorted(lines(texts)[2])


@pytest.mark.parametrize("fraction", [0.02, 0.1, 0.5, 0.9])
def test_the_share_is_near_whatever_the_distribution(fraction):
    counts = [max(1, round(400 / (k + 1))) for k in range(1500)]
    texts = [f"word {k}" for k, count in enumerate(counts) for _ in range(count)]
    _, _, after = lines(texts, fraction)
    assert len(after) / len(texts) == pytest.approx(fraction, rel=0.05)


# ── sources and labels ─────────────────────────────────────────────────────────────────────────────────────


def test_no_source_of_many_is_on_both_sides():
    texts = [(f"source {k % 700}", f"text {k}") for k in range(2000)]
    rule, before, after = pairs(texts)
    assert rule == "sources"
    assert not {source for source, _ in before} & {source for source, _ in after}
    assert len(after) == pytest.approx(200, abs=3)


def test_two_sources_are_on_both_sides_and_the_same_pair_on_one():
    texts = [(sex, f"{sex[0]}{k % 250}") for k in range(300) for sex in ("female", "male")]
    rule, before, after = pairs(texts)
    assert rule == "pairs"
    assert {source for source, _ in after} == {"female", "male"}
    assert not {*before} & {*after}
    assert len(after) == pytest.approx(60, abs=2)


def test_eighteen_unequal_sources_all_stay_in_training():
    sizes = [9000 // (rank + 1) for rank in range(17)] + [1]
    texts = [(f"country {k}", f"name {k} {n}") for k, size in enumerate(sizes) for n in range(size)]
    _, before, after = pairs(texts)
    assert {source for source, _ in before} == {f"country {k}" for k in range(18)}
    assert len(after) == pytest.approx(0.1 * len(texts), rel=0.02)


def test_with_a_source_that_is_large_pairs_are_held_out_one_by_one():
    texts = [("hello", f"answer {k}") for k in range(500)] + [(f"q{k}", f"a{k}") for k in range(2000)]
    rule, before, after = pairs(texts)
    assert rule == "pairs"
    assert sum(source == "hello" for source, _ in after) == pytest.approx(50, abs=25)
    assert len(before) + len(after) == 2500


def test_nine_pairs_leave_one_to_validate_on():
    _, before, after = pairs([(f"s{k}", f"t{k}") for k in range(9)])
    assert (len(before), len(after)) == (8, 1)


def test_a_task_may_say_how_it_is_split():
    texts = [(f"source {n % 5}", f"text {n}") for n in range(60)]
    made = survey(chunks(texts), has_eos=True, has_source=True)
    assert split(made, 0.1).rule == "pairs"
    by_source = split(made, 0.2, by="source")
    train, val = (joined(side(chunks(texts))) for side in (by_source.train, by_source.validation))
    assert by_source.rule == "sources"
    assert not {source for source, _ in train} & {source for source, _ in val}
    many = survey(chunks([(f"s {n}", f"text {n}") for n in range(300)]), has_eos=True, has_source=True)
    assert split(many, 0.1).rule == "sources"
    assert split(many, 0.1, by="example").rule == "pairs"
    with pytest.raises(ValueError, match="for tasks whose examples have one"):
        TaskSpec(name="x", summary="", load="", split="source")


def test_every_label_keeps_an_example_in_training():
    texts = [f"rare {k}\tonly one" for k in range(40)] + [f"often\tname {k}" for k in range(1000)]
    _, before, after = sides(texts, has_eos=True, has_labels=True)
    assert {text.partition("\t")[0] for text in before} == {text.partition("\t")[0] for text in texts}
    assert len(after) == pytest.approx(104, abs=12)


def test_a_source_that_holds_half_a_surrogate_pair_is_decided_too():
    assert pairs([("\ud800", "a"), ("b", "c")])[0] == "sources"


# ── the record ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("has_source", [False, True])
@pytest.mark.parametrize("has_eos", [False, True])
def test_a_recorded_split_is_found_again(has_eos, has_source):
    texts = [(f"s{k % 300}", f"text {k % 380}") if has_source else f"text {k % 380}" for k in range(400)]
    measured = survey(chunks(texts), has_eos=has_eos, has_source=has_source)
    divided = split(measured, 0.2)
    record = replace(RECORD, split=divided.rule, threshold=divided.threshold, val_fraction=0.2)
    again = recorded_split(measured, record)
    assert again.rule == divided.rule
    assert (again.kept == divided.kept).all()


def test_a_text_with_a_validation_file_is_all_to_train_on():
    divided = split(survey(chunks(["ab", "cd"])), 0.1, has_val=True)
    assert joined(divided.train(chunks(["ab", "cd"]))) == ["ab", "cd"]


def earlier(texts, cut, fraction=0.1, **kind):
    """The validation text of a model of version 0.2."""
    record = replace(RECORD, cut=cut, val_fraction=fraction)
    divided = recorded_split(survey(chunks(texts, 3), **kind), record)
    found = joined(divided.train(chunks(texts, 3))), joined(divided.validation(chunks(texts, 3)))
    assert divided.rule == ""
    return found


def test_free_text_of_an_earlier_version_is_cut_once():
    assert earlier(["abcdef", "ghij"], cut=8) == (["abcdef", "gh"], ["ij"])
    assert earlier(["abcdef", "ghij"], cut=6) == (["abcdef"], ["ghij"])


def test_lines_of_an_earlier_version_are_held_out_by_place():
    assert earlier(["aaaa", "bbbb", "cccc"], cut=7, has_eos=True) == (["aaaa", "bbbb"], ["cccc"])


def test_pairs_of_an_earlier_version_are_held_out_by_the_hash_of_the_source():
    texts = [(f"source {k}", "t") for k in range(40)]
    _, after = earlier(texts, cut=0, has_eos=True, has_source=True)
    assert [source for source, _ in after] == [f"source {k}" for k in (5, 6, 7, 13, 36)]
