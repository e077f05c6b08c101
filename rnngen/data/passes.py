"""The passes over a corpus, each reported while it is under way."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rnngen.data.corpus import suffix_of
from rnngen.events import report

SHARE = 0.05
"""The share of a pass after which it is reported again."""


@dataclass
class Pass:
    """One pass over some files: its ``see`` is a ``Corpus.watch``."""

    message: str
    """The work, as ``Preparing`` names it."""
    paths: Iterable[Path]
    kinds: dict[str, list[int]] = field(default_factory=dict)
    """Files and characters by ending, as in ``Surveyed``."""

    def __post_init__(self) -> None:
        self._total = max(1, sum(path.stat().st_size for path in self.paths if path.is_file()))
        self._read: dict[Path, int] = {}
        self._done, self._reported = 0, 0.0
        report(self.message)

    def see(self, path: Path, chars: int, position: int) -> None:
        """Count a part of a file that was read, up to a position in bytes."""
        kind = self.kinds.setdefault(suffix_of(path), [0, 0])
        kind[0] += path not in self._read
        kind[1] += chars
        self._done += position - self._read.get(path, 0)
        self._read[path] = position
        if (share := min(1.0, self._done / self._total)) >= self._reported + SHARE:
            self._reported = share
            report(self.message, round(share, 2))
