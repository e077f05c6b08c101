"""chrF is sacreBLEU's, whatever the script; the text of least risk is that which the others are most like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

from rnngen.builtins.strategies.selection import chrf, utilities

TEXTS = [
    "The cat sat on the mat.",
    "The  cat\tsits on a mat!\n",
    "猫坐在垫子上。",
    "一只猫坐在垫子上面。",
    "Кот сидел на коврике.",
    "Кошка сидит на ковре",
    "القطة جلست على الحصيرة",
    "القط يجلس على حصيرة",
    "बिल्ली चटाई पर बैठी थी।",
    "बिल्ली चटाई पर है",
    "มานั่งบนเสื่อ",
    "e\u0301té 😀😀👩‍👩‍👧",
    "été 😀👩‍👧",
    "aaaaaaaa",
    "aaa",
    "a",
    "",
    "  ",
]


@pytest.mark.parametrize("hypothesis", TEXTS)
def test_chrf_is_that_of_sacrebleu_in_every_script(hypothesis):
    metric = CHRF()
    for reference in TEXTS:
        expected = metric.sentence_score(hypothesis, [reference]).score
        assert chrf(hypothesis, reference) == pytest.approx(expected, abs=1e-6), reference


@given(st.text("ab c", max_size=12), st.text("ab c", max_size=12))
def test_chrf_is_that_of_sacrebleu_for_short_texts(hypothesis, reference):
    expected = CHRF().sentence_score(hypothesis, [reference]).score
    assert chrf(hypothesis, reference) == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.text("ab", max_size=6), min_size=1, max_size=7))
def test_the_utility_is_the_mean_beside_all_the_others_copies_among_them(texts):
    for number, (text, found) in enumerate(zip(texts, utilities(texts), strict=True)):
        others = texts[:number] + texts[number + 1 :]
        expected = sum(chrf(text, other) for other in others) / len(others) if others else 0
        assert found == pytest.approx(expected)


def test_what_the_others_agree_about_has_the_highest_utility():
    texts = ["zebra", "the cat sat", "the cat sits", "a cat sat", "quite another thing"]
    found = utilities(texts)
    assert texts[found.index(max(found))] == "the cat sat"
    assert utilities(["alone"]) == [0.0]
    assert utilities([]) == []
