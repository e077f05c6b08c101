"""Where a text ends: at a stop, kept or not, and after whole sentences, however it is cut into pieces."""

import pytest

from rnngen.decoding.text_stream import first_sentences, until

STORY = (
    'Mr. Fox came at 3.5 knots. "Who goes there?" asked J. R. Crow… Nobody!  It rained, e.g. on Sundays. (So '
    "it was.) The end"
)
SENTENCES = [
    "Mr. Fox came at 3.5 knots.",
    ' "Who goes there?"',
    " asked J. R. Crow…",
    " Nobody!",
    "  It rained, e.g. on Sundays.",
    " (So it was.)",
    " The end",
]


def cuts(text):
    """The text whole, in single characters, and in pieces of some sizes."""
    return [[text[at : at + size] for at in range(0, len(text), size)] for size in (len(text), 1, 2, 3, 7)]


@pytest.mark.parametrize("count", range(1, len(SENTENCES) + 2))
@pytest.mark.parametrize("pieces", cuts(STORY), ids=len)
def test_a_text_ends_after_whole_sentences(count, pieces):
    assert "".join(first_sentences(pieces, count)) == "".join(SENTENCES[:count])


@pytest.mark.parametrize("pieces", cuts("他说：“好。”雨停了！？我们走吧。"), ids=len)
def test_sentences_without_blanks_end_as_well(pieces):
    assert "".join(first_sentences(pieces, 1)) == "他说：“好。”"
    assert "".join(first_sentences(pieces, 2)) == "他说：“好。”雨停了！？"


def test_no_more_is_asked_for_than_the_sentences_need():
    def pieces():
        yield from ("One. ", "Two")
        raise AssertionError("more was asked for")

    assert "".join(first_sentences(pieces(), 1)) == "One."


def test_a_text_without_an_end_passes_in_bounded_memory():
    assert sum(map(len, first_sentences(("never ending " for _ in range(20_000)), 1))) == 13 * 20_000


@pytest.mark.parametrize("pieces", cuts("one ENDING two END three"), ids=len)
def test_a_stop_is_kept_or_dropped(pieces):
    assert "".join(until(pieces, ["ENDED", "END "])) == "one ENDING two "
    assert "".join(until(pieces, ["ENDED", "END "], keep=True)) == "one ENDING two END "
