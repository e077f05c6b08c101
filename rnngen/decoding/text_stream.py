"""From token ids to text, all at once or as they come, never half a character, and where it stops."""

import codecs
import io
import re
from collections.abc import Iterable, Iterator, Sequence


def decode(pieces: Sequence[bytes], ids: Iterable[int]) -> str:
    """Return the text of tokens, from the bytes of each id; those that are not UTF-8 become U+FFFD."""
    spelt = io.BytesIO()
    spelt.writelines(map(pieces.__getitem__, ids))  # a list of them all would be eight times as long
    return spelt.getvalue().decode(errors="replace")


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


def until(
    pieces: Iterable[str], stops: Sequence[str], *, keep: bool = False, after: int = 0
) -> Iterator[str]:
    """Pass text on up to the stop string that is complete first, however the text is cut into pieces.

    Text that could be the beginning of one is held back until that is decided; with ``keep`` the stop itself
    is passed on too. One that is complete within the first ``after`` characters does not count.
    """
    held, passed = "", 0
    for piece in pieces:
        held += piece
        found = [
            (place + len(stop), place)
            for stop in stops
            if (place := held.find(stop, max(0, after - passed - len(stop) + 1))) >= 0
        ]
        if found:
            held = held[: min(found)[0 if keep else 1]]
            break
        safe = len(held) - _overlap(held, stops)
        if safe:
            yield held[:safe]
            held, passed = held[safe:], passed + safe
    if held:
        yield held


_END = re.compile(r"""(?:[.!?…]+["'”’»›)\]}]*(?=\s)|[。！？]+["'”’»」』）】]*(?=[^。！？"'”’»」』）】]))""")
"""The end of a sentence, once the character behind it is there."""
_NO_END = re.compile(r"(?:^|[^\w.])(?:[^\W\d_]|Mrs?|Ms|Dr|Prof|St|Jr|Sr|vs|etc|cf|e\.g|i\.e|z\.B|No|Nr)$")
"""An initial or a common abbreviation: a full stop after it ends no sentence."""
_LOOK_BACK, _HELD = 64, 4096
"""Characters that an end with its abbreviation may have, and above which those passed on are forgotten."""


def first_sentences(pieces: Iterable[str], count: int) -> Iterator[str]:
    """Pass text on up to the end of a number of sentences, however the text is cut into pieces.

    A sentence ends with ``. ! ? …``, and closing quotes or brackets, before white space, or with ``。！？``.
    It does not end with the full stop of an initial or of a common abbreviation.
    """
    held, shown = "", 0
    for piece in pieces:
        held += piece
        place = max(0, shown - _LOOK_BACK)
        while found := _END.search(held, place):
            place = found.end()
            if found[0] == "." and _NO_END.search(held, max(0, found.start() - _LOOK_BACK), found.start()):
                continue
            count -= 1
            if not count:
                yield held[shown:place]
                return
            yield held[shown:place]
            held, shown, place = held[place:], 0, 0
        yield held[shown:]
        held = held[-_LOOK_BACK:] if len(held) > _HELD else held
        shown = len(held)


def _overlap(text: str, stops: Sequence[str]) -> int:
    """Length of the longest end of ``text`` that some stop begins with."""
    for length in range(min(len(text), max(map(len, stops), default=0)), 0, -1):
        if any(stop.startswith(text[-length:]) for stop in stops):
            return length
    return 0
