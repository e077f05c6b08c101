"""Accuracy, F1 and confusion of labels."""

import pytest

from rnngen.contracts import Chunk
from rnngen.evaluation import classification
from rnngen.evaluation.classification import LabelScores, score_labels

SCORES = LabelScores({"a": {"a": 6, "b": 2}, "b": {"b": 1, "a": 1}, "c": {"a": 2}})


def test_measures_of_a_confusion_table():
    assert SCORES.texts == 12
    assert SCORES.accuracy == pytest.approx(100 * 7 / 12)
    assert SCORES.majority == pytest.approx(100 * 8 / 12)
    assert (SCORES.recall("a"), SCORES.precision("a")) == pytest.approx((75, 100 * 6 / 9))
    assert (SCORES.precision("c"), SCORES.f1("c")) == (0, 0)
    f1 = [100 * 2 * 6 / (8 + 9), 100 * 2 * 1 / (2 + 3), 0]
    assert SCORES.macro_f1 == pytest.approx(sum(f1) / 3)
    assert SCORES.as_json()["confusion"] == SCORES.confusion


@pytest.mark.parametrize("pool", [1, 2, 4096])
def test_examples_are_compared_whole(monkeypatch, pool):
    monkeypatch.setattr(classification, "POOL", pool)
    monkeypatch.setattr(
        classification, "classify", lambda _, texts: ([("a" if "x" in one else "b", 1.0)] for one in texts)
    )
    chunks = [Chunk("a\tx\ty", True), Chunk("b\t", True), Chunk("yx", False), Chunk("new\tz", True)]
    found = score_labels(None, chunks)
    assert found.confusion == {"a": {"a": 1}, "b": {"a": 1}, "new": {"b": 1}}
