"""The book-keeping of a search: the best finished ones, and the way back."""

import numpy as np

from rnngen.builtins.strategies.beam.hypotheses import RECORD, Backpointers, Finished, assembled
from rnngen.contracts import Hypothesis


def records(*rows):
    """Of (score, made, row, token) each, in one beam."""
    table = np.zeros((1, len(rows)), RECORD)
    for place, (score, made, row, token) in enumerate(rows):
        table[0, place] = (score, 2 * score, made, row, token)
    return table


def test_the_best_stay_best_first_and_of_equals_those_found_first():
    finished = Finished(2, 3)
    finished.add(np.array([1]), records((-2, 1, 0, 7), (-np.inf, 1, 0, 8)))
    assert finished.ranked(np.array([0, 1]), 3).tolist() == [-np.inf, -np.inf]
    finished.add(np.array([1]), records((-1, 2, 0, 9), (-2, 2, 0, 10), (-2, 2, 0, 11)))
    assert finished.table["token"][1].tolist() == [9, 7, 10]
    assert [finished.ranked(np.array([1]), rank).tolist() for rank in (1, 2, 3)] == [[-1], [-2], [-2]]
    assert [table["token"].tolist() for table in finished.of_sentences(1)] == [[], [9, 7, 10]]
    assert [table["score"].tolist() for table in finished.of_sentences(2)] == [[-1, -2, -2]]


def trail():
    """Row 0 grows into 5, 6; those into 51, 52, 62; each step is looked at in its own way."""
    made = Backpointers()
    made.add(np.array([0, 0]), np.array([5, 6]))
    made.add(np.array([0, 0, 1]), np.array([1, 2, 2]))
    made.looks = [
        np.full((rows, 2), step + np.arange(rows)[:, None] / 10) for step, rows in enumerate((1, 2, 3))
    ]
    return made


def test_the_trail_leads_back_to_the_beginning():
    ends = records((-1, 3, 2, 9), (-2, 1, 0, 9), (-3, 2, 1, 4))[0]
    texts, looked = trail().back(ends)
    assert texts.tolist() == [[6, 2, 9], [9, 0, 0], [6, 4, 0]]
    np.testing.assert_allclose(looked[..., 0], [[0, 1.1, 2.2], [0, 0, 0], [0, 1.1, 0]], rtol=1e-6)


def test_hypotheses_have_no_end_token_but_its_weights():
    ends = records((-1, 3, 2, 9), (-2, 2, 1, 4))[0]
    ((ended, cut),) = assembled([ends], trail(), 9, [1])
    assert ended == Hypothesis((6, 2), -2.0, -1.0)
    assert cut == Hypothesis((6, 4), -4.0, -2.0)
    assert (ended.attention.shape, cut.attention.shape) == ((3, 1), (2, 1))


def test_no_text_comes_twice():
    ends = records((-1, 2, 0, 4), (-2, 2, 1, 4), (-3, 2, 0, 4))[0]
    (found,) = assembled([ends], trail(), 9, [None])
    assert [(h.tokens, h.score) for h in found] == [((5, 4), -1), ((6, 4), -2)]
