"""The search for good sizes and settings: many short trainings, the next chosen by what the last ones gave.

::

    options dataclasses ▸ space ▸ study (Optuna, in a storage that several processes share)
                                    ▸ trial ▸ session.plan, session.train ▸ held-out loss ▸ study ▸ …

This module is light: what can be chosen, and what is reported. ``trials`` searches, and needs Optuna.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from rnngen.events import Event
from rnngen.options import require

if TYPE_CHECKING:
    from rnngen.training.plan import Request

Outcome = Literal["complete", "pruned", "failed", "interrupted"]
STAGES = ("parts", "text", "network", "training", "settings")
"""The fields of a ``Request`` that say how to train, and so what a study is about."""
TRIALS = 20
"""How many full trainings the budget is meant for, where the person does not say."""
MINUTES = 30.0
"""The budget, likewise."""
USED = 0.9
"""Share of it that is for training: trials begin, and read held-out text once more than they train."""


@dataclass(frozen=True)
class TuningOptions:
    """How long to search, and how."""

    minutes: float | None = None
    """Budget: how long to search, over all trials; 30 if --trials is not given either."""
    trials: int | None = None
    """Budget: how many trials to make now."""
    trial_minutes: float | None = None
    """How long one trial trains; if not given what suits 20 of them, or --trials. --steps and --epochs do
    the same."""
    prune: Literal["median", "halving", "none"] = "median"
    """Which trials end early: those worse than half of the others at the same share of their time, all but
    the best third of each rung (asynchronous successive halving: Li et al. 2020), or none."""

    def __post_init__(self) -> None:
        for name in ("minutes", "trial_minutes"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), f"{name}={value}: a number above 0 expected")
        require(self.trials is None or self.trials >= 1, f"trials={self.trials}: at least 1 expected")

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


@dataclass(frozen=True)
class Settings:
    """How a model is to be trained, as a study stores it: what was held fixed and what a trial chose."""

    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was given of each of ``STAGES``."""

    @classmethod
    def of(cls, request: "Request") -> "Settings":
        """Those of a request."""
        return cls({name: dict(getattr(request, name)) for name in STAGES})

    def over(self, request: "Request") -> "Request":
        """The request with these settings above its own."""
        return _merged(request, Settings.of(request).stages, self.stages)

    def under(self, request: "Request") -> "Request":
        """The request with these settings below its own; options of a part that it replaces are left out."""
        parts = self.stages.get("parts", {})
        other = tuple(f"{kind}." for kind, name in request.parts.items() if parts.get(kind) != name)
        kept = {k: v for k, v in self.stages.get("settings", {}).items() if not k.startswith(other)}
        return _merged(request, {**self.stages, "settings": kept}, Settings.of(request).stages)


def _merged(
    request: "Request", below: Mapping[str, Mapping[str, Any]], above: Mapping[str, Mapping[str, Any]]
) -> "Request":
    own: dict[str, Any] = {name: {**below.get(name, {}), **above.get(name, {})} for name in STAGES}
    return replace(request, **own)


@dataclass(frozen=True)
class Opened(Event):
    """A study is there, new or with the trials of an earlier sitting."""

    study: str
    """Its name."""
    storage: str
    """The file or the URL of what it is kept in."""
    trials: int
    """Those that it holds already."""
    seed: int
    """The seed of every training, and of what is tried."""
    space: Mapping[str, str]
    """What is searched, and in which range."""
    budget: Mapping[str, float]
    """What each trial has: minutes, steps or epochs."""


@dataclass(frozen=True)
class Trying(Event):
    """A trial has begun, or made a step."""

    trial: int
    """Its number in the study, from 0."""
    chosen: Mapping[str, Any]
    """What it tries."""
    progress: float
    """How much of its budget is spent, from 0 to 1."""
    nats_per_char: float | None
    """Its lowest held-out loss so far."""


@dataclass(frozen=True)
class Tried(Event):
    """A trial has ended."""

    trial: int
    """Its number in the study, from 0."""
    outcome: Outcome
    """``pruned`` is ended early because it was worse than others."""
    chosen: Mapping[str, Any]
    """What it tried."""
    nats_per_char: float | None
    """Its lowest held-out loss."""
    parameters: int | None
    """Trainable numbers in its network."""
    seconds: float
    """Wall-clock time that it took."""
    best: bool
    """Whether it is complete and the best of the study so far."""
    reason: str = ""
    """Why it failed."""


@dataclass(frozen=True)
class Searched(Event):
    """The search has ended for now."""

    study: str
    """Its name."""
    reason: str
    """``budget`` or ``interrupt``."""
    trials: int
    """All of the study, whoever made them."""
    best: "Best | None"
    """The best complete trial of the study, if there is one."""


@dataclass(frozen=True)
class Best:
    """The best trial of a study."""

    trial: int
    """Its number in the study, from 0."""
    nats_per_char: float
    """Its held-out loss."""
    chosen: Mapping[str, Any]
    """What it tried."""
    settings: Settings
    """All of its settings, the seed among them; its budget is not."""
