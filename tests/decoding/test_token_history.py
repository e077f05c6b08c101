"""Histories are immutable sequences, however many go on from one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.decoding.sampler import TokenHistory


def test_it_is_a_sequence_of_its_tokens():
    history = TokenHistory([5, 6, 7])
    assert len(history) == 3
    assert list(history) == [5, 6, 7]
    assert (history[0], history[-1], history[-3]) == (5, 7, 5)
    assert list(history[1:]) == [6, 7]
    assert history == (5, 6, 7)
    assert history != (5, 6)
    assert 6 in history
    assert list(TokenHistory()) == []
    for place in (3, -4):
        with pytest.raises(IndexError):
            history[place]
    with pytest.raises(IndexError):
        TokenHistory()[-1]


def test_appending_leaves_it_as_it_was():
    short = TokenHistory([1, 2])
    long = short.append(3)
    assert (list(short), list(long)) == ([1, 2], [1, 2, 3])
    assert (short[-1], long[-1], len(short)) == (2, 3, 2)
    with pytest.raises(IndexError):
        short[2]


def test_two_that_go_on_from_one_do_not_know_of_each_other():
    origin = TokenHistory([1])
    one = origin.append(2).append(3)
    other = origin.append(4)
    third = one.append(5)
    assert [list(each) for each in (origin, one, other, third)] == [[1], [1, 2, 3], [1, 4], [1, 2, 3, 5]]


def test_extending_gives_one_of_its_own():
    origin = TokenHistory([1, 2])
    newest = origin.append(3)
    longer = newest.extend([4, 5])
    newest.append(9), origin.append(8)
    assert list(longer) == [1, 2, 3, 4, 5]
    assert list(origin.extend([])) == [1, 2]


def test_a_view_is_the_tokens_and_costs_nothing_where_it_is_the_newest():
    origin = TokenHistory([1, 2])
    newest = origin.append(3)
    assert (list(origin.view()), list(newest.view())) == ([1, 2], [1, 2, 3])
    assert newest.view() is newest.view()
    assert newest.view()[-2:].tolist() == [2, 3]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 99)), max_size=40))
def test_whatever_goes_on_from_whatever_every_history_stays_what_it_was(appended):
    histories, expected = [TokenHistory([7])], [[7]]
    for origin, token in appended:
        place = origin % len(histories)
        histories.append(histories[place].append(token))
        expected.append([*expected[place], token])
    assert [list(history) for history in histories] == expected
    assert [history.view()[-1] for history in histories] == [one[-1] for one in expected]
