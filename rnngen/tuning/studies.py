"""Studies on disk: what they are about and what was tried, in a storage that processes and machines share.

By default a study is a journal file of its own in the user's home folder. ``--storage`` takes another journal
file, on a shared disk say, or the URL of a database; both hold any number of studies.
"""

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnngen.errors import NotFoundError, OptionError, PluginError, RnngenError, UnknownName, UsageError
from rnngen.options import flag_name
from rnngen.options.typed import check_types
from rnngen.paths import home, require_regular
from rnngen.requests.tune import TuneRequest
from rnngen.training.plan import PLACES, Plan
from rnngen.tuning import Best, request_from, stages_of
from rnngen.tuning.space import Space

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.storages import BaseStorage

SETTINGS = "settings"
"""The attribute of a trial that holds all of its settings…"""
CORPUS = "corpus"
"""…and the one that holds its corpus, as it was named."""
RECORD = "rnngen"
"""The attribute of a study that holds its record."""
MACHINE = {"device", "precision", "seed"}
"""Training options that need not be the same in all processes that share a study."""


def require_optuna() -> None:
    """Refuse to begin without what the search is done with, by a PluginError."""
    try:
        import optuna
    except ImportError:
        raise PluginError("Optuna is not installed; pip install 'rnngen[tune]'") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def place_of(name: str, storage: str | None) -> str:
    """Return the place of a study: a path, or a URL.

    Raises:
        UsageError: if no file can have that name.
    """
    if storage is not None:
        return storage
    if not name or name.startswith(".") or any(c in name for c in "/\\\0"):
        raise UsageError(f"study name {name!r}: letters, digits and signs but no slash, no dot first")
    return str(home() / "studies" / f"{name}.journal")


def open_storage(place: str) -> "BaseStorage":
    """Open a journal file or a database, made if need be.

    Raises:
        UsageError: if the database cannot be reached.
        ModelError: if the journal is damaged.
    """
    from optuna.storages import JournalStorage, RDBStorage

    from rnngen.tuning.journal import WholeLines

    if "://" in place:
        try:
            return RDBStorage(place)
        except Exception as error:  # each database has errors of its own
            reason = str(error).strip().split("\n", 1)[0]
            raise OptionError(f"`storage={place}`: {reason}; give the path of a file or a URL") from error
    path = Path(place).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        require_regular(path)
    with _reading(place):
        return JournalStorage(WholeLines(path))


@contextmanager
def _reading(place: str) -> Iterator[None]:
    """Take whatever Optuna makes of a damaged storage for what it is."""
    from rnngen.tuning.journal import damaged

    try:
        yield
    except (RnngenError, OSError):
        raise
    except Exception as error:  # Optuna believes what it reads
        raise damaged(place, error) from error


def open_study(name: str, place: str, prune: str, evaluations: int) -> "Study":
    """Open a study, made if need be, whose trials report a loss ``evaluations`` times."""
    import optuna

    storage = open_storage(place)
    with _reading(place):
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            pruner=_pruner(prune, evaluations),
            direction="minimize",
            load_if_exists=True,
        )
        best_of(study)
        return study


