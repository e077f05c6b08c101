"""From token ids to text, all at once or as they come, never half a character, and where it stops."""

import codecs
from collections.abc import Iterable, Iterator, Sequence


def decode(pieces: Sequence[bytes], ids: Iterable[int]) -> str:
    """Return the text of tokens, from the bytes of each id; those that are not UTF-8 become U+FFFD."""
    return b"".join([pieces[token] for token in ids]).decode(errors="replace")


class TextStream:
    """The same, token by token: what ``push`` returned and then ``flush``, joined, is what ``decode`` gives.

    ::

        ids          ' h'    0xC3     0xA9    'tel'   0xF0   end of stream
        push(id)     ' h'     ''       'é'    'tel'    ''    flush() → '\ufffd'

    ``pieces`` has the bytes of each id (``Tokenizer.pieces``).
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

    def stream(self, tokens: Iterable[int]) -> Iterator[str]:
        """Yield the characters that tokens complete, as they come, and then what ``flush`` returns."""
        for token in tokens:
            if text := self.push(token):
                yield text
        if text := self.flush():
            yield text

    def copy(self) -> "TextStream":
        """Return a stream that goes on from here on its own, for a decoder that forks."""
        fork = TextStream(self._pieces)
        fork._decoder.setstate(self._decoder.getstate())
        return fork


def until(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Pass text on up to the stop string that is complete first, however the text is cut into pieces.

    Text that could be the beginning of one is held back until that is decided.
    """
    held = ""
    for piece in pieces:
        held += piece
        found = [(place + len(stop), place) for stop in stops if (place := held.find(stop)) >= 0]
        if found:
            held = held[: min(found)[1]]
            break
        safe = len(held) - _overlap(held, stops)
        if safe:
            yield held[:safe]
            held = held[safe:]
    if held:
        yield held


def _overlap(text: str, stops: Sequence[str]) -> int:
    """Length of the longest end of ``text`` that some stop begins with."""
    for length in range(min(len(text), max(map(len, stops), default=0)), 0, -1):
        if any(stop.startswith(text[-length:]) for stop in stops):
            return length
    return 0
