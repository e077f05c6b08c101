"""One trial on its way: what it chose, how far it is, and whether it goes on."""

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rnngen.events import Evaluated
from rnngen.tuning import Outcome, Tried

if TYPE_CHECKING:
    from optuna import Trial


@dataclass
class Attempt:
    """A trial on its way."""

    trial: "Trial"
    began: float = field(default_factory=time.monotonic)
    outcome: Outcome = "interrupted"
    progress: float = 0.0
    lowest: float | None = None
    parameters: int | None = None
    chosen: dict[str, Any] = field(default_factory=dict)
    reported: int = 0
    """The last share of the budget, in evaluations, for which a loss was reported."""
    ended: bool = False
    error: Exception | None = None

    @property
    def number(self) -> int:
        """Which of the study's trials it is, from 0."""
        return self.trial.number

    @property
    def seconds(self) -> float:
        """Wall-clock time since it began."""
        return time.monotonic() - self.began

    def take(self, event: Evaluated, evaluations: int, *, by_clock: bool) -> None:
        """Report a held-out loss at the share of the budget where it was found, which others reach too."""
        self.lowest = min(event.nats_per_char, self.lowest or event.nats_per_char)
        share = round(self.progress * evaluations)
        news, self.reported = share > self.reported, max(share, self.reported)
        if news:
            self.trial.report(self.lowest, share)
        if self.progress >= 1 or (by_clock and share == evaluations):  # the clock is read before the step
            self.outcome, self.ended = "complete", True
        elif news and self.trial.should_prune():
            self.outcome, self.ended = "pruned", True

    def told(self, *, best: bool) -> Tried:
        """How it ended."""
        return Tried(
            trial=self.number,
            outcome=self.outcome,
            chosen=self.chosen,
            nats_per_char=self.lowest,
            parameters=self.parameters,
            seconds=self.seconds,
            best=best,
            reason=str(self.error or ""),
        )
