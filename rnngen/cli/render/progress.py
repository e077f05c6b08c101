"""A training run in words: its progress, its plain lines, and numbers for people."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TypeAlias

from rnngen.events import (
    Copied,
    Evaluated,
    Event,
    FinalEvaluation,
    Finished,
    Preparing,
    Sampled,
    Saved,
    Started,
    Step,
    Surveyed,
)
from rnngen.printable import printable, shown

PLAIN_EVERY = 0.08
"""The share of the budget between two plain lines, at most. It is more than that between two of the 20
evaluations of the default, so that these are the lines."""
SAMPLE_EVERY = 0.19
"""The share of the budget between two samples among the plain lines, at least: that makes five."""
Point: TypeAlias = tuple[float, float]
"""A step and a loss."""


class Follower:
    """Follows events and keeps their latest values."""

    def follow(self, events: Iterable[Event]) -> Iterator[Event]:
        """Pass the events on, each after ``take``."""
        for event in events:
            self.take(event)
            yield event

    def take(self, event: Event) -> None:
        """Take in one event."""
        raise NotImplementedError


@dataclass
class Series:
    """Losses of a run of any length, in bounded memory: when it is full, neighbours are averaged."""

    limit: int = 512
    points: list[Point] = field(default_factory=list)
    _stride: int = 1
    _pending: list[Point] = field(default_factory=list)

    def add(self, step: float, loss: float) -> None:
        """Add a loss; what is not a finite number is left out."""
        if not isfinite(loss):
            return
        self._pending.append((step, loss))
        if len(self._pending) >= self._stride:
            self.points.append(mean(self._pending))
            self._pending = []
        if len(self.points) >= self.limit:
            self.points = [mean(self.points[at : at + 2]) for at in range(0, len(self.points), 2)]
            self._stride *= 2


def mean(points: Sequence[Point]) -> Point:
    """Average steps and losses."""
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)


@dataclass
class Progress(Follower):
    """The latest events of a run, and its losses so far."""

    shown_sample: Sampled | None = None
    """The last sample among the plain lines."""
    sample_due: float = SAMPLE_EVERY
    """The share of the budget from which the next one is shown."""
    preparing: Preparing | None = None
    started: Started | None = None
    step: Step | None = None
    evaluated: Evaluated | None = None
    best: Evaluated | None = None
    sample: Sampled | None = None
    final: FinalEvaluation | None = None
    finished: Finished | None = None
    train: Series = field(default_factory=Series)
    val: Series = field(default_factory=Series)

    def take(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case Preparing():
                self.preparing = event
            case Started():  # an ensemble's networks start one after another
                vars(self).update(vars(Progress(started=event)))
            case Step():
                self.step = event
                self.train.add(event.step, event.batch_loss * self.tokens_per_char)
            case Evaluated():
                self.evaluated = event
                self.best = event if event.best else self.best
                self.val.add(event.step, event.nats_per_char)
            case Sampled():
                self.sample = event
            case FinalEvaluation():
                self.final = event
            case Finished():
                self.finished = event

    def facts(self) -> list[str]:
        """Describe the constants of a run."""
        if not (run := self.started):
            return []
        return [
            f"{amount(run.parameters)} parameters",
            f"vocabulary of {amount(run.vocabulary)}",
            f"{amount(run.train_tokens)} tokens to learn",
            f"{amount(run.val_tokens)} held out",
            "losses in nats/char",
            f"{run.device} {run.precision}",
            f"seed {run.seed}",
            *([f"taught by {', '.join(map(shown, run.teachers))}"] if run.teachers else []),
        ]

    def figures(self) -> list[tuple[str, str]]:
        """Return the values of the latest step, with their labels."""
        if not (step := self.step):
            return []
        return [
            ("step", self.steps_done),
            ("epoch", f"{step.epoch:.1f}"),
            ("tok/s", amount(step.tokens_per_second)),
            ("lr", f"{step.lr:.2g}"),
            ("grad", f"{step.grad_norm:.2f}"),
        ]

    def losses(self) -> list[tuple[str, str]]:
        """Return the latest losses and the best one, with their labels."""
        losses = [("train", self.train_loss)] if self.step else []
        if self.evaluated:
            losses.append(("val", loss(self.evaluated.nats_per_char)))
        if self.best:
            losses.append(("best", f"{loss(self.best.nats_per_char)} at {self.best.step}"))
        if self.final:
            losses += [("exactly", loss(self.final.stream)), ("in windows", loss(self.final.window))]
        return losses

    @property
    def tokens_per_char(self) -> float:
        """The tokens of the training text for each of its characters; 1 where that is not known."""
        run = self.started
        return run.train_tokens / run.train_chars if run and run.train_chars else 1.0

    @property
    def train_loss(self) -> str:
        """The training loss, in nats per character."""
        return loss(self.step.loss * self.tokens_per_char) if self.step else ""

    def takes_sample(self, verbose: int) -> bool:
        """Return whether the sample of the moment is one of the few among the plain lines."""
        spent = self.step.progress if self.step else 0.0
        if not verbose and spent < self.sample_due:
            return False
        self.shown_sample, self.sample_due = self.sample, spent + SAMPLE_EVERY
        return True

    @property
    def steps_done(self) -> str:
        """``1200/4900``, or ``1200`` where only the clock decides."""
        done = str(self.step.step) if self.step else "0"
        return f"{done}/{self.started.steps}" if self.started and self.started.steps else done


# ── Lines ──────────────────────────────────────────────────────────────────────────────────────────────────


def plain_lines(events: Iterable[Event], progress: Progress, verbose: int = 0) -> Iterator[str]:
    """Describe each evaluation, and some steps between, in a line; ``progress`` must follow the events."""
    due = 0.0
    for event in events:
        match event:
            case Started():
                due = 0.0
                yield f"rnngen: {shown(event.model)}: {', '.join(progress.facts())}"
            case Surveyed() | Copied() | Preparing(progress=None):
                yield f"rnngen: {shown(event.message)}"
            case Step(progress=spent) if spent >= due:
                due = spent + PLAIN_EVERY
                yield step_line(progress)
            case Evaluated():
                due = (progress.step.progress if progress.step else 0) + PLAIN_EVERY
                yield step_line(progress, event)
            case Saved(path=path) if verbose:
                yield f"rnngen: saved {shown(path)}"
            case Sampled() if progress.takes_sample(verbose):
                yield from sample_lines(event)
            case FinalEvaluation():
                yield f"rnngen: {final_line(event)}"
            case Finished():
                yield from last_lines(progress, event)


def last_lines(progress: Progress, event: Finished) -> Iterator[str]:
    """Show the last sample, if it has not been shown, and how the run ended."""
    if progress.sample and progress.sample is not progress.shown_sample:
        yield from sample_lines(progress.sample)
    yield f"rnngen: {ending(event)}"


def final_line(event: FinalEvaluation) -> str:
    """Describe the exact losses in one line."""
    alone = ""
    if event.network is not None and event.ngram is not None:
        alone = f"; the network alone {loss(event.network)}, its n-gram alone {loss(event.ngram)}"
    return (
        f"held-out text at step {event.step}, nats per character: {loss(event.stream)} in one go (stream), "
        f"{loss(event.window)} in windows of 256 tokens (window){alone}"
    )


def sample_lines(event: Sampled) -> list[str]:
    """``  | a line`` for each line of a sample."""
    return [f"  | {line}" for line in printable(event.text).split("\n")]


def step_line(progress: Progress, evaluated: Evaluated | None = None) -> str:
    """``step 1200/4900  epoch 2.4  train 1.6312  val 1.7120 (best)  lr 0.0021  41.2k tok/s  left 1:12``."""
    step = progress.step
    if step is None:  # evaluated before the first step, as after a resume
        return f"step {evaluated.step}  val {loss(evaluated.nats_per_char)}" if evaluated else ""
    words = [f"step {progress.steps_done}", f"epoch {step.epoch:.1f}", f"train {progress.train_loss}"]
    if evaluated:
        words.append(f"val {loss(evaluated.nats_per_char)}" + (" (best)" if evaluated.best else ""))
    words += [f"lr {step.lr:.2g}", f"{amount(step.tokens_per_second)} tok/s"]
    if step.seconds_left is not None:
        words.append(f"left {clock(step.seconds_left)}")
    return "  ".join(words)


ENDINGS = {
    "budget": "done",
    "early stop": "done early, since it got no better",
    "interrupt": "interrupted",
}
"""The reasons of ``Finished``, in words."""


def ending(event: Finished) -> str:
    """Describe the end of a run in one line."""
    made = f"{ENDINGS.get(event.reason, event.reason)}: {event.step} steps in {clock(event.seconds)}"
    if not isfinite(event.best_nats_per_char):  # interrupted before the first evaluation
        return f"{made}, the held-out text not tried yet"
    place = f"step {event.best_step}" if event.best_step else "the start"
    return f"{made}, best {loss(event.best_nats_per_char)} nats/char at {place}"


# ── Numbers and text ───────────────────────────────────────────────────────────────────────────────────────


def amount(count: float) -> str:
    """Format a number with three figures: ``950``, ``41.2k``, ``1.00M``."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= 0.9995 * size:
            digits = 2 if count < 9.995 * size else 1 if count < 99.95 * size else 0
            return f"{count / size:.{digits}f}{letter}"
    return f"{count:.0f}"


def disk_size(count: int) -> str:
    """Format a number of bytes: ``950 B``, ``41.2 kB``, ``1.00 MB``."""
    text = amount(count)
    return f"{text[:-1]} {text[-1]}B" if text[-1].isalpha() else f"{text} B"


def age(seconds: float) -> str:
    """Format the time since something was made: ``now``, ``5 min``, ``3 h``, ``12 d``."""
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return "now"


def clock(seconds: float) -> str:
    """Format a duration: ``1:12``, ``1:02:05``."""
    if not isfinite(seconds):
        return "?"
    minutes, rest = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def loss(value: float) -> str:
    """Format a loss in nats."""
    return f"{value:.4f}"
