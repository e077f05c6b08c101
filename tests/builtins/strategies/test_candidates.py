"""Candidates against a full sort, and chances against a softmax in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins.strategies.beam.candidates import Candidates, NextTokenLogProbs, best
from rnngen.errors import RnngenError
from rnngen.numerics import log_softmax


def by_sorting(logits, added, beams, count):
    """(row, token, key) of the best of each beam, best first, ties by place."""
    rows = len(logits) // beams
    found = []
    for beam in range(beams):
        keys = [
            (-(np.float64(logits[row, token]) + added[row]), row, token)
            for row in range(beam * rows, (beam + 1) * rows)
            for token in range(logits.shape[1])
        ]
        found.append([(row, token, -key) for key, row, token in sorted(keys) if key < np.inf][:count])
    return found


@given(
    seed=st.integers(0, 2**32),
    beams=st.integers(1, 3),
    rows=st.integers(1, 4),
    vocabulary=st.sampled_from([1, 2, 7, 130, 200, 390]),
    count=st.integers(1, 12),
    coarse=st.booleans(),
    offset=st.sampled_from([0.0, -1e-7, 300.0, -4e4]),
    sparse=st.sampled_from([0.0, 0.5, 0.99]),
)
def test_the_best_are_those_of_a_full_sort(*, seed, beams, rows, vocabulary, count, coarse, offset, sparse):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(beams * rows, vocabulary)).astype(np.float32) * 3
    if coarse:
        logits = np.round(logits)
    logits[rng.random(logits.shape) < sparse] = -np.inf
    added = np.round(rng.normal(size=len(logits)), 1 if coarse else 9) + offset
    added[rng.random(len(added)) < 0.2] = -np.inf
    found = best(logits, added, beams, count)
    for beam, expected in enumerate(by_sorting(logits, added, beams, count)):
        there = found.possible[beam]
        assert there.tolist() == [True] * len(expected) + [False] * (count - len(expected))
        shown = [array[beam][there].tolist() for array in (found.rows, found.tokens, found.keys)]
        assert list(zip(*shown, strict=True)) == expected
        assert set(found.rows[beam] // rows) == {beam}


def test_the_first_wanted_keep_their_order_and_the_missing_are_impossible():
    found = Candidates(np.array([[0, 0, 1]]), np.array([[4, 5, 6]]), np.array([[3.0, 2.0, 1.0]]))
    first = found.first(2, np.array([[False, True, True]]))
    assert (first.rows.tolist(), first.tokens.tolist(), first.keys.tolist()) == ([[0, 1]], [[5, 6]], [[2, 1]])
    alone = found.first(2, np.array([[False, False, True]]))
    assert alone.possible.tolist() == [[True, False]]
    assert [array.tolist() for array in alone.filled()] == [[1, 1], [6, 6]]


@given(seed=st.integers(0, 2**32), scale=st.sampled_from([0.1, 3.0, 40.0]), shift=st.floats(-500, 500))
def test_chances_are_those_of_a_softmax_in_float64(seed, scale, shift):
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(3, 300)) * scale + shift).astype(np.float32)
    logits[:, ::7] = -np.inf
    chances, rows = NextTokenLogProbs(logits), np.arange(3)
    exact = log_softmax(logits)
    for token in (exact[0].argmax(), 0, 8):
        np.testing.assert_allclose(
            chances.of(rows, np.full(3, token)), exact[:, token], rtol=2e-6, atol=1e-12
        )
    np.testing.assert_allclose(
        chances.added(np.zeros((1, 3)))[:, None] + logits, exact, rtol=2e-6, atol=1e-12
    )


def test_a_certain_token_has_a_log_probability_of_zero_and_none_has_more():
    logits = np.array([[-np.inf, 3.0, -np.inf], [5.0, -40.0, -40.0]], np.float32)
    chances = NextTokenLogProbs(logits)
    assert chances.of(np.array([0]), np.array([1])) == 0
    assert -1e-17 < chances.of(np.array([1]), np.array([0])) <= 0


def test_where_nothing_is_possible_nothing_is_chosen():
    chances = NextTokenLogProbs(np.array([[-np.inf, -np.inf], [0, -np.inf]], np.float32))
    assert chances.possible.tolist() == [False, True]
    assert chances.added(np.array([-1.0, -2.0])).tolist() == [-np.inf, -2.0]


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_logits_that_are_no_numbers_are_an_error(wrong):
    with pytest.raises(RnngenError, match="no token can be chosen"):
        NextTokenLogProbs(np.array([[0.0, 1.0], [wrong, -np.inf]], np.float32))
