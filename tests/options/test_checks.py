"""Checks of option values: what lies in a range passes; a message names field, value and range."""

from math import inf, nan

import pytest

from rnngen.options import require, require_range


@pytest.mark.parametrize(
    ("value", "limits", "edges"),
    [
        (0, (0,), {}),
        (1e30, (0,), {}),
        (1, (0, 1), {"above": True}),
        (0, (0, 1), {"below": True}),
        (0.5, (0, 1), {"above": True, "below": True}),
        (-7, (), {}),
        (None, (1,), {}),
    ],
)
def test_what_lies_in_the_range_passes(value, limits, edges):
    require_range("n", value, *limits, **edges)


@pytest.mark.parametrize(
    ("value", "limits", "edges", "expected"),
    [
        (-1, (0,), {}, "n=-1: 0 or more expected"),
        (0, (1,), {}, "n=0: at least 1 expected"),
        (0.0, (0,), {"above": True}, "n=0: a number above 0 expected"),
        (2.0, (0, 1), {}, "n=2: a number from 0 to 1 expected"),
        (0.0, (0, 1), {"above": True}, "n=0: a number above 0 and up to 1 expected"),
        (1.0, (0, 1), {"below": True}, "n=1: a number from 0 to below 1 expected"),
        (0.0, (0, 1), {"above": True, "below": True}, "n=0: a number between 0 and 1 expected"),
        (inf, (), {}, "n=inf: a finite number expected"),
        (nan, (0,), {}, "n=nan: 0 or more expected"),
        (inf, (0,), {}, "n=inf: 0 or more expected"),
    ],
)
def test_what_does_not_is_refused_with_the_range(value, limits, edges, expected):
    with pytest.raises(ValueError) as raised:  # noqa: PT011 - the whole message is compared
        require_range("n", value, *limits, **edges)
    assert str(raised.value) == expected


def test_require_raises_its_message():
    require(True, "never")
    with pytest.raises(ValueError, match="give one"):
        require(False, "give one")
