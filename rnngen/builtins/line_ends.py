r"""Lines, which end at ``\n``. At ``\r`` alone, as of old Macintoshes, none does: that is refused."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from rnngen.contracts import Chunk

MORE = 10
r"""Times that ``\r`` outnumbers ``\n`` where it is what ends the lines."""


def lines(pieces: Iterable[str]) -> Iterator[str]:
    r"""Join pieces and cut them at ``\n``; what follows the last one is a line, too, if only an empty one."""
    held: list[str] = []
    for piece in pieces:
        first, *others = piece.split("\n")
        held.append(first)
        if others:
            yield "".join(held)
            yield from others[:-1]
            held = others[-1:]
    yield "".join(held)


def ended(text: Iterator[str]) -> Iterator[str]:
    """Pass lines on without what follows the last line end, if that is nothing."""
    held = next(text, "")
    for line in text:
        yield held
        held = line
    if held:
        yield held


def whole_lines(chunks: Iterable[Chunk], is_apart: Callable[[Chunk], bool]) -> Iterator[str | Chunk]:
    r"""Join the chunks of a file and cut them into lines; those apart from its text come as they are.

    No line goes on in the next document.

    Raises:
        ValueError: at the end of a text whose lines end in ``\r`` alone.
    """
    for apart, together in groupby(chunks, is_apart):
        if apart:
            yield from together
        else:
            yield from ended(lines(_pieces(together)))


def _pieces(chunks: Iterable[Chunk]) -> Iterator[str]:
    ends, is_open = LineEnds(), False
    for chunk in chunks:
        ends.see(chunk)
        if chunk.starts_document and is_open:
            yield "\n"
        yield chunk.text
        is_open = not chunk.text.endswith("\n") if chunk.text else is_open
    ends.check()


class LineEnds:
    """Counts the line ends of a file's text, each file by itself."""

    def __init__(self) -> None:
        self.returns = self.feeds = 0

    def see(self, chunk: Chunk) -> None:
        r"""Count every ``\r`` and ``\n`` of a chunk.

        Raises:
            ValueError: as ``check`` does, where it begins another file.
        """
        if chunk.starts_document:
            self.check()
            self.returns = self.feeds = 0
        if not chunk.is_record:
            self.returns += chunk.text.count("\r")
            self.feeds += chunk.text.count("\n")

    def check(self) -> None:
        r"""Refuse a file that is over and whose lines end in ``\r`` alone.

        Raises:
            ValueError: with their number and the mend.
        """
        if self.returns > MORE * self.feeds + 1:
            raise ValueError(
                rf"its lines end in \r alone ({self.returns:,} times, and {self.feeds:,} times in \n), which "
                r"would make one line of them; convert them first: tr '\r' '\n' < FILE > NEW"
            )
