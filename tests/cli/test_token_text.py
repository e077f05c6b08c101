"""Tokens on one line, nothing of them unseen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.cli.render.console import spelled


@pytest.mark.parametrize(
    ("piece", "shown"),
    [
        (b" the", "␣the"),
        (b"\n", r"\n"),
        (b"\t\x00\x1b", r"\t\x00\x1b"),
        ("é愛🙂".encode(), "é愛🙂"),
        ("愛".encode()[:2], r"\xe6\x84"),
        (b"\x9b a", r"\x9b␣a"),
        (b"\\n", r"\\n"),
        (b"\xc2\xa0", r"\xa0"),
        ("\u2028".encode(), r"\u2028"),
        (b"", "<end>"),
    ],
)
def test_a_token_is_spelled_out(piece, shown):
    assert spelled(piece) == shown


@given(st.binary(min_size=1, max_size=8))
def test_any_bytes_are_one_line_that_can_be_printed(piece):
    shown = spelled(piece)
    assert shown.isprintable()
    assert " " not in shown
    shown.encode()
