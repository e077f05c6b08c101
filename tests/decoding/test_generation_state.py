"""Where texts begin: read up to the last token, and interpolated."""

import numpy as np
import pytest

from rnngen.decoding.generation_state import Moment, blend, read_out, read_up
from rnngen.decoding.sampler import feed
from rnngen.errors import UsageError


def test_reading_up_and_out_is_feeding(toy):
    step = toy(6)
    moment = read_up(step, step.start(1), [1, 4, 2])
    assert (step.steps, moment.history, moment.logits) == (2, (1, 4, 2), None)
    read = read_out(step, moment)
    logits, state = feed(step, step.start(1), [1, 4, 2])
    np.testing.assert_array_equal(read.logits, logits)
    np.testing.assert_array_equal(read.state[0], state[0])
    assert read_out(step, read) is read


def test_a_blend_at_its_ends_is_the_one_or_the_other_to_the_bit(toy):
    step = toy(6)
    one, other = (read_up(step, step.start(1), prompt) for prompt in ([1, 2], [3, 4, 5]))
    for weight, expected in ((0.0, one), (1.0, other)):
        found, read = blend(step, one, other, weight), read_out(step, expected)
        np.testing.assert_array_equal(found.logits, read.logits)
        np.testing.assert_array_equal(found.state[0], read.state[0])


def test_between_the_ends_the_logits_are_those_that_the_state_makes(toy):
    step = toy(6)
    one, other = (read_up(step, step.start(1), prompt) for prompt in ([1, 2], [3, 4, 5]))
    found = blend(step, one, other, 0.3)
    a, b = (read_out(step, each).state[0] for each in (one, other))
    np.testing.assert_allclose(found.state[0], 0.7 * a + 0.3 * b, rtol=1e-6)
    np.testing.assert_allclose(found.logits, found.state[0] @ step.outputs, rtol=1e-4, atol=1e-5)
    assert found.history == (1, 2)


def test_states_that_grow_cannot_be_blended_at_different_ages():
    logits = np.zeros((1, 3), np.float32)
    short, long = (Moment((0,), (np.zeros((1, age, 2), np.float32),), logits) for age in (2, 3))
    with pytest.raises(UsageError, match="grows with the text"):
        blend(None, short, long, 0.5)


def test_whole_numbers_in_a_state_stay_those_of_the_first():
    logits = np.zeros((1, 3), np.float32)
    one, other = (Moment((0,), (np.array([count]),), logits) for count in (4, 9))
    assert blend(None, one, other, 1.0).state[0] == 4
