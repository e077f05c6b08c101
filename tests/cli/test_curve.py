"""The curve of losses: in its box at every size, going where the losses go, in bounded memory."""

import math

import pytest

from rnngen.cli.render.frame import draw_curve as draw
from rnngen.cli.render.progress import Series

FALLING = [(step, 4.0 - 2.0 * step / 100) for step in range(101)]


def texts(rows):
    return ["".join(text for text, _ in row) for row in rows]


def columns_of(rows, mark):
    return {at for row in texts(rows) for at, char in enumerate(row) if mark(char)}


def braille(char):
    return 0x2800 < ord(char) <= 0x28FF


@pytest.mark.parametrize("width", [16, 40, 79, 200])
@pytest.mark.parametrize("height", [4, 5, 12])
def test_it_stays_in_its_box(width, height):
    rows = texts(draw(FALLING, [(50, 3.0)], width, height))
    assert len(rows) == height
    assert max(map(len, rows)) <= width


def test_axes_name_the_lowest_and_the_highest_and_the_steps():
    rows = texts(draw(FALLING, [], 60, 10))
    assert rows[0].startswith("3.90 ┤")  # the first twentieth may lie above
    assert rows[7].startswith("2.00 ┤")
    assert rows[-1].split() == ["0", "100"]


def test_falling_losses_fall_without_a_gap():
    rows = draw(FALLING, [], 60, 10)
    plot = texts(rows)[:-2]
    heights = [next(at for at, row in enumerate(plot) if braille(row[column])) for column in range(6, 60)]
    assert heights == sorted(heights)
    assert (heights[0], heights[-1]) == (0, 7)
    assert columns_of(rows, braille) == set(range(6, 60))


def test_evaluations_are_dots_of_their_own():
    rows = draw(FALLING, [(0, 4.0), (100, 2.0)], 60, 10)
    assert [kind for row in rows for text, kind in row if "●" in text] == ["val", "val"]
    assert columns_of(rows, lambda char: char == "●") == {6, 59}


@pytest.mark.parametrize(
    ("train", "width", "height"), [([], 60, 10), ([(1, 2.0)], 60, 10), (FALLING, 15, 10), (FALLING, 60, 3)]
)
def test_too_little_is_no_curve(train, width, height):
    assert draw(train, [], width, height) == []


def test_equal_losses_and_equal_steps_are_drawn():
    assert draw([(1, 2.0), (2, 2.0)], [], 40, 6)
    assert draw([(1, 2.0)], [(1, 2.0)], 40, 6)


def test_a_series_is_bounded_and_keeps_its_mean():
    series = Series(limit=64)
    for step in range(64 * 16):
        series.add(step, step % 2)
    assert 32 <= len(series.points) < 64
    assert series.points[0][0] < 32
    assert series.points[-1][0] > 64 * 15
    assert all(loss == 0.5 for _, loss in series.points)


def test_a_series_leaves_out_what_is_no_number():
    series = Series()
    for loss in (1.0, math.nan, math.inf, 2.0):
        series.add(1, loss)
    assert [loss for _, loss in series.points] == [1.0, 2.0]
