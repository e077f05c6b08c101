"""The search: ask the study for settings, train, report the validation loss to the study.

What a trial tries depends on the study's seed, and on the trials before it that were not interrupted, so that
a search which is stopped and goes on tries what an unbroken one would have tried. (One that is killed leaves
a trial that is not known to be interrupted.)
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from rnngen.api import Session
from rnngen.errors import RnngenError
from rnngen.events import Evaluated, Event, Started, Step, Warned
from rnngen.requests.train import TrainRequest
from rnngen.requests.tune import TuneRequest, TuningOptions
from rnngen.store.model_folder import ModelStore
from rnngen.tuning import Opened, Outcome, Searched, Tried, Trying, stages_of, studies
from rnngen.tuning.space import Space, space

if TYPE_CHECKING:
    from optuna import Study, Trial

INTERRUPTED = "interrupted"
"""The attribute of a trial that was interrupted, and is tried again under the next number."""
UNLUCKY = 3
"""Failed trials in a row, without one that worked, that end the search with the last one's error."""


@dataclass
class Attempt:
    """A trial on its way."""

    trial: "Trial"
    began: float = field(default_factory=time.monotonic)
    outcome: Outcome = "interrupted"
    progress: float = 0.0
    steps: int | None = None
    """The step that it ends at; None where only the clock decides."""
    lowest: float | None = None
    parameters: int | None = None
    chosen: dict[str, Any] = field(default_factory=dict)
    reported: int = 0
    """The last share of the budget, in evaluations, for which a loss was reported."""
    ended: bool = False
    error: Exception | None = None

    @property
    def seconds(self) -> float:
        """Wall-clock time since it began."""
        return time.monotonic() - self.began

    def take(self, event: Evaluated, evaluations: int, *, by_clock: bool) -> None:
        """Report a validation loss at the share of the budget where it was found, which others reach too."""
        self.lowest = min(event.nats_per_char, self.lowest or event.nats_per_char)
        share = round(self.progress * evaluations)
        news, self.reported = share > self.reported, max(share, self.reported)
        if news:
            self.trial.report(self.lowest, share)
        if self.progress >= 1 or (by_clock and share == evaluations):  # the clock is read before the step
            self.outcome, self.ended = "complete", True
        elif news and self.trial.should_prune():
            self.outcome, self.ended = "pruned", True


