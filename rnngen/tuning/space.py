"""What a study searches: the ranges that options dataclasses declare, narrowed and added to by a person.

Sizes and training options go by their own names. Options of a part go by the part's, since a cell that is
itself searched brings options that another has not: ``lstm.forget_bias`` is asked for only where the cell
is ``lstm``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Any

from rnngen.errors import UnknownName, UsageError
from rnngen.options import OneOf, Option, Range, describe
from rnngen.options.corpus import PartsOptions
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry import Registry
from rnngen.registry.components import KIND_OF
from rnngen.training.plan import BUDGETS, Plan, Request

if TYPE_CHECKING:
    from optuna import Trial

PARTS = ("cell", "tokenizer", "source_tokenizer", "vocab_size")
"""What may be searched of ``PartsOptions``; another task would be judged by other text."""
FIXED = {*BUDGETS, "seed", "device", "evaluations", "best"}
"""Training options that no search may vary, since trials would no longer be comparable."""


@dataclass(frozen=True)
class Dimension:
    """One option that is searched."""

    name: str
    """As the study calls it: ``lr``, ``lstm.forget_bias``."""
    stage: str
    """The field of ``Request`` that takes it…"""
    key: str
    """…and under which key: ``lr``, ``cell.forget_bias``."""
    option: Option
    search: Range | OneOf
    default: Any = None
    """What is in force where nobody says; the first trial takes it."""
    kind: str = ""
    """Of an option of a part: the kind of that part…"""
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

    def choose(self, trial: "Trial") -> dict[str, dict[str, Any]]:
        """Let a trial choose → values by stage and key, those of parts as texts."""
        stages: dict[str, dict[str, Any]] = {}
        for dimension in self.dimensions:
            parts = {**self.parts, **stages.get("parts", {})}
            if dimension.owner == parts.get(dimension.kind, ""):
                value = dimension.draw(trial)
                text = str(value).lower() if isinstance(value, bool | None) else str(value)
                chosen = text if dimension.stage == "settings" else value
                stages.setdefault(dimension.stage, {})[dimension.key] = chosen
        return stages

    def defaults(self) -> dict[str, Any]:
        """What is in force without a search, as far as it lies in what is searched."""
        known = {d.kind or d.key: d.default for d in self.dimensions if d.stage == "parts"}
        parts = {**self.parts, **known}
        return {
            d.name: d.default
            for d in self.dimensions
            if d.default in d.search and d.owner == parts.get(d.kind, "")
        }

    def described(self) -> dict[str, str]:
        """Each range as ``--search`` takes it."""
        return {dimension.name: str(dimension.search) for dimension in self.dimensions}


def space(registry: Registry, plan: Plan, request: Request, searches: Mapping[str, str]) -> Space:
    """What to search for a request.

    Args:
        registry: where parts that are searched are looked up.
        plan: what the request comes to without a search.
        request: what it gives is held fixed.
        searches: more to search, or narrower: texts as ``Option.space`` reads them.

    Raises:
        UsageError: if an option is held fixed and searched, or what is asked for cannot be searched.
    """
    asked = {key.strip().replace("-", "_"): text for key, text in searches.items()}
    stages = [*_stages(plan, request, asked)]
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


def _stages(plan: Plan, request: Request, asked: dict[str, str]) -> Iterator[Dimension]:
    """Dimensions of the stages; what was asked for is taken out of ``asked``."""
    defaults = _in_force(plan)
    for key, (stage, option) in _searchable().items():
        search = option.space(asked[key]) if key in asked else option.search
        if key in getattr(request, stage):
            _refuse_both(key, f"--{key.replace('_', '-')}", asked)
        elif search:
            asked.pop(key, None)
            yield Dimension(key, stage, key, option, search, defaults.get(key, option.default))


def _options(
    registry: Registry, request: Request, asked: dict[str, str], kind: str, names: tuple[Any, ...]
) -> Iterator[Dimension]:
    """Dimensions of the options of a part, or of all those that it may be."""
    for key in {key: None for _, key in _keys(registry, {kind: names})}:
        said = next((name for name in (f"{kind}.{key}", key) if name in asked), "")
        if {key, f"{kind}.{key}"} & request.settings.keys():
            _refuse_both(said, f"-o {key}", asked)
            continue
        text = asked.pop(said, None)
        for owner in names:
            option = _described(registry, kind, owner).get(key)
            search = option and (option.space(text) if text is not None else option.search)
            if option and search:
                default = None if option.default is MISSING else option.default
                name = f"{owner}.{key}" if kind == "cell" else f"{kind}.{owner}.{key}"
                yield Dimension(name, "settings", f"{kind}.{key}", option, search, default, kind, owner)


def _refuse_both(key: str, flag: str, asked: Mapping[str, str]) -> None:
    if key in asked:
        raise UsageError(f"{flag} holds the option fixed and --search {key} varies it; give one of them")


def _searchable() -> dict[str, tuple[str, Option]]:
    """The options of the stages that may be searched: in which stage each is."""
    parts = {o.name: ("parts", o) for o in describe(PartsOptions) if o.name in PARTS}
    network = {o.name: ("network", o) for o in describe(NetworkOptions)}
    return {
        **parts,
        **network,
        **{o.name: ("training", o) for o in describe(TrainingOptions) if o.name not in FIXED},
    }


def _in_force(plan: Plan) -> dict[str, Any]:
    """What the person leaves open and the text decides."""
    network = plan.config.network
    sizes = {"embed": network.embedding(plan.config.vocabulary), "dropout": network.dropout}
    return {**sizes, **{kind: part.registered.spec.name for kind, part in plan.parts.items()}}


def _described(registry: Registry, kind: str, name: str) -> dict[str, Option]:
    spec = registry.find(KIND_OF.get(kind, kind), name).spec
    return {option.name: option for option in describe(spec.options)}


def _keys(registry: Registry, owners: Mapping[str, tuple[Any, ...]]) -> list[tuple[str, str]]:
    return [
        (k, key) for k, names in owners.items() for name in names for key in _described(registry, k, name)
    ]
