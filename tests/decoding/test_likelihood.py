"""Texts read side by side are as probable as each read alone."""

import numpy as np
import pytest

from rnngen.contracts import GenerationState
from rnngen.decoding.likelihood import log_probabilities, weigh
from rnngen.numerics import log_softmax

V, END = 5, 4


class Toy:
    """A network whose state is the sum of all tokens."""

    fixed = 0

    def __call__(self, tokens, state):
        total = state[0] + tokens
        return np.cos(np.outer(total, np.arange(1, V + 1))).astype(np.float32), (total,)

    def attended(self, state):
        return None


def begun(count):
    logits, state = Toy()(np.ones(count, np.int64), (np.zeros(count, np.int64),))
    return GenerationState(((1,),) * count, state, logits)


def alone(text):
    given = begun(1)
    logits, state = given.logits, given.state
    total = 0.0
    for token in text:
        total += log_softmax(logits)[0, token]
        logits, state = Toy()(np.array([token]), state)
    return total


TEXTS = [[1, 2, 3, END], [], [0], [3, 3, 3, 3, 3, 1], [END], [2, 1]]


def test_texts_of_any_length_are_judged_as_each_alone():
    found = log_probabilities(Toy(), begun(len(TEXTS)), TEXTS)
    assert found == pytest.approx([alone(text) for text in TEXTS], rel=1e-12)


def test_the_score_is_the_mean_and_the_end_counts_as_a_token():
    found = weigh(Toy(), begun(len(TEXTS)), TEXTS, END)
    assert [one.tokens for one in found] == [(1, 2, 3), (), (0,), (3, 3, 3, 3, 3, 1), (), (2, 1)]
    assert [one.score for one in found] == pytest.approx(
        [alone(text) / max(len(text), 1) for text in TEXTS], rel=1e-12
    )
    assert found[4].score == pytest.approx(alone([END]))


def test_no_texts_are_no_work():
    assert log_probabilities(Toy(), begun(0), []).shape == (0,)
