"""A request to search for good settings: what is held fixed, what is searched, and for how long."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from rnngen.options import require_range
from rnngen.options.given import Given
from rnngen.requests.conflicts import Conflict, check
from rnngen.requests.train import TrainRequest

TRIALS = 20
"""Number of full trainings that the default budget is meant for."""
MINUTES = 30.0
"""The budget by default."""
USED = 0.9
"""Share of it that is for training: trials also start up, and read validation text once more."""


@dataclass(frozen=True)
class TuningOptions:
    """Budget and method of a search."""

    minutes: float | None = None
    """Budget: minutes of the search, over all trials; 30 if --trials is not given either."""
    trials: int | None = None
    """Budget: number of trials to make now."""
    trial_minutes: float | None = None
    """Minutes that one trial trains; by default enough time for 20 of them, or for --trials. --steps and
    --epochs do the same."""
    prune: Literal["median", "halving", "none"] = "median"
    """Trials that end early: those worse than half of the others at the same share of their time, all but
    the best third of each rung (asynchronous successive halving: Li et al. 2020), or none."""

    def __post_init__(self) -> None:
        for name in ("minutes", "trial_minutes"):
            require_range(name, getattr(self, name), 0, above=True)
        require_range("trials", self.trials, 1)

    @property
    def seconds(self) -> float:
        """Wall-clock time over all trials; infinite where only their number is limited."""
        if self.minutes is None and self.trials is not None:
            return float("inf")
        return 60 * (self.minutes or MINUTES)

    @property
    def share(self) -> float:
        """Minutes that one trial trains."""
        wanted = self.trials if self.minutes and self.trials else TRIALS
        return self.trial_minutes or USED * (self.minutes or MINUTES) / wanted


_BUDGETS = "they are different budgets"
CONFLICTS = (
    Conflict("steps", "trial_minutes", _BUDGETS),
    Conflict("epochs", "trial_minutes", _BUDGETS),
)
"""Options that cannot stand together, by name."""


@dataclass(frozen=True)
class TuneRequest:
    """A search for good settings for a text.

    Raises:
        ConflictError: for options that cannot stand together.
    """

    fixed: TrainRequest
    """The text, and what is held fixed; its steps or epochs, if any, are a trial's, and its name is the
    study's."""
    tuning: Given[TuningOptions] = field(default_factory=lambda: Given(TuningOptions()))
    search: Mapping[str, str] = field(default_factory=dict)
    """Options to search besides those that declare it, or in narrower ranges: texts that ``Option.space``
    reads."""
    storage: str | None = None
    """A journal file or the URL of a database; a file of the study's own if not given."""

    def __post_init__(self) -> None:
        check(self, CONFLICTS)
