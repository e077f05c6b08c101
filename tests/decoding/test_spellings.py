"""Where the tokens of a prompt are final, and the ways to spell what is given back."""

import pytest

from rnngen.decoding.spellings import Spellings
from rnngen.decoding.text_stream import TextStream, first_tokens

PIECES = (
    *(b"", b"a", b" ", b" the", b"h", b" ha", b" harbour", b"rb", b"o"),
    *(b"\xc3", b"\xa9", b"\xa9 x", b" h"),
)


@pytest.mark.parametrize(
    ("tokens", "kept", "rest"),
    [
        ([3, 2], 1, b" "),  # ' the' goes on as ' ' does
        ([3, 5, 7, 8], 1, b" harbo"),
        ([3, 8], 2, b""),  # nothing goes on
        ([1, 2], 1, b" "),
        ([3, 9, 10], 1, "é".encode()),  # a character is given back as a whole
        ([], 0, b""),
    ],
)
def test_what_may_be_the_beginning_of_a_longer_token_is_given_back(tokens, kept, rest):
    assert Spellings(PIECES).split(tokens) == (kept, rest)


def test_tokens_that_never_come_do_not_count():
    assert Spellings(PIECES, [6]).split([3, 5, 7, 8]) == (4, b"")
    assert Spellings(PIECES, [5, 2, 12]).split([3, 5, 7, 8]) == (1, b" harbo")


def test_the_ways_to_spell_cover_the_bytes_or_go_on_within_them():
    ways = Spellings(PIECES).ways(b" harbo")
    assert set(ways.covers.tolist()) == {6}
    assert dict(ways.within) == {2: 1, 12: 2, 5: 3}
    assert not Spellings(PIECES).possible(b"arbox")


def test_bytes_at_the_beginning_are_not_shown():
    stream = TextStream(PIECES, 4)
    assert [stream.push(token) for token in (5, 7, 8)] == ["", "b", "o"]
    stream = TextStream(PIECES, 1)
    assert stream.copy().push(3) == stream.push(3) == "the"


@pytest.mark.parametrize(
    ("length", "skip", "taken"),
    [(0, 0, 0), (2, 0, 2), (1, 3, 2), (1, 4, 2), (2, 5, 4), (None, 3, 4)],
)
def test_only_tokens_beyond_them_count(length, skip, taken):
    asked = []
    tokens = (asked.append(token) or token for token in (5, 7, 8, 1))
    assert len([*first_tokens(PIECES, tokens, length, skip)]) == len(asked) == taken
