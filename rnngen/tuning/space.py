"""The space that a study searches: ranges that options dataclasses declare, and those of ``--search``.

Sizes and training options go by their own names. Options of a part go by the part's, since a cell that is
itself searched brings options that another has not: ``lstm.forget_bias`` is asked for only where the cell
is ``lstm``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass
from typing import TYPE_CHECKING, Any

from rnngen.errors import OptionError, UnknownName, UsageError
from rnngen.options import OneOf, Option, Range, describe, option_text
from rnngen.options.corpus import PartsOptions
from rnngen.options.model import BUDGETS, NetworkOptions, TrainingOptions
from rnngen.registry import Registry
from rnngen.registry.components import KIND_OF
from rnngen.requests.train import STAGES, TrainRequest
from rnngen.training.plan import Plan

if TYPE_CHECKING:
    from optuna import Trial

PARTS = ("cell", "tokenizer", "source_tokenizer", "vocab_size")
"""The options of ``PartsOptions`` that may be searched; another task would be evaluated on other text."""
FIXED = {*BUDGETS, "seed", "device", "evaluations", "best", "ensemble", "teacher_weight", "teacher_temp"}
"""Training options that no search may vary: trials would no longer be comparable, or learn from others."""


@dataclass(frozen=True)
class Dimension:
    """One option that is searched."""

    name: str
    """Its name in the study: ``lr``, ``lstm.forget_bias``."""
    key: str
    """The option of a ``TrainRequest``, ``lr``, or the key of its settings, ``cell.forget_bias``."""
    option: Option
    search: Range | OneOf
    default: Any = None
    """The value in force without a search, for an option of a part; those of others depend on the plan."""
    kind: str = ""
    """For an option of a part: the kind of that part…"""
    owner: str = ""
    """…and its name."""

    def draw(self, trial: "Trial") -> Any:
        """Let a trial choose a value."""
        if isinstance(self.search, OneOf):
            return trial.suggest_categorical(self.name, self.search.values)
        low, high, log, step = self.search.low, self.search.high, self.search.log, self.search.step
        if self.option.type is int:
            return trial.suggest_int(self.name, int(low), int(high), log=log, step=int(step or 1))
        return trial.suggest_float(self.name, low, high, log=log, step=step)


@dataclass(frozen=True)
class Space:
    """All that is searched."""

    dimensions: tuple[Dimension, ...]
    parts: Mapping[str, str]
    """The parts that are held fixed, a name a kind."""

    def choose(self, trial: "Trial", fixed: TrainRequest) -> TrainRequest:
        """Let a trial choose → what is fixed with what it chose, so far as that has an effect."""
        options: dict[str, Any] = {}
        settings: dict[str, str] = {}
        for dimension in self.dimensions:
            if not dimension.owner:
                options[dimension.key] = dimension.draw(trial)
            elif dimension.owner == {**self.parts, **options}[dimension.kind]:
                settings[dimension.key] = option_text(dimension.draw(trial))
        return fixed.above(options, settings)

    def defaults(self, plan: Plan) -> dict[str, Any]:
        """The values in force in a plan without a search, as far as they lie in the space."""
        config = plan.config
        parts = {kind: part.registered.spec.name for kind, part in plan.parts.items()}
        embed = config.network.embedding(config.vocabulary)
        own = {**asdict(config.training), **asdict(config.network), "embed": embed, **parts}
        asked = [d for d in self.dimensions if d.owner == parts.get(d.kind, "")]
        values = [(d, d.default if d.owner else own.get(d.key)) for d in asked]
        return {d.name: value for d, value in values if value in d.search}

    def described(self) -> dict[str, str]:
        """Each range as ``--search`` takes it."""
        return {dimension.name: str(dimension.search) for dimension in self.dimensions}


def space(registry: Registry, plan: Plan, request: TrainRequest, searches: Mapping[str, str]) -> Space:
    """Return what to search for a request.

    What it gives is held fixed; ``plan`` is its plan without a search. ``searches`` are more to search, or
    narrower: texts as ``Option.space`` reads them.

    Raises:
        UsageError: if an option is held fixed and searched, or what is asked for cannot be searched.
    """
    asked = {key.strip().replace("-", "_"): text for key, text in searches.items()}
    stages = [*_stages(request, asked)]
    names = {d.key: d.search.values for d in stages if d.key in plan.parts and isinstance(d.search, OneOf)}
    fixed = {kind: part.registered.spec.name for kind, part in plan.parts.items() if kind not in names}
    owners = {**{kind: (name,) for kind, name in fixed.items()}, **names}
    parts = [d for kind, named in owners.items() for d in _options(registry, request, asked, kind, named)]
    if asked:
        known = [*_searchable(), *(f"{kind}.{key}" for kind, key in _keys(registry, owners))]
        raise UnknownName("option to search", next(iter(asked)), known)
    if not (stages or parts):
        raise UsageError("every option is held fixed, and nothing is left to search; leave some flags out")
    return Space((*stages, *parts), fixed)


def _stages(request: TrainRequest, asked: dict[str, str]) -> Iterator[Dimension]:
    """Dimensions of the stages; what was asked for is taken out of ``asked``."""
    for key, option in _searchable().items():
        search = option.space(asked[key]) if key in asked else option.search
        if any(key in getattr(request, stage) for stage in STAGES):
            _refuse_both(key, key, asked)
        elif search:
            asked.pop(key, None)
            yield Dimension(key, key, option, search)


def _options(
    registry: Registry, request: TrainRequest, asked: dict[str, str], kind: str, names: tuple[Any, ...]
) -> Iterator[Dimension]:
    """Dimensions of the options of a part, or of all those that it may be.

    Each may be asked for by its name in the study, too, which is that of one of these parts.
    """
    for key in {key: None for _, key in _keys(registry, {kind: names})}:
        called = {owner: f"{owner}.{key}" if kind == "cell" else f"{kind}.{owner}.{key}" for owner in names}
        own = {owner: name.replace("-", "_") for owner, name in called.items()}  # as keys are asked for
        key_asked = next((name for name in (f"{kind}.{key}", key) if name in asked), "")
        if {key, f"{kind}.{key}"} & request.settings.keys():
            for name in (key_asked, *own.values()):
                _refuse_both(name, f"{kind}.{key}", asked)
            continue
        for_all = asked.pop(key_asked, None)
        for owner in names:
            option = _described(registry, kind, owner).get(key)
            text = asked.pop(own[owner], for_all) if option else None
            search = option and (option.space(text) if text is not None else option.search)
            if option and search:
                default = None if option.default is MISSING else option.default
                yield Dimension(called[owner], f"{kind}.{key}", option, search, default, kind, owner)


def _refuse_both(key: str, option: str, asked: Mapping[str, str]) -> None:
    if key in asked:
        raise OptionError(f"`{option}` holds the option fixed and `search={key}` varies it; give one of them")


def _searchable() -> dict[str, Option]:
    """The options of the stages that may be searched."""
    return {
        option.name: option
        for stage in (PartsOptions, NetworkOptions, TrainingOptions)
        for option in describe(stage)
        if (option.name in PARTS if stage is PartsOptions else option.name not in FIXED)
    }


def _described(registry: Registry, kind: str, name: str) -> dict[str, Option]:
    spec = registry.find(KIND_OF.get(kind, kind), name).spec
    return {option.name: option for option in describe(spec.options)}


def _keys(registry: Registry, owners: Mapping[str, tuple[Any, ...]]) -> list[tuple[str, str]]:
    named = [(kind, name) for kind, names in owners.items() for name in names]
    return [(kind, key) for kind, name in named for key in _described(registry, kind, name)]
