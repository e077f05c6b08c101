"""What a study is about: the text, what is held fixed, what is searched, and how long a trial is."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnngen.errors import UsageError
from rnngen.training.plan import PLACES, Plan, Request
from rnngen.tuning import Settings, TuningOptions
from rnngen.tuning.space import Space

if TYPE_CHECKING:
    from optuna import Study

RECORD = "rnngen"
"""The attribute of a study that holds its record."""
MACHINE = {"device", "precision", "seed"}
"""Training options that need not be the same in all processes that share a study."""


@dataclass(frozen=True)
class Record:
    """What all trials of a study have in common, so that their losses can be compared."""

    corpus: str
    """Hash of the text, and of what is held out."""
    fixed: Mapping[str, str]
    """What the person held fixed, by flag."""
    space: Mapping[str, str]
    """What is searched, as ``--search`` takes it."""
    budget: Mapping[str, float]
    """What each trial has: minutes, steps or epochs."""
    seed: int

    def check(self, asked: "Record", study: str) -> None:
        """Refuse to go on with another search than this.

        Raises:
            UsageError: naming the first thing that differs.
        """
        mend = f"ask for the same as before, or give a new study a --name; {study!r} was begun"
        if self.corpus != asked.corpus:
            raise UsageError(f"study {study!r} is about another text; give that one, or a new study a --name")
        for was, now in zip(self._said(), asked._said(), strict=True):
            for key in sorted({*was, *now}):
                if was.get(key) != now.get(key):
                    begun = f"with {key}{was[key]}" if key in was else f"without {key.strip(' =')}"
                    raise UsageError(f"{mend} {begun}; asked for now: {now.get(key, 'nothing')}")

    def _said(self) -> tuple[Mapping[str, Any], ...]:
        return (
            {f"{flag} ": value for flag, value in self.fixed.items()},
            {f"--search {key}=": text for key, text in self.space.items()},
            {f"a trial's {unit} ": amount for unit, amount in self.budget.items()},
            {"--seed ": self.seed},
        )


def record_of(plan: Plan, request: Request, options: TuningOptions, space_: Space) -> Record:
    """What the study would be about if it were new."""
    own: dict[str, float] = {k: v for k, v in request.training.items() if k in ("steps", "epochs")}
    text = plan.config.corpus
    return Record(
        corpus=f"{text.sha256} {text.val_sha256}",
        fixed=_fixed(request, own),
        space=space_.described(),
        budget=own or {"minutes": options.share},
        seed=plan.config.training.seed or 0,
    )


def _fixed(request: Request, budget: Mapping[str, Any]) -> dict[str, str]:
    """What is held fixed, by flag, less what may differ from process to process."""
    left_out = {*MACHINE, *PLACES, *budget}
    stages = Settings.of(request).stages.items()
    return {
        f"-o {key}" if stage == "settings" else f"--{key.replace('_', '-')}": shlex.quote(str(value))
        for stage, given in stages
        for key, value in given.items()
        if key not in left_out
    }


def agree(study: "Study", asked: Record, *, seed_given: bool, budget_given: bool) -> Record:
    """What the study is about, from now on or since its first sitting.

    Args:
        study: new, or with trials of an earlier sitting or of another process.
        asked: what is wanted now.
        seed_given: whether the person named the seed, or it may be the study's.
        budget_given: the same for what a trial has.

    Raises:
        UsageError: if the study is about something else.
    """
    held: dict[str, Any] | None = study.user_attrs.get(RECORD)
    if held is None:
        study.set_user_attr(RECORD, vars(asked))
        return asked
    record = Record(**held)
    own = {
        "seed": asked.seed if seed_given else record.seed,
        "budget": asked.budget if budget_given else record.budget,
    }
    record.check(Record(**{**vars(asked), **own}), study.study_name)
    return record
