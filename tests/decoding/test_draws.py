"""Draws for many streams at once are those for each alone; random numbers are known by their place."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnngen.decoding.draws import UniformDraws, draw, draw_rows, surprisal
from rnngen.errors import RnngenError

rows = arrays(np.float32, (3, 7), elements=st.one_of(st.floats(-90, 90, width=32), st.just(-np.inf)))


@given(logits=rows, chance=st.one_of(st.just(np.nextafter(1, 0)), st.floats(0, 1, exclude_max=True)))
def test_a_row_is_drawn_as_it_would_be_alone(logits, chance):
    logits[:, 3] = 0  # something is possible
    expected = [draw(row, chance) for row in logits]
    assert draw_rows(logits, np.full(3, chance)).tolist() == expected


NO_CHOICE = [([-np.inf, -np.inf], "filters"), ([0.0, np.nan], "weights"), ([np.inf, 0.0], "weights")]


@pytest.mark.parametrize(("values", "blamed"), NO_CHOICE)
def test_one_row_of_which_nothing_can_be_drawn_is_an_error(values, blamed):
    with pytest.raises(RnngenError, match=f"no token can be drawn: .*{blamed}"):
        draw_rows(np.array([[0.0, 1.0], values], np.float32), np.array([0.5, 0.5]))


def test_surprisal_is_minus_the_log_probability():
    logits = np.array([[0, 1, -np.inf], [700, -700, 700]], np.float32)
    expected = [-np.log(1 / (1 + np.e)), -np.log(0.5)]
    np.testing.assert_allclose(surprisal(logits, np.array([0, 2])), expected)


# ── Random numbers by their place ──────────────────────────────────────────────────────────────────────────

COUNT = 150  # more than two blocks that are computed at once


def numbers(draws, count=COUNT):
    """The numbers from a place on."""
    found = []
    for _ in range(count):
        found.append(draws.number)
        draws = draws.next()
    return found


@pytest.mark.parametrize("before", [0, 1, 7])
def test_numbers_are_those_that_the_generator_gives_one_by_one(before):
    draws, rng = UniformDraws(np.random.default_rng(5)).next(before), np.random.default_rng(5)
    rng.random(before)
    assert numbers(draws) == [rng.random() for _ in range(COUNT)]


def test_a_generator_that_drew_whole_numbers_first_goes_on_from_there():
    rng, same = np.random.default_rng(5), np.random.default_rng(5)
    assert rng.integers(1 << 62) == same.integers(1 << 62)
    assert numbers(UniformDraws(rng)) == [same.random() for _ in range(COUNT)]


def test_the_generator_is_not_advanced_and_what_it_draws_later_changes_nothing():
    rng = np.random.default_rng(5)
    before = rng.bit_generator.state
    draws = UniformDraws(rng)
    expected = numbers(draws)
    assert rng.bit_generator.state == before
    rng.random(1000)
    assert numbers(draws) == expected


def test_a_number_stays_what_it_is_however_often_it_is_asked_for():
    draws = UniformDraws(np.random.default_rng(5))
    assert draws.number == draws.number == np.random.default_rng(5).random()


def test_forks_are_independent_and_take_turns_in_any_order():
    origin = UniformDraws(np.random.default_rng(5))
    expected = numbers(origin, 3 * COUNT)
    one, other = origin.next(3), origin.next(200)  # of different blocks, so each displaces the other's
    for place in range(COUNT):
        assert (one.number, other.number) == (expected[3 + place], expected[200 + place])
        one, other = one.next(), other.next()


def test_going_back_gives_the_same_numbers_again():
    origin = UniformDraws(np.random.default_rng(5))
    places = [origin.next(count) for count in range(COUNT)]
    forwards = [place.number for place in places]
    assert [place.number for place in reversed(places)] == forwards[::-1]
    assert numbers(origin) == forwards


@pytest.mark.parametrize("place", [0, 1, 63, 64, 100])
def test_restored_from_its_state_it_goes_on_with_the_same_numbers(place):
    draws = UniformDraws(np.random.default_rng([5, 9])).next(place)
    state = json.loads(json.dumps(draws.state))
    assert numbers(UniformDraws.restore(state)) == numbers(draws)
    assert UniformDraws.restore(state).state == draws.state
    assert draws.generator().random(9).tolist() == numbers(draws, 9)


@pytest.mark.parametrize(
    "state", [None, {}, {"bit_generator": "MT19937"}, {"bit_generator": "PCG64", "state": {"state": "x"}}]
)
def test_what_is_no_state_of_such_a_generator_is_refused(state):
    with pytest.raises((KeyError, TypeError, ValueError)):
        UniformDraws.restore(state)