def _pruner(prune: str, evaluations: int) -> "BasePruner":
    from optuna.pruners import MedianPruner, NopPruner, SuccessiveHalvingPruner

    if prune == "median":  # not before a fifth: a good rate is slow to show
        return MedianPruner(n_startup_trials=4, n_warmup_steps=evaluations // 5)
    if prune == "halving":
        return SuccessiveHalvingPruner(min_resource=max(1, evaluations // 10), reduction_factor=3)
    return NopPruner()


def best_of(study: "Study") -> Best | None:
    """The best complete trial; None where there is none."""
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    values = [(trial.value, trial.number, trial) for trial in complete if trial.value is not None]
    if not values:
        return None
    value, number, best = min(values)
    given = best.user_attrs
    return Best(number, value, best.params, request_from(given[SETTINGS], given.get(CORPUS, ())))


def find_best(name: str, storage: str | None) -> Best:
    """The best trial of a study by name.

    Raises:
        PluginError: if Optuna is not installed.
        UnknownName: if there is no such study; the closest is named.
        NotFoundError: if the storage is not there, or no trial of the study is complete.
    """
    require_optuna()
    import optuna

    place = place_of(name, storage)
    there = "://" in place or Path(place).expanduser().is_file()
    if storage is not None and not there:
        raise NotFoundError(f"study storage {storage}: no such file")
    held = open_storage(place) if there else None
    with _reading(place):
        names = [str(one) for one in optuna.get_all_study_names(held)] if held else []
        found = optuna.load_study(study_name=name, storage=held) if held and name in names else None
        best = best_of(found) if found else None
    if found is None:
        raise UnknownName("study", name, names if storage else study_names())
    if best is None:
        raise NotFoundError(f"study {name!r} has no complete trial yet; search on with rnngen tune")
    return best


def study_names() -> list[str]:
    """The studies in the user's home folder."""
    return sorted(path.stem for path in (home() / "studies").glob("*.journal"))


@dataclass(frozen=True)
class Record:
    """The conditions that all trials of a study have in common, so that their losses can be compared."""

    corpus: str
    """Hashes of the training text and of the validation text."""
    fixed: Mapping[str, str]
    """The options that are held fixed, by flag."""
    space: Mapping[str, str]
    """The ranges that are searched, as ``--search`` takes them."""
    budget: Mapping[str, float]
    """The budget of each trial in minutes, steps or epochs."""
    seed: int

    def check(self, asked: "Record", study: str) -> None:
        """Refuse to go on with another search than this.

        Raises:
            OptionError: naming the first thing that differs.
        """
        mend = f"ask for the same as before, or give a new study a `name`; {study!r} was begun"
        if self.corpus != asked.corpus:
            another = f"study {study!r} is about another text"
            raise OptionError(f"{another}; give that one, or a new study a `name`")
        for was, now in zip(self._conditions(), asked._conditions(), strict=True):
            for key in sorted({*was, *now}):
                if was.get(key) != now.get(key):
                    without = f"without {key.removesuffix('={}`')}`"
                    begun = f"with {key.format(was[key])}" if key in was else without
                    raise OptionError(f"{mend} {begun}; asked for now: {now.get(key, 'nothing')}")

    def _conditions(self) -> tuple[Mapping[str, Any], ...]:
        options = {
            flag.removeprefix("-o ").lstrip("-").replace("-", "_"): v for flag, v in self.fixed.items()
        }
        return (
            {f"`{option}={{}}`": value for option, value in options.items()},
            {f"`search={key}={{}}`": text for key, text in self.space.items()},
            {f"a trial's {unit} {{}}": amount for unit, amount in self.budget.items()},
            {"`seed={}`": self.seed},
        )


def record_of(plan: Plan, request: TuneRequest, space: Space) -> Record:
    """Return what the study would be about if it were new."""
    given = request.fixed.training.values
    own: dict[str, float] = {key: given[key] for key in ("steps", "epochs") if key in given}
    left_out = {*MACHINE, *PLACES, *own}
    fixed = {
        f"-o {key}" if stage == "settings" else flag_name(key): shlex.quote(str(value))
        for stage, values in stages_of(request.fixed).items()
        for key, value in values.items()
        if key not in left_out
    }
    text = plan.config.corpus
    return Record(
        corpus=f"{text.sha256} {text.val_sha256}",
        fixed=fixed,
        space=space.described(),
        budget=own or {"minutes": request.tuning.options.share},
        seed=plan.config.training.seed or 0,
    )


def agree(study: "Study", asked: Record, request: TuneRequest) -> Record:
    """Return what the study is about, from now on or since its first sitting.

    A seed and a trial's budget that the request does not give are the study's.

    Raises:
        OptionError: if the study is about something else.
    """
    held: dict[str, Any] | None = study.user_attrs.get(RECORD)
    if held is None:
        study.set_user_attr(RECORD, vars(asked))
        return asked
    with _reading(study.study_name):
        record = Record(**held)
        check_types(record)
    given = request.fixed.training.names | request.tuning.names
    if "seed" not in given:
        asked = replace(asked, seed=record.seed)
    if not given & {"steps", "epochs", "trial_minutes"}:
        asked = replace(asked, budget=record.budget)
    record.check(asked, study.study_name)
    return record
