"""Notes on a text while it is read: a delimiter that was recognised, a header, records that fall into lines.

A reader or a task calls ``note``; whoever reads for a user collects the notes and reports them once, however
often the text is read. A note is no error: nothing in the text has to change.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class _Noted:
    """A note that was made once or more."""

    places: dict[str, None] = field(default_factory=dict)
    figures: Counter[str] = field(default_factory=Counter)

    def line(self, text: str) -> str:
        text = text.format(**self.figures) if self.figures else text
        first, *others = self.places
        more = f" and {len(others):,} more" if others else ""
        return f"{first}{more}: {text}" if first else text


_COLLECTING: ContextVar[dict[str, _Noted] | None] = ContextVar("collecting", default=None)


def note(text: str, place: str = "", **figures: int) -> None:
    """Note something about the text that is being read; the same note is reported once.

    Args:
        text: one line that begins in lower case, with the way out. With figures it is a format string.
        place: the file, where it is known; of several the first is named, and their number.
        figures: what the text has in braces, ``{rows:,}``; they are added up over the files.
    """
    if (collecting := _COLLECTING.get()) is not None:
        noted = collecting.setdefault(text, _Noted())
        noted.places[place] = None
        noted.figures.update(figures)


@contextmanager
def collected_notes() -> Iterator[list[str]]:
    """Collect the notes on what is read in the block; they are in the list when the block ends."""
    notes: list[str] = []
    collecting: dict[str, _Noted] = {}
    token = _COLLECTING.set(collecting)
    try:
        yield notes
    finally:
        _COLLECTING.reset(token)
        notes += [noted.line(text) for text, noted in collecting.items()]
