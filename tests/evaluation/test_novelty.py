"""The copy figures: what of a text stands in another one."""

import pytest

from rnngen.evaluation.novelty import copied_stretches, novelty

TRAINING = "the rain in Spain\nfalls mainly\non the plain"


def test_stretches_are_the_longest_that_stand_in_the_training_text():
    found = copied_stretches("the rain falls mainly in vain", TRAINING)
    assert found == ["the rain ", "falls mainly", " in ", "", "ain"]


@pytest.mark.parametrize("text", ["", "xyz", TRAINING, TRAINING[5:20], "the rain in Spain falls"])
def test_stretches_are_found_however_long_they_are(text):
    stretches = copied_stretches(text, TRAINING)
    assert all(one in TRAINING for one in stretches)
    if text in TRAINING and text:
        assert stretches == [text]


def test_examples_are_counted_whole_and_repeats_once_each():
    texts = ["falls mainly", "falls mainly", "new", "on the plain"]
    found = novelty(texts, TRAINING, set(TRAINING.split("\n")), has_eos=True)
    assert (found.generated, found.copied, found.repeated) == (4, 0.75, 0.25)
    assert found.longest == "falls mainly"
    assert str(found).startswith("75% of 4 generated examples stand in the training text, 25% repeat another")


def test_free_text_is_measured_in_long_stretches():
    training = "once upon a time there was a king who had three daughters, and the youngest was"
    found = novelty([training[:60] + "#" + training[:20]], training, set(), has_eos=False)
    assert found.generated == 81
    assert found.copied == pytest.approx(60 / 81)
    assert found.longest == training[:60]
