"""Stop strings, wherever the pieces of a text are cut."""

from hypothesis import given
from hypothesis import strategies as st

from rnngen.decoding.text_stream import until

texts = st.text("ab\n", max_size=24)
stops = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)


@st.composite
def cut_texts(draw):
    """A text and the pieces that it comes in, some of them empty."""
    text = draw(texts)
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return text, [text[i:j] for i, j in zip([0, *places], [*places, len(text)], strict=True)]


def expected(text, stops):
    """Read a character at a time: the first moment at which the text ends in a stop ends it."""
    for end in range(len(text) + 1):
        complete = [stop for stop in stops if text[:end].endswith(stop)]
        if complete:
            return text[: end - max(map(len, complete))]
    return text


@given(cut=cut_texts(), stops=stops)
def test_text_ends_before_the_stop_that_is_complete_first_however_it_is_cut(cut, stops):
    text, pieces = cut
    assert "".join(until(pieces, stops)) == expected(text, stops)


@given(cut=cut_texts(), stops=stops)
def test_what_can_be_no_beginning_of_a_stop_is_passed_on_at_once(cut, stops):
    _, pieces = cut
    read, shown = "", ""

    def reading():
        nonlocal read
        for piece in pieces:
            read += piece
            yield piece

    for piece in until(reading(), stops):
        shown += piece
        waiting = read[len(shown) :]
        if waiting and expected(read, stops) == read:
            assert any(stop.startswith(waiting) for stop in stops) or read == "".join(pieces)


def test_a_stop_may_straddle_pieces():
    assert "".join(until(["one EN", "", "D", "MARK two"], ["ENDMARK"])) == "one "


def test_half_a_stop_at_the_end_is_text():
    assert "".join(until(["one EN", "DM"], ["ENDMARK"])) == "one ENDM"


def test_nothing_is_read_after_the_stop():
    pieces = iter(["a", "b", "c", "d"])
    assert "".join(until(pieces, ["b"])) == "a"
    assert list(pieces) == ["c", "d"]


def test_without_stops_every_piece_comes_as_it_is():
    assert [piece for piece in until(iter(["a", "bc", "d"]), []) if piece] == ["a", "bc", "d"]


@given(cut=cut_texts(), stops=stops, after=st.integers(0, 24))
def test_a_stop_that_is_complete_within_what_was_shown_does_not_count(cut, stops, after):
    text, pieces = cut
    ends = [end for end in range(after + 1, len(text) + 1) if any(text[:end].endswith(one) for one in stops)]
    whole = text if not ends else expected_at(text, ends[0], stops)
    assert "".join(until(pieces, stops, after=after)) == whole


def expected_at(text, end, stops):
    """The text before the longest stop that ends there."""
    return text[: end - max(len(stop) for stop in stops if text[:end].endswith(stop))]
