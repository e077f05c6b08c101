"""Which characters some tokens can spell."""

import re

import pytest

from rnngen_constrain.alphabet import character_class

BYTES = [bytes([byte]) for byte in range(256)]
EDGES = "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff"


def members(found: str, candidates: str) -> str:
    """Those of some characters that are in a class in Rust's syntax, read with Python's."""
    python = re.sub(r"\\x\{(\w+)\}", lambda one: f"\\U{int(one[1], 16):08x}", found)
    return "".join(one for one in candidates if re.fullmatch(python, one))


def test_characters_stand_in_whole_pieces() -> None:
    assert members(character_class([b"ab", "é]".encode()]), "abcdé]^\\è") == "abé]"


def test_bytes_of_broken_pieces_spell_characters_together() -> None:
    found = character_class([b"a", b"\xc3", b"\xa9", b"\xa8", b"x\xf0"])
    assert members(found, "aéèêxy\U00010000") == "aéèx"


@pytest.mark.parametrize("edge", EDGES)
def test_a_character_is_spelt_by_its_bytes_and_by_no_fewer(edge: str) -> None:
    own = edge.encode()
    pieces = [own[i : i + 1] for i in range(len(own))]
    assert members(character_class(pieces), EDGES) == edge
    fewer = [piece for piece in pieces if piece != pieces[-1]]
    assert edge not in members(character_class([*fewer, b"a"]), EDGES)


def test_where_every_character_can_be_spelt_there_is_no_class() -> None:
    assert character_class(BYTES) == ""
    assert character_class([]) == ""


def test_surrogates_are_left_out() -> None:
    found = character_class([piece for piece in BYTES if piece != b"a"])
    assert "d800" not in found
    assert members(found, EDGES + "ab") == EDGES + "b"
