"""Draws for many streams at once are those for each alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rnngen.decoding.draws import Chances, draw, draw_rows
from rnngen.errors import RnngenError


class Always:
    """A generator whose random number is known."""

    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


rows = arrays(np.float32, (3, 7), elements=st.one_of(st.floats(-90, 90, width=32), st.just(-np.inf)))


@given(logits=rows, chance=st.one_of(st.just(np.nextafter(1, 0)), st.floats(0, 1, exclude_max=True)))
def test_a_row_is_drawn_as_it_would_be_alone(logits, chance):
    logits[:, 3] = 0  # something is possible
    expected = [draw(row, Always(chance)) for row in logits]
    assert draw_rows(logits, np.full(3, chance)).tolist() == expected


@pytest.mark.parametrize("values", [[-np.inf, -np.inf], [0.0, np.nan], [np.inf, 0.0]])
def test_one_row_of_which_nothing_can_be_drawn_is_an_error(values):
    with pytest.raises(RnngenError, match="no token can be drawn"):
        draw_rows(np.array([[0.0, 1.0], values], np.float32), np.array([0.5, 0.5]))


def test_chances_are_those_that_each_generator_gives_one_by_one():
    chances = Chances([np.random.default_rng(seed) for seed in range(3)])
    found = [chances.next([0, 2]) for _ in range(Chances.AHEAD + 5)]
    for place, seed in enumerate((0, 2)):
        rng = np.random.default_rng(seed)
        assert [row[place] for row in found] == [rng.random() for _ in found]