def tune(session: Session, request: TuneRequest, stop: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """Search for good settings, and report; models are trained in a temporary folder and not kept.

    The session's plugins are used, its models are left alone. ``stop`` is asked after each step.

    Raises:
        RnngenError: of every kind, before the first trial; and if no trial works.
    """
    studies.require_optuna()
    began = time.monotonic()
    with TemporaryDirectory(prefix="rnngen-tune-") as folder:
        inner = replace(session, models=ModelStore(Path(folder)))
        yield from _Search.begin(inner, request, stop, began).run()


@dataclass
class _Search:
    """One sitting of a search."""

    session: Session
    fixed: TrainRequest
    """The options that are held fixed, budget and seed included."""
    options: TuningOptions
    space: Space
    study: "Study"
    place: str
    record: studies.Record
    stop: Callable[[], bool]
    deadline: float
    evaluations: int
    """Number of evaluations of a trial's network."""
    held: int
    """Trials of earlier sittings, and of other processes."""
    took: list[float] = field(default_factory=list)
    """Seconds that complete trials took."""
    failures: int = 0
    """Trials that failed since the last one that did not."""

    @classmethod
    def begin(
        cls, session: Session, request: TuneRequest, stop: Callable[[], bool], began: float
    ) -> "_Search":
        """Read the text, and open the study."""
        plan, options = session.plan(request.fixed), request.tuning.options
        searched = space(session.registry, plan, request.fixed, request.search)
        place = studies.place_of(plan.name, request.storage)
        evaluations = plan.config.training.evaluations
        study = studies.open_study(plan.name, place, options.prune, evaluations)
        record = studies.agree(study, studies.record_of(plan, request, searched), request)
        training = request.fixed.training.adding({**record.budget, "seed": record.seed})
        fixed = replace(request.fixed, training=training)
        held = sum(trial.state.name != "WAITING" for trial in study.trials)
        if not study.trials:  # the first trial is what trains without a search
            sized, _ = session.with_sizes(fixed)
            study.enqueue_trial(searched.defaults(session.plan(sized)), skip_if_exists=True)
        deadline = began + options.seconds
        return cls(session, fixed, options, searched, study, place, record, stop, deadline, evaluations, held)

    def run(self) -> Iterator[Event]:
        """Trial after trial, while there is time."""
        record, name, made = self.record, self.study.study_name, 0
        yield Opened(name, self.place, self.held, record.seed, self.space.described(), record.budget)
        while not self.stop() and self._room(made):
            yield from self._try()
            made += 1
        reason = "interrupt" if self.stop() else "budget"
        begun = [trial for trial in self.study.trials if trial.state.name != "WAITING"]
        yield Searched(name, reason, len(begun), studies.best_of(self.study))

    def _room(self, made: int) -> bool:
        """Return whether one more trial would end in time."""
        if self.options.trials is not None and made >= self.options.trials:
            return False
        expected = sum(self.took) / len(self.took) if self.took else self._minutes * 60
        return made == 0 or time.monotonic() + expected <= self.deadline

    @property
    def _minutes(self) -> float:
        return self.record.budget.get("minutes", 0.0)

    def _try(self) -> Iterator[Event]:
        from optuna.trial import TrialState

        trial = self.study.ask()
        attempt, state = Attempt(trial), TrialState.FAIL
        try:
            yield from self._train(attempt)
            state = TrialState.COMPLETE if attempt.outcome == "complete" else state
            state = TrialState.PRUNED if attempt.outcome == "pruned" else state
        finally:
            value = attempt.lowest if state == TrialState.COMPLETE else None
            if attempt.outcome == "interrupted":
                trial.set_user_attr(INTERRUPTED, True)
            self.study.tell(trial, value, state=state)
            if attempt.outcome == "interrupted" and trial.params:  # the next sitting tries it again
                self.study.enqueue_trial(trial.params)
        best, reason = studies.best_of(self.study), str(attempt.error or "")
        found = (attempt.chosen, attempt.lowest, attempt.parameters, attempt.seconds)
        is_best = best is not None and best.trial == trial.number
        yield Tried(trial.number, attempt.outcome, *found, is_best, reason)
        self._count(attempt)

    def _train(self, attempt: Attempt) -> Iterator[Event]:
        """Choose, train and report; what goes wrong is the trial's, and not the search's."""
        try:
            plan = self.session.plan(self._request(attempt))
            events = cast("Generator[Event]", self.session.train(plan, self.stop, extras=False))
            with closing(events):  # which puts away what is half done
                yield from self._follow(attempt, events)
        except (RnngenError, MemoryError, RuntimeError) as error:  # torch's lack of memory is the last
            attempt.outcome, attempt.error = "failed", error

    def _request(self, attempt: Attempt) -> TrainRequest:
        """Return the request of a trial: its choices above the options that are held fixed."""
        from optuna.samplers import TPESampler

        trial = attempt.trial
        before = self.study.trials[: trial.number]
        number = sum(INTERRUPTED not in one.user_attrs for one in before)
        self.study.sampler = TPESampler(seed=(self.record.seed + 7919 * number) % 2**32)
        try:
            chosen = self.space.choose(trial, self.fixed)
        except ValueError as error:  # Optuna's: a list of values that is another by now
            raise RnngenError(
                f"study {self.study.study_name!r}: {error}; give a new study a --name"
            ) from error
        attempt.chosen = dict(trial.params)
        request = replace(chosen, name="trial", force=True)
        kept = replace(request, training=request.training.without(self.record.budget))
        trial.set_user_attr(studies.SETTINGS, stages_of(kept))
        trial.set_user_attr(studies.CORPUS, self.fixed.files)
        return request

    def _follow(self, attempt: Attempt, events: Iterator[Event]) -> Iterator[Event]:
        """Watch a training, and end it when it is done or not worth its time."""
        for event in events:
            match event:
                case Started():
                    attempt.parameters, attempt.steps = event.parameters, event.steps
                    yield Trying(attempt.trial.number, attempt.chosen, 0.0, None)
                case Step():
                    attempt.progress = event.progress
                    yield Trying(attempt.trial.number, attempt.chosen, event.progress, attempt.lowest)
                case Warned(message=message):
                    yield Warned(f"trial {attempt.trial.number}: {message}")
                case Evaluated():
                    if attempt.steps:  # a GPU reports a step in ten, which is not the one before this
                        attempt.progress = event.step / attempt.steps
                    attempt.take(event, self.evaluations, by_clock=bool(self._minutes))
            if attempt.ended or self._ends(attempt):
                return
        attempt.outcome = "complete"

    def _ends(self, attempt: Attempt) -> bool:
        late = not self._minutes and time.monotonic() > self.deadline  # minutes end by themselves
        if self.stop() or late:
            attempt.outcome = "interrupted"
            return True
        return False

    def _count(self, attempt: Attempt) -> None:
        """Take note of how it went; raise its error if none has worked so far."""
        if attempt.outcome == "complete":
            self.took.append(attempt.seconds)
        self.failures = self.failures + 1 if attempt.error else 0
        if attempt.error and self.failures >= UNLUCKY and studies.best_of(self.study) is None:
            raise attempt.error
