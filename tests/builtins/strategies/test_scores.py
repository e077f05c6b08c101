"""Scores from their sources, and the bound on what is still to come."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins.strategies.beam.hypotheses import Scores
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.decoding.likelihood import length_penalty


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, -1.0])
def test_each_penalty_is_that_of_its_source(alpha):
    np.testing.assert_allclose(length_penalty([1, 7, 13], alpha), np.array([1.0, 2.0, 3.0]) ** alpha)
    np.testing.assert_allclose(length_penalty([1, 7], alpha, "average"), np.array([1.0, 7.0]) ** alpha)
    np.testing.assert_allclose(length_penalty([1, 7], alpha, "power", 2.0), np.array([1.0, 3.0]) ** alpha)
    np.testing.assert_allclose(length_penalty([1, 7], alpha, "none"), [1, 1])


def test_power_is_average_with_an_offset_of_0_and_gnmt_with_one_of_5():
    lengths = np.arange(1, 40)
    np.testing.assert_allclose(
        length_penalty(lengths, 0.7, "power", 0.0), length_penalty(lengths, 0.7, "average")
    )
    np.testing.assert_allclose(
        length_penalty(lengths, 0.7, "power", 5.0), length_penalty(lengths, 0.7, "gnmt")
    )


def test_an_average_with_alpha_1_is_the_mean_log_probability():
    scores = Scores(BeamOptions(penalty="average", alpha=1.0))
    assert scores.finished(np.array([-6.0, -9.0]), 3).tolist() == [-2, -3]


def test_coverage_is_added_beta_times():
    scores = Scores(BeamOptions(penalty="none", coverage=0.5))
    assert scores.finished(np.array([-6.0]), 3, np.array([-4.0])).tolist() == [-8]


def test_a_stochastic_beam_is_not_normalised():
    assert Scores(BeamOptions(stochastic=True)).finished(np.array([0.7]), 9).tolist() == [0.7]


@given(
    penalty=st.sampled_from(["gnmt", "average", "power", "none"]),
    alpha=st.floats(-3, 3),
    offset=st.floats(0, 10),
    coverage=st.floats(0, 5),
    total=st.floats(-50, 0),
    losses=st.lists(st.floats(0, 3), min_size=1, max_size=12),
    made=st.integers(1, 8),
    covered=st.floats(-30, 0),
)
def test_nothing_that_follows_scores_above_the_bound(
    *, penalty, alpha, offset, coverage, total, losses, made, covered
):
    scores = Scores(BeamOptions(penalty=penalty, alpha=alpha, offset=offset, coverage=coverage))
    (bound,) = scores.attainable(np.array([total]), made, np.array([made + len(losses)]))
    totals = total - np.cumsum(losses)
    for more, after in enumerate(totals, 1):
        (score,) = scores.finished(np.array([after]), made + more, np.array([covered]))
        assert score <= bound + 1e-9 * abs(bound)


def test_the_bound_is_reached_by_what_loses_nothing_more():
    for options, length in ((BeamOptions(), 9), (BeamOptions(alpha=-1.0), 4)):
        scores = Scores(options)
        (bound,) = scores.attainable(np.array([-2.0]), 3, np.array([9]))
        assert bound == pytest.approx(scores.finished(np.array([-2.0]), length)[0])
