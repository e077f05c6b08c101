"""From token ids to text, all at once or as they come, never half a character."""

import codecs
from collections.abc import Iterable, Sequence


def decode(pieces: Sequence[bytes], ids: Iterable[int]) -> str:
    """The text of some tokens; bytes that are not UTF-8 become U+FFFD.

    Args:
        pieces: the bytes of each id (``Tokenizer.pieces``).
        ids: token ids.
    """
    return b"".join([pieces[token] for token in ids]).decode(errors="replace")


class TextStream:
    """The same, token by token: what ``push`` returned and then ``flush``, joined, is what ``decode`` gives.

    ::

        ids          ' h'    0xC3     0xA9    'tel'   0xF0   end of stream
        push(id)     ' h'     ''       'é'    'tel'    ''    flush() → '\ufffd'

    Args:
        pieces: the bytes of each id (``Tokenizer.pieces``).
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces = pieces
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """Take the next token, and return the characters that it completes."""
        return self._decoder.decode(self._pieces[token])

    def flush(self) -> str:
        """End the stream: U+FFFD for a character that stayed incomplete. Then it can begin again."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest

    def copy(self) -> "TextStream":
        """A stream that goes on from here on its own, for a decoder that forks."""
        fork = TextStream(self._pieces)
        fork._decoder.setstate(self._decoder.getstate())
        return fork
