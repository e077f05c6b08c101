"""``rnngen tune``: search for the sizes and settings that suit a text."""

import shlex
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import completers, flags, streams
from rnngen.cli.commands.train import (
    NO_SETTINGS,
    interruptible,
    parts_flags,
    request_of,
    storage_flag,
)
from rnngen.cli.context import session
from rnngen.cli.render import console
from rnngen.cli.render.progress import Follower, amount, clock, loss
from rnngen.cli.settings import given, overrule, resolve
from rnngen.errors import INTERRUPTED, UsageError
from rnngen.events import Event
from rnngen.options import describe, flag_name, option_text
from rnngen.options.corpus import CorpusOptions
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.printable import counted, shown
from rnngen.requests.train import STAGES, TrainRequest
from rnngen.requests.tune import TuneRequest, TuningOptions
from rnngen.tuning import Best, Opened, Searched, Tried, Trying

if TYPE_CHECKING:
    from rnngen.api import Session

COLUMNS = ("trial", "nats/char", "", "parameters", "time", "tried")
ROWS = 12
"""The latest trials, which a live listing shows; the best one stays."""
SECONDS = 0.3
"""Between two frames of it, at least."""
TRAINING = [
    option.name
    for option in describe(TrainingOptions)
    if option.name not in ("minutes", "ensemble") and not option.name.startswith("teacher")
]
"""A trial's minutes are called ``--trial-minutes`` here, and it has no teachers."""


def _searches(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read ``KEY=RANGE,KEY=RANGE``."""
    found: dict[str, str] = {}
    for text in (part for value in values for part in value.split(",") if part.strip()):
        key, equals, wanted = text.partition("=")
        if not equals or not key.strip() or not wanted:
            raise UsageError(f"--search {text!r} is not of the form KEY=LOW..HIGH or KEY=ONE|ANOTHER")
        found[key.strip()] = wanted.strip()
    return found


@flags.examples(
    "rnngen tune corpus.txt --minutes 30",
    "rnngen train corpus.txt --from-study corpus",
    "rnngen tune corpus.txt --search 'cell=lstm|gru,hidden=128|256|512'",
    "rnngen tune corpus.txt --search lr=1e-4..1e-2:log --trials 40",
    "rnngen tune corpus.txt --storage postgresql://host/studies",
)
@click.command(cls=flags.Command)
@click.argument("corpus", nargs=-1, metavar="CORPUS...", type=click.Path())
@click.option(
    "--name", shell_complete=completers.studies, help="The study's name; by default that of the corpus."
)
@flags.options_from(TuningOptions)
@click.option(
    "--search",
    multiple=True,
    metavar="KEY=RANGE",
    callback=_searches,
    help="Search an option in this range: LOW..HIGH, LOW..HIGH:log, LOW..HIGH:STEP or ONE|ANOTHER; several "
    "separated by commas. Options given by other flags are held fixed.",
)
@storage_flag
@parts_flags
@flags.set_flag
@flags.options_from(CorpusOptions, heading="Text", common=())
@flags.options_from(NetworkOptions, heading="Network", common={"hidden", "layers"})
@flags.options_from(TrainingOptions, only=TRAINING, heading="Training of a trial", common={"seed"})
@flags.quiet_flag
@flags.json_lines_flag
@click.pass_context
def tune(ctx: click.Context, /, json: bool, quiet: bool, **params: Any) -> None:
    """Search for the sizes and settings that suit CORPUS, by many short trainings.

    Each trial is a training with a share of the time; those that do worse than others end early. The study is
    kept: the same command goes on with it, in several processes or on several machines at once if they share
    its --storage. No model is made; 'rnngen train CORPUS --from-study NAME' trains the best one with a budget
    of its own. The command that does the same by flags is written to standard output.
    """
    from rnngen.tuning.trials import tune as search

    overrule(ctx, params, ["steps"], ["epochs"], ["trial_minutes"])
    here = session(ctx)
    request = resolve(ctx, given(ctx, params), lambda found: _request(here, **found))
    mode = console.progress_mode(as_json=json, quiet=quiet)
    with interruptible() as stopped:
        found = _show(search(here, request, stopped), request.fixed.corpus, mode)
    if found and found.best and not json:
        console.line(command(found.best.settings, request.fixed.corpus))
    if found and found.reason == "interrupt":
        console.note(f"stopped; go on with: {shlex.join(['rnngen', 'tune', *ctx.meta[flags.ARGUMENTS]])}")
        ctx.exit(INTERRUPTED)


def _request(
    here: "Session", *, search: Mapping[str, str] = NO_SETTINGS, storage: str | None = None, **params: Any
) -> TuneRequest:
    """Make a request of the parameters that were given; its minutes are those of the search."""
    fixed = here.checked(request_of(**{**params, "minutes": None}))
    return TuneRequest(fixed, flags.parsed(TuningOptions, params), search, storage)


def _show(events: Iterable[Event], corpus: Sequence[str], mode: str) -> Searched | None:
    """Run the search to its end and show what it reports."""
    state = Trials()
    followed = console.with_warnings(state.follow(events))
    if mode == "live":
        console.live_table(listings(followed, state))
    for event in followed:  # none are left where they were drawn
        if mode == "json" and (record := json_line(event, corpus)):
            click.echo(record)
        if mode == "plain" and (text := line(event)):
            console.note(text)
    if mode == "live" and state.searched and (text := line(state.searched)):
        console.note(text)
    return state.searched


# ── The display: trials as a listing and as lines, and the command of the best one ─────────────────────────


@dataclass
class Trials(Follower):
    """The state of a search, from its events so far."""

    ended: list[Tried] = field(default_factory=list)
    best: Tried | None = None
    current: Trying | None = None
    searched: Searched | None = None

    def take(self, event: Event) -> None:
        """Take in one event."""
        match event:
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
            held = f"{counted(event.trials, 'trials')} so far, each {each}, seed {event.seed}"
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
            return f"best of {counted(event.trials, 'trials')}: {value}, trial {best.trial}"
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
    flag = flag_name(key)
    if isinstance(value, bool):
        yield flag if value else f"--no-{flag[2:]}"
        return
    yield flag
    yield option_text(value)
