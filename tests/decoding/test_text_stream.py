import tracemalloc
from itertools import repeat

from hypothesis import given
from hypothesis import strategies as st

from rnngen.decoding.text_stream import TextStream, decode

BYTES = [bytes([byte]) for byte in range(256)]
PIECES = [
    *BYTES,
    b"",
    b" the",
    "é".encode(),
    "天地".encode(),
    b"\xf0\x9f",
    b"\x99\x82",
    b"\xed\xa0",
    b"a\xe5",
]
TRICKY = [
    0xC3,
    0xA9,
    0xE5,
    0xA4,
    0xA9,
    0xF0,
    0x9F,
    0x99,
    0x82,
    0xED,
    0xA0,
    0x80,
    0xF4,
    0x90,
    0xFF,
    0xC0,
    *range(256, 264),
]
ids_of_any_kind = st.lists(st.one_of(st.sampled_from(TRICKY), st.integers(0, len(PIECES) - 1)), max_size=60)


def pushed(stream, ids):
    return "".join(stream.push(token) for token in ids)


@given(ids=ids_of_any_kind)
def test_what_was_streamed_is_what_decode_gives(ids):
    stream = TextStream(PIECES)
    assert pushed(stream, ids) + stream.flush() == decode(PIECES, ids)


@given(ids=ids_of_any_kind)
def test_decode_is_pythons_own_reading_of_the_bytes(ids):
    assert decode(PIECES, ids) == b"".join(PIECES[i] for i in ids).decode("utf-8", "replace")


def test_decoding_a_long_text_holds_no_list_of_its_pieces():
    tracemalloc.start()
    text = decode([b"x"], repeat(0, 300_000))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * len(text)


@given(text=st.text())
def test_valid_text_streams_byte_by_byte_without_half_a_character(text):
    stream, streamed = TextStream(PIECES), ""
    for byte in text.encode():
        streamed += stream.push(byte)
        assert text.startswith(streamed)
    assert streamed == text
    assert stream.flush() == ""


@given(text=st.text())
def test_a_character_comes_as_soon_as_it_is_whole(text):
    stream = TextStream(PIECES)
    for character in text:
        *first, last = character.encode()
        assert pushed(stream, first) == ""
        assert stream.push(last) == character


@given(before=ids_of_any_kind, one=ids_of_any_kind, other=ids_of_any_kind)
def test_a_fork_goes_its_own_way(before, one, other):
    stream = TextStream(PIECES)
    shared = pushed(stream, before)
    fork = stream.copy()
    on = pushed(stream, one)
    forked = pushed(fork, other)
    assert shared + on + stream.flush() == decode(PIECES, before + one)
    assert shared + forked + fork.flush() == decode(PIECES, before + other)


def test_flush_ends_a_character_that_stayed_incomplete_and_begins_again():
    stream = TextStream(PIECES)
    assert pushed(stream, [0xF0, 0x9F]) == ""
    assert stream.flush() == "\ufffd"
    assert pushed(stream, [0xC3, 0xA9]) == "é"
    assert stream.flush() == ""
