"""Coverage: what is summed, and what it costs to leave out."""

import numpy as np
import pytest

from rnngen.builtins.strategies.beam.hypotheses import Covering, coverage_penalty
from rnngen.errors import UsageError


def test_the_penalty_is_the_sum_of_the_logarithms_of_what_was_missed():
    attended = np.array([[0.5, 1.0, 2.0], [1.0, 1.5, 1.0], [0.25, 0.5, 0.1]], np.float32)
    expected = [np.log(0.5), 0, np.log(0.25) + np.log(0.5) + np.log(0.1)]
    np.testing.assert_allclose(coverage_penalty(attended), expected, rtol=1e-6, atol=1e-12)


def test_padding_need_not_be_covered():
    attended = np.array([[0.5, 0.0, 0.0], [0.5, 0.5, 0.0]], np.float32)
    found = coverage_penalty(attended, np.array([1, 2]))
    np.testing.assert_allclose(found, [np.log(0.5), 2 * np.log(0.5)])


def test_a_token_that_was_never_attended_to_costs_much_but_no_infinity():
    assert -100 < coverage_penalty(np.zeros((1, 1), np.float32))[0] < -80


def test_a_covering_step_is_the_step_and_sums_where_it_looked(attentive):
    network = attentive(4)
    start = network.start(np.array([[0, 1, -1], [2, 1, 0]]))
    covering = Covering(network)
    assert covering.fixed == network.fixed
    plain, state, total = start, covering.begin(start, 2), 0
    for token in (0, 3, 1):
        tokens = np.array([token, 2])
        expected, plain = network(tokens, plain)
        logits, state = covering(tokens, state)
        total = total + network.attended(plain)
        np.testing.assert_array_equal(logits, expected)
        np.testing.assert_array_equal(covering.attended(state), network.attended(plain))
        np.testing.assert_array_equal(state[-1], total)


def test_where_there_is_no_attention_an_error_says_so(toy):
    covering = Covering(toy(4))
    state = covering.begin(toy(4).start(1), 1)
    with pytest.raises(UsageError, match="leave the coverage penalty out"):
        covering(np.array([0]), state)
