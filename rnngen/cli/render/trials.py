"""The display of a search: its trials as a listing and as lines, and the command of the best one."""

import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rnngen.cli import streams
from rnngen.cli.render.progress import Follower, amount, clock, loss
from rnngen.events import Event
from rnngen.printable import shown
from rnngen.requests.train import STAGES, TrainRequest
from rnngen.tuning import Best, Opened, Searched, Tried, Trying

COLUMNS = ("trial", "nats/char", "", "parameters", "time", "tried")
ROWS = 12
"""The latest trials, which a live listing shows; the best one stays."""
SECONDS = 0.3
"""Between two frames of it, at least."""


@dataclass
class Trials(Follower):
    """The state of a search, from its events so far."""

    opened: Opened | None = None
    ended: list[Tried] = field(default_factory=list)
    best: Tried | None = None
    current: Trying | None = None
    searched: Searched | None = None

    def take(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Opened():
                self.opened = event
            case Trying():
                self.current = event
            case Tried():
                self.current = None
                self.ended.append(event)
                self.best = event if event.best else self.best
            case Searched():
                self.searched = event

    def rows(self) -> list[list[object]]:
        """The best trial, the latest ones, and the one that is on its way."""
        latest = self.ended[-ROWS:]
        kept = [self.best] if self.best and self.best not in latest else []
        rows = [_row(trial, best=trial is self.best) for trial in (*kept, *latest)]
        if now := self.current:
            reached = None if now.nats_per_char is None else loss(now.nats_per_char)
            rows.append([now.trial, reached, f"{now.progress:.0%}", None, None, chosen(now.chosen)])
        return rows


def _row(trial: Tried, *, best: bool) -> list[object]:
    size = None if trial.parameters is None else amount(trial.parameters)
    reached = None if trial.nats_per_char is None else loss(trial.nats_per_char)
    outcome = "best" if best else trial.outcome
    return [trial.trial, reached, outcome, size, clock(trial.seconds), chosen(trial.chosen)]


def listings(
    events: Iterable[Event], trials: Trials
) -> Iterator[tuple[Sequence[Sequence[object]], Sequence[str]]]:
    """Frames of a live listing, some a second; ``trials`` must follow the same events."""
    drawn = 0.0
    for event in events:
        if not isinstance(event, Trying) or time.monotonic() - drawn >= SECONDS:
            drawn = time.monotonic()
            yield trials.rows(), COLUMNS


def line(event: Event) -> str | None:
    """Return the line that shows an event, if there is one."""
    match event:
        case Opened():
            each = ", ".join(f"{value:g} {unit}" for unit, value in event.budget.items())
            space = ", ".join(f"{name} {text}" for name, text in event.space.items())
            held = f"{event.trials} trials so far, each {each}, seed {event.seed}"
            return f"study {shown(event.study)} in {shown(event.storage)}: {held}; searching {space}"
        case Tried():
            reached = "" if event.nats_per_char is None else f"  {loss(event.nats_per_char)}"
            outcome = "" if event.outcome == "complete" else f"  {event.outcome}"
            why = f" ({shown(event.reason)})" if event.reason else ""
            best = " (best)" if event.best else ""
            tried = chosen(event.chosen)
            return f"trial {event.trial}{reached}{best}{outcome}{why}  {clock(event.seconds)}  {tried}"
        case Searched(best=None):
            return "no trial is complete yet"
        case Searched(best=Best() as best):
            value = f"{loss(best.nats_per_char)} nats/char"
            return f"best of {event.trials} trials: {value}, trial {best.trial}"
    return None


def chosen(values: Mapping[str, Any]) -> str:
    """``hidden=256 lr=0.0031``."""
    return " ".join(f"{name}={_short(value)}" for name, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else shown(str(value))


def json_line(event: Event, corpus: Sequence[str]) -> str | None:
    """An ended trial, or the end of the search with its best trial and the command that trains it."""
    if not isinstance(event, Tried | Searched):
        return None
    record = event.as_json()
    if isinstance(event, Searched) and event.best:
        record["best"]["command"] = command(event.best.settings, corpus)
    return streams.json_line(record)


def command(settings: TrainRequest, corpus: Sequence[str]) -> str:
    """The command that trains with given settings, as a shell takes it."""
    words = ["rnngen", "train", *corpus]
    for name in STAGES:
        for key, value in getattr(settings, name).values.items():
            words += _flag(key, value)
    words += [word for key, value in settings.settings.items() for word in ("-o", f"{key}={value}")]
    return shlex.join(words)


def _flag(key: str, value: Any) -> Iterator[str]:
    flag = key.replace("_", "-")
    if isinstance(value, bool):
        yield f"--{flag}" if value else f"--no-{flag}"
        return
    yield f"--{flag}"
    yield "none" if value is None else str(value)
