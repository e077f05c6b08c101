"""The search for good sizes and settings: many short trainings, the next chosen by what the last ones gave.

::

    options dataclasses ▸ space ▸ study (Optuna, in a storage that several processes share)
                                    ▸ trial ▸ session.plan, session.train ▸ validation loss ▸ study ▸ …

This module is light: what is reported. ``trials`` searches, and needs Optuna.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from rnngen.events import Event
from rnngen.options.given import Given
from rnngen.requests.train import STAGES, TrainRequest

Outcome = Literal["complete", "pruned", "failed", "interrupted"]


def stages_of(request: TrainRequest) -> dict[str, dict[str, Any]]:
    """Return what a request gives of each stage, and its settings, for JSON."""
    given = {name: getattr(request, name).values for name in STAGES}
    return {**given, "settings": dict(request.settings)}


def request_from(stages: Mapping[str, Mapping[str, Any]], corpus: Sequence[str] = ()) -> TrainRequest:
    """Return the request for a corpus that ``stages_of`` gave those stages."""
    values = {key: value for name in STAGES for key, value in stages.get(name, {}).items()}
    return TrainRequest.of(*corpus, **values, settings=dict(stages.get("settings", {})))


@dataclass(frozen=True)
class Opened(Event):
    """A study is open, new or with the trials of an earlier sitting."""

    study: str
    storage: str
    """The file or the URL that it is kept in."""
    trials: int
    """The number of trials that it holds already."""
    seed: int
    """The seed of every training, and of what is tried."""
    space: Mapping[str, str]
    """The options that are searched, and their ranges."""
    budget: Mapping[str, float]
    """The budget of each trial in minutes, steps or epochs."""


@dataclass(frozen=True)
class Trying(Event):
    """A trial has begun, or made a step."""

    trial: int
    """Its number in the study, from 0."""
    chosen: Mapping[str, Any]
    """The values that it tries."""
    progress: float
    """Share of its budget that is spent, from 0 to 1."""
    nats_per_char: float | None
    """Its lowest validation loss so far."""


@dataclass(frozen=True)
class Tried(Event):
    """A trial has ended."""

    trial: int
    outcome: Outcome
    """``pruned`` is ended early because it was worse than others."""
    chosen: Mapping[str, Any]
    nats_per_char: float | None
    """Its lowest validation loss."""
    parameters: int | None
    """Trainable numbers in its network."""
    seconds: float
    """Wall-clock time that it took."""
    best: bool
    """True if it is complete and the best of the study so far."""
    reason: str = ""
    """Why it failed."""


@dataclass(frozen=True)
class Best:
    """The best trial of a study."""

    trial: int
    nats_per_char: float
    """Its validation loss."""
    chosen: Mapping[str, Any]
    settings: TrainRequest
    """All that was given to its training, corpus and seed included and the budget not."""

    @property
    def names(self) -> set[str]:
        """The options that it decides, by the names of their flags."""
        given: list[Given[Any]] = [getattr(self.settings, stage) for stage in STAGES]
        return {name for one in given for name in one.names} | (
            {"option"} if self.settings.settings else set()
        )

    def under(self, request: TrainRequest, cell: str | None = None) -> TrainRequest:
        """Return a request with these settings below its own.

        Options of a part are left out where the request names another one. ``cell`` is that of a study that
        names none.
        """
        parts = ({"cell": cell} if cell else {}) | self.settings.parts.values
        other = tuple(f"{kind}." for kind, name in request.parts.values.items() if parts.get(kind) != name)
        kept = {key: value for key, value in self.settings.settings.items() if not key.startswith(other)}
        return request.over(replace(self.settings, settings=kept))


@dataclass(frozen=True)
class Searched(Event):
    """The search has ended for now."""

    study: str
    reason: str
    """``budget`` or ``interrupt``."""
    trials: int
    """The number of trials in the study, from all processes."""
    best: Best | None
    """The best complete trial of the study, if there is one."""

    def as_json(self) -> dict[str, Any]:
        """The event as a JSON object, with all settings of the best trial by stage."""
        best = self.best and {
            "trial": self.best.trial,
            "nats_per_char": self.best.nats_per_char,
            "chosen": dict(self.best.chosen),
            "settings": stages_of(self.best.settings),
        }
        return {**Event.as_json(replace(self, best=None)), "best": best}
