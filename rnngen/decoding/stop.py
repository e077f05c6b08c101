"""Ending a stream of text at given strings, without showing any part of them."""

from collections.abc import Iterable, Iterator, Sequence


def until(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Pass text on up to the stop that is complete first, however the text is cut into pieces.

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
