"""The tokens of a stream so far, as a sequence that never changes and yet grows cheaply.

::

    buffer   a b c d e          one for all that go on from one another
    abc      └───┘              a history is the buffer and a length
    abcde    └───────┘
    abcx     a copy             what goes on from an older place gets a buffer of its own
"""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any


class TokenHistory(Sequence[int]):
    """An immutable sequence of token ids at four bytes each; appending to the newest one copies nothing.

    Args:
        tokens: to begin with.
    """

    __slots__ = ("_buffer", "_length")

    def __init__(self, tokens: Iterable[int] = ()) -> None:
        self._buffer = array("i", tokens)
        self._length = len(self._buffer)

    def append(self, token: int) -> "TokenHistory":
        """Return the history with one token more."""
        buffer, length = self._buffer, self._length
        if len(buffer) != length:
            buffer = buffer[:length]
        buffer.append(token)
        longer = TokenHistory.__new__(TokenHistory)
        longer._buffer, longer._length = buffer, length + 1
        return longer

    def extend(self, tokens: Sequence[int]) -> "TokenHistory":
        """Return the history with more tokens."""
        return TokenHistory([*self.view(), *tokens])

    def view(self) -> Sequence[int]:
        """Return the tokens for reading: the buffer itself where this is the newest history."""
        buffer = self._buffer
        return buffer if len(buffer) == self._length else buffer[: self._length]

    @property
    def last(self) -> int:
        """The latest token."""
        return self._buffer[self._length - 1]

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: Any) -> Any:
        return self.view()[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]
