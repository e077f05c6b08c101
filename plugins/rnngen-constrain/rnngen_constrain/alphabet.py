"""The characters that a model can spell with the tokens that it knows, as a class of a regular expression."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

UNICODE = 0x110000
SURROGATES = slice(0xD800, 0xE000)


def character_class(pieces: Iterable[bytes]) -> str:
    """The class of all characters that stand in some piece, or whose bytes stand in broken ones.

    Args:
        pieces: the bytes of the tokens that may be used.

    Returns:
        As ``[…]`` in Rust's syntax; empty if every character can be spelt, or none.
    """
    known = np.zeros(UNICODE, bool)
    loose = np.zeros(256, bool)
    for piece in pieces:
        try:
            known[[ord(character) for character in piece.decode()]] = True
        except UnicodeDecodeError:
            loose[list(piece)] = True
    if loose.any():
        known |= _spelt(loose)
    known[SURROGATES] = known[SURROGATES.start - 1]  # no characters: whether they count says nothing
    if known.all() or not known.any():
        return ""
    edges = np.flatnonzero(np.diff(known, prepend=False, append=False)).reshape(-1, 2).tolist()
    return "[" + "".join(_range(begin, end - 1) for begin, end in edges) + "]"


def _spelt(loose: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which characters (0x110000,) have no bytes in UTF-8 but these (256,)."""
    c = np.arange(UNICODE)
    last, middle, early = (loose[0x80 | c >> shift & 0x3F] for shift in (0, 6, 12))
    found: NDArray[np.bool_] = np.select(
        [c < 0x80, c < 0x800, c < 0x10000],
        [
            loose[c & 0x7F],
            loose[0xC0 | c >> 6 & 0x1F] & last,
            loose[0xE0 | c >> 12 & 0x0F] & middle & last,
        ],
        loose[0xF0 | c >> 18] & early & middle & last,
    )
    return found


def _range(first: int, last: int) -> str:
    """A range of characters; the surrogates within it are left out, as Rust demands."""
    if first < SURROGATES.start <= last:
        upper = _range(SURROGATES.stop, last) if last >= SURROGATES.stop else ""
        return _range(first, SURROGATES.start - 1) + upper
    return f"\\x{{{first:x}}}-\\x{{{last:x}}}"
