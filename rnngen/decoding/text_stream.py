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

    Args:
        pieces: the bytes of each id (``Tokenizer.pieces``).
        skip: bytes at the beginning that are not shown: the end of a prompt, which is drawn again.
    """

    def __init__(self, pieces: Sequence[bytes], skip: int = 0) -> None:
        self._pieces, self._skip = pieces, skip
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token: int) -> str:
        """Take the next token, and return the characters that it completes."""
        piece = self._pieces[token]
        if self._skip:
            piece, self._skip = piece[self._skip :], max(self._skip - len(piece), 0)
        return self._decoder.decode(piece)

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
        fork = TextStream(self._pieces, self._skip)
        fork._decoder.setstate(self._decoder.getstate())
        return fork


def first_tokens(
    pieces: Sequence[bytes], tokens: Iterable[int], length: int | None, skip: int
) -> Iterator[int]:
    """Yield tokens, up to ``length`` that go beyond the first ``skip`` bytes; None for no limit."""
    if length == 0:
        return
    for token in tokens:
        yield token
        if skip:
            skip -= len(pieces[token])
            if skip >= 0:
                continue
            skip = 0
        if length is not None:
            length -= 1
            if not length:
                return


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
