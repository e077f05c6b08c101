"""The public numerics: normalised, in float64 where they say so, and safe at the edges."""

import numpy as np
import pytest

from rnngen.numerics import entropy, log_softmax, log_softmax32, sigmoid, softmax

LOGITS = np.array([[1.0, 2.0, -3.0, 0.5], [1e30, -1e30, 0.0, -np.inf], [7.0, 7.0, 7.0, 7.0]], np.float32)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("function", "kind"), [(log_softmax, np.float64), (log_softmax32, np.float32)])
def test_log_probabilities_sum_to_one_and_what_is_impossible_stays_so(function, kind):
    before = LOGITS.copy()
    found = function(LOGITS)
    assert found.dtype == kind
    np.testing.assert_allclose(np.exp(found).sum(axis=-1), 1, rtol=1e-6)
    assert found[1, 3] == -np.inf
    np.testing.assert_array_equal(LOGITS, before)


def test_log_softmax_takes_any_shape():
    cube = np.random.default_rng(0).normal(size=(2, 3, 5)).astype(np.float32)
    np.testing.assert_array_equal(log_softmax(cube)[1, 2], log_softmax(cube[1, 2]))
    np.testing.assert_allclose(softmax(cube), np.exp(log_softmax(cube)))


def test_entropy_is_that_of_equals_and_of_the_certain():
    np.testing.assert_allclose(entropy(log_softmax(LOGITS))[1:, 0], [0, np.log(4)], atol=1e-12)


@pytest.mark.filterwarnings("error")
def test_sigmoid_does_not_overflow_and_stays_in_float32():
    found = sigmoid(np.array([-1e4, -1.0, 0.0, 1.0, 1e4], np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, [0, 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1], rtol=1e-6)
