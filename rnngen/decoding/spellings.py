"""The ways to spell a text with the tokens of a vocabulary, and where a prompt's tokens are not final.

::

    tokens of the prompt   T h e │  h a r │ b o         ' harbo' is the beginning of ' harbour': the tokens
    final                  T h e │                      from there on are only one way to spell it
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from rnngen.contracts import TokenIds

CONTINUATION = range(0x80, 0xC0)
"""Bytes of UTF-8 that begin no character."""


class Ways(NamedTuple):
    """The tokens that can come next where a text has to begin with given bytes."""

    covers: TokenIds
    """Tokens that begin with all of the bytes, or are them."""
    within: tuple[tuple[int, int], ...]
    """Tokens that the bytes go on after, each with the number of its bytes."""


class Spellings:
    """The ways to spell bytes.

    Args:
        pieces: the bytes of each id (``Tokenizer.pieces``).
        forbidden: tokens that never come.
    """

    def __init__(self, pieces: Sequence[bytes], forbidden: Iterable[int] = ()) -> None:
        never = {*forbidden}
        order = sorted((piece, token) for token, piece in enumerate(pieces) if piece and token not in never)
        self.pieces = pieces
        self._sorted = [piece for piece, _ in order]
        self._ids = np.array([token for _, token in order], np.int64)
        self._longest = max(map(len, self._sorted), default=0)
        self.ways = lru_cache(1 << 12)(self._ways)

    @property
    def cross_characters(self) -> bool:
        """True if any token goes on after a whole character: else the tokens of any text are final."""
        return any(byte not in CONTINUATION for piece in self._sorted if len(piece) > 1 for byte in piece[1:])

    def split(self, tokens: Sequence[int]) -> tuple[int, bytes]:
        """Return how many tokens of a prompt are final, and the bytes of the others.

        Not final are those from the first place on at which a token may begin that reaches over the end of
        the text, as long as what they spell can be spelt with tokens that may come. They begin with a whole
        character.
        """
        rests = [b""]
        while len(rests) <= len(tokens) and (len(rests[-1]) < self._longest or not _whole(rests[-1])):
            rests.append(self.pieces[tokens[-len(rests)]] + rests[-1])
        end = rests[-1]
        reach = next((size for size in range(len(end), 0, -1) if self._goes_on(end[-size:])), 0)
        for count, rest in enumerate(rests):
            if len(rest) >= reach > 0 and _whole(rest) and self.possible(rest):
                return len(tokens) - count, rest
        return len(tokens), b""

    def _goes_on(self, text: bytes) -> bool:
        """Return whether a token begins with these bytes and has more."""
        place = bisect_right(self._sorted, text)
        return place < len(self._sorted) and self._sorted[place].startswith(text)

    def possible(self, rest: bytes) -> bool:
        """Return whether tokens can spell what begins with these bytes."""
        ways = self.ways(rest)
        return bool(len(ways.covers) or ways.within)

    def _ways(self, rest: bytes) -> Ways:
        """Return the tokens that can come next where a text has to begin with these bytes, at least one."""
        first = bisect_left(self._sorted, rest)
        last = bisect_left(self._sorted, True, first, key=lambda piece: not piece.startswith(rest))
        within = [
            (token, size)
            for size in range(1, len(rest))
            for token in self._are(rest[:size])
            if self.possible(rest[size:])
        ]
        return Ways(self._ids[first:last], tuple(within))

    def _are(self, text: bytes) -> list[int]:
        """Return the tokens of these very bytes."""
        found: list[int] = self._ids[
            bisect_left(self._sorted, text) : bisect_right(self._sorted, text)
        ].tolist()
        return found


def _whole(rest: bytes) -> bool:
    """Return whether bytes begin with a character."""
    return not rest or rest[0] not in CONTINUATION
