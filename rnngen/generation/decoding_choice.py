"""From the flags that filters and strategies declare to a chain and a strategy.

::

    --beam 5 --top-p 0.9 --regex R      flags, or keyword arguments of the Python API
          │        │         │
       strategy    └─ filters, in the order of their ranks

Nothing here names a filter or a strategy: what there is, and what it can stand beside, the specs say.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from rnngen.contracts import AnyFilter, FilterSpec, Flag, Strategy, StrategySpec, Tokenizer
from rnngen.errors import OptionError, UnknownName, UsageError
from rnngen.options import IdleOption, build, describe, divide
from rnngen.registry import Registry
from rnngen.registry.components import choose_filters, make_filters, parse_component
from rnngen.requests.conflicts import Conflict, ConflictError, Need
from rnngen.requests.sample import (
    ADAPTING,
    FIELDS,
    ComponentChoice,
    DecodingChoice,
    FilterChoices,
    SampleRequest,
)

ORDERS = ("hf", "llama")
"""The orders of filters: as in transformers, temperature before truncation, or as in llama.cpp, after."""
RESERVED = FIELDS | ADAPTING | {"strategy", "filters", "order"}
"""Options that no filter can have as its flag."""
DRAWING = "sample"
"""The strategy of draws, for filters that ask for them."""


@dataclass(frozen=True)
class DecodingFlags:
    """Every flag that filters and strategies declare."""

    registry: Registry

    @cached_property
    def _claims(self) -> tuple[list[FilterSpec], list[str]]:
        """The filters that have a flag, each the first that claims it, and a line about each other claim."""
        taken = dict.fromkeys(RESERVED, "an option of rnngen's own")
        first, lost = [], []
        for spec in self.registry.specs(FilterSpec):
            if spec.flag and (owner := taken.get(spec.flag.parameter)):
                lost.append(
                    f"the filter {spec.name!r} has no flag --{spec.flag.name}, which is {owner}; give "
                    f"--filters {spec.name}=…"
                )
            elif spec.flag:
                taken[spec.flag.parameter] = f"the filter {spec.name!r}'s"
                first.append(spec)
        return first, lost

    @property
    def filters(self) -> list[FilterSpec]:
        """The filters that have a flag; of several that claim one, the first."""
        return self._claims[0]

    @property
    def lost_flags(self) -> list[str]:
        """A line about each filter's flag that is taken."""
        return self._claims[1]

    @property
    def strategies(self) -> list[StrategySpec]:
        """The strategies."""
        return self.registry.specs(StrategySpec)

    def choose(
        self,
        given: Mapping[str, Any],
        *,
        strategy: str | None = None,
        filters: str | None = None,
        order: str | None = None,
    ) -> DecodingChoice:
        """Choose filters and a strategy by flags, and check their options.

        Args:
            given: values by the flags' parameters (``top_k``); what is None, or 0 or ``none`` for a flag that
                chooses a strategy, is not given.
            strategy: a strategy by name, with options as ``NAME;key=value``.
            filters: a whole chain, ``NAME=VALUE,NAME=VALUE;key=value``.
            order: which ranks the filters have.

        Raises:
            ConflictError: if flags cannot stand together, or one is of no use alone.
            UnknownName, UsageError: for a name, a key or a value that is refused.
        """
        values = {name: value for name, value in given.items() if value is not None}
        chosen, chosen_by, rest = self._strategy(values, strategy)
        ordering = order or ORDERS[0]
        specs = [spec for spec in self.filters if spec.flag and spec.flag.parameter in rest]
        if filters is not None:
            others = [spec.flag.parameter for spec in specs if spec.flag] + ["order"] * bool(order)
            if others:
                raise ConflictError(Conflict("filters", others[0], "`filters` is the whole chain"))
            chain = tuple(_chain(filters))
        else:
            self._check_filters(specs)
            specs.sort(key=lambda spec: rank(spec, ordering))
            chain = tuple(
                (spec.name, _text(spec.flag, rest[spec.flag.parameter])) for spec in specs if spec.flag
            )
            for spec in specs:
                self._check_value(spec, dict(chain)[spec.name])
        choose_filters(self.registry, chain)  # refused values are reported before a model is read
        draws = filters is not None or any(not spec.constraint for spec in specs)
        choice = DecodingChoice(chosen, chosen_by, chain, filters is not None, ordering, draws)
        if chosen is not None:
            self._check_excluded(choice)
        return choice

    def resolve(self, choice: DecodingChoice, default: str, *, several: bool = False) -> DecodingChoice:
        """Fill in what was not asked for: the strategy, and the temperature of its draws.

        ``default`` is the strategy that suits the model; several texts of a prompt ask for draws.
        """
        strategy = choice.strategy or ComponentChoice(DRAWING if choice.draws or several else default)
        spec, chain = self.spec(strategy), choice.filters
        warm = choice.whole_chain or "temp" in dict(chain)
        if spec.temperature is not None and not warm:
            added = (*chain, ("temp", str(spec.temperature)))
            chain = tuple(sorted(added, key=lambda one: self._rank(one[0], choice.order)))
        return replace(choice, strategy=strategy, filters=chain)

    def spec(self, strategy: ComponentChoice) -> StrategySpec:
        """Return the spec of a strategy."""
        spec: StrategySpec = self.registry.find("strategy", strategy.name).spec
        return spec

    def make_strategy(self, choice: ComponentChoice) -> Strategy:
        """Build a strategy."""
        found = self.registry.find("strategy", choice.name)
        options = build(found.spec.options, dict(choice.options), owner=f"strategy {choice.name!r}")
        made: Strategy = found.call(options)
        return made

    def filter_builder(self, chain: FilterChoices) -> Callable[[Tokenizer], list[AnyFilter]]:
        """Check a chain of filters → what builds it for a tokenizer."""
        components = choose_filters(self.registry, chain)
        return lambda tokenizer: make_filters(components, tokenizer)

    def follows_output(self, chain: FilterChoices) -> bool:
        """Return whether a filter of a chain has to see every token of the output: prompts are final then."""
        return any(self.registry.find("filter", name).spec.follows_output for name, _ in chain)

    def changed(self, old: FilterChoices, flag: str, value: str, order: str) -> FilterChoices:
        """Return a chain in which one filter, by its flag's parameter, has another value.

        It stays at its old place, or comes where its rank is; ``off`` removes it, and an empty value changes
        nothing.
        """
        if not value:
            return old
        spec = next(spec for spec in self.filters if spec.flag and spec.flag.parameter == flag)
        assert spec.flag is not None
        rest = tuple(one for one in old if one[0] != spec.name)
        if value == "off":
            return rest
        option = next(one for one in describe(spec.options) if one.name == option_of(spec, spec.flag))
        new = (spec.name, _text(spec.flag, option.parse(value)))
        self._check_value(spec, new[1])
        if len(rest) < len(old):
            return tuple(new if one[0] == spec.name else one for one in old)
        later = [place for place, one in enumerate(old) if self._rank(one[0], order) > rank(spec, order)]
        place = min(later, default=len(old))
        return (*old[:place], new, *old[place:])

    def suits(self, filters: FilterChoices, asked: DecodingChoice, spec: StrategySpec) -> bool:
        """Return whether a strategy has a use for filters that are added after it was chosen.

        One that was asked for takes what its spec does not exclude; one that was taken by default, and does
        not draw, only what shapes no draws.
        """
        if asked.strategy is not None:
            return not self._excluded(filters, spec)
        return spec.draws or all(self.registry.find("filter", name).spec.constraint for name, _ in filters)

    def check_abilities(self, request: SampleRequest, spec: StrategySpec, *, reads_source: bool) -> None:
        """Refuse what a strategy is not able to do; a model that reads a source converses without states.

        Raises:
            ConflictError: naming the option, and strategies that are able to do it.
        """
        asked = {
            "save_state": ("resume", request.save_state is not None),
            "from_state": ("resume", request.from_state is not None),
            "blend": ("blend", request.blend is not None),
            "count": ("count", request.count > 1),
            "length=-1": ("endless", request.length == -1),
            "interactive": ("resume", request.interactive and not reads_source),
            "nbest": ("rank", (request.nbest or 1) > 1),
        }
        for option, (ability, wanted) in asked.items():
            if wanted and ability not in spec.can:
                able = ", ".join(one.name for one in self.strategies if ability in one.can)
                reason = f"{spec.name} {_CANNOT[ability]} (able: {able})"
                raise ConflictError(Conflict(request.decoding.chosen_by, option, reason))

    def _rank(self, name: str, order: str) -> int:
        return rank(self.registry.find("filter", name).spec, order)

    def _strategy(
        self, values: Mapping[str, Any], asked: str | None
    ) -> tuple[ComponentChoice | None, str, dict[str, Any]]:
        """The strategy that is asked for, the option that does so, and the values that are not its own."""
        choosing = {s.flag.parameter: s for s in reversed(self.strategies) if s.flag}  # the first counts
        off = [name for name in values if name in choosing and _is_off(values[name])]
        rest = {name: value for name, value in values.items() if name not in off}
        chosen = [name for name in rest if name in choosing]
        if asked is None and len(chosen) > 1:
            raise ConflictError(Conflict(*chosen[:2]))
        name, settings = parse_component(asked) if asked else ("", {})
        chosen_by = f"strategy={name}"
        if not name and chosen:
            name, chosen_by = choosing[chosen[0]].name, chosen[0]
        if not name:
            self._check_left_over("", "", rest)
            return None, "strategy", rest
        spec = self.registry.find("strategy", name).spec
        flags = {option_of(spec, flag): flag.parameter for flag in flags_of(spec)}
        for flag in off:
            if flag in flags.values():
                raise ConflictError(Conflict(chosen_by, flag, f"{values[flag]} is none"))
        owned = {option: _option_text(rest.pop(flag)) for option, flag in flags.items() if flag in rest}
        try:
            build(spec.options, {**owned, **settings}, owner=f"strategy {name}")
        except IdleOption as error:
            if error.option not in owned:
                raise
            needed, equals, value = error.needs.option.partition("=")
            other = f"{flags.get(needed, needed)}{equals}{value}"
            raise ConflictError(Need(flags[error.option], other, error.needs.reason)) from error
        except UsageError as error:
            raise _refused(error, {option: flags[option] for option in owned}) from error
        self._check_left_over(name, chosen_by, rest)
        return ComponentChoice(name, tuple({**owned, **settings}.items())), chosen_by, rest

    def _check_left_over(self, name: str, chosen_by: str, rest: Mapping[str, Any]) -> None:
        shaping = {spec.flag.parameter for spec in self.filters if spec.flag}
        for flag in (name for name in rest if name not in shaping):
            owners = [s for s in self.strategies if flag in [one.parameter for one in flags_of(s)]]
            if not owners:
                known = {one.parameter for spec in self.strategies for one in flags_of(spec)}
                raise UnknownName("option", flag, shaping | known)
            if name:
                reason = f"it is an option of {' and '.join(s.name for s in owners)}"
                raise ConflictError(Conflict(chosen_by, flag, reason))
            needed = owners[0].flag.parameter if owners[0].flag else f"strategy={owners[0].name}"
            raise ConflictError(Need(flag, needed, f"it is an option of the strategy {owners[0].name}"))

    def _check_value(self, spec: FilterSpec, value: str) -> None:
        """Refuse a value of a filter's flag, by the flag."""
        try:
            choose_filters(self.registry, [(spec.name, value)])
        except UsageError as error:
            assert spec.flag is not None
            raise _refused(error, {option_of(spec, spec.flag): spec.flag.parameter}) from error

    def _check_filters(self, specs: Sequence[FilterSpec]) -> None:
        for spec in specs:
            for other in specs:
                if other is not spec and other.name in spec.excludes and spec.flag and other.flag:
                    raise ConflictError(Conflict(spec.flag.parameter, other.flag.parameter, "one is enough"))

    def _check_excluded(self, choice: DecodingChoice) -> None:
        """Refuse a filter that contradicts the strategy: one that is on, or off where the spec says so."""
        assert choice.strategy is not None
        for name in self._excluded(choice.filters, self.spec(choice.strategy)):
            spec = self.registry.find("filter", name).spec
            other = "filters" if choice.whole_chain or not spec.flag else spec.flag.parameter
            reason = f"{choice.strategy.name} has no use for {name}"
            raise ConflictError(Conflict(choice.chosen_by, other, reason))

    @staticmethod
    def _excluded(chain: FilterChoices, spec: StrategySpec) -> list[str]:
        return [name for name, value in chain if (f"{name}=0" if _is_off(value) else name) in spec.excludes]


_CANNOT = {
    "resume": "does not choose token by token, and cannot be resumed",
    "blend": "reads the prompt itself",
    "count": "generates one text of a prompt",
    "endless": "has to come to an end",
    "rank": "ranks no texts",
}


def _refused(error: UsageError, flags: Mapping[str, str]) -> OptionError:
    """Return the error for a value that an options dataclass refused, by the flags of its fields."""
    cause = error.__cause__
    renamed = OptionError.of(cause if isinstance(cause, ValueError) else error, flags)
    return renamed if "`" in renamed.text else OptionError.of(error, flags)


def flags_of(spec: "FilterSpec | StrategySpec") -> list[Flag]:
    """Return the flags of a spec, the one that chooses it first."""
    first = [spec.flag] if spec.flag else []
    return first if isinstance(spec, FilterSpec) else [*first, *spec.flags]


def option_of(spec: "FilterSpec | StrategySpec", flag: Flag) -> str:
    """Return the field that a flag sets."""
    return flag.option or describe(spec.options)[0].name


def rank(spec: FilterSpec, order: str) -> int:
    """Return the place of a filter in a chain."""
    return spec.rank if order == "hf" or spec.llama_rank is None else spec.llama_rank


def _chain(text: str) -> Iterator[tuple[str, str]]:
    """Read ``NAME=VALUE,NAME=VALUE;key=value,NAME;key=value``."""
    for part in divide(text, ","):
        if part.strip():
            found = re.match(r"\s*([^=;]*?)\s*(?:[=;](.*))?$", part, re.DOTALL)
            yield (found[1], found[2] or "") if found else (part, "")


def _is_off(value: Any) -> bool:
    return str(value).lower() in ("0", "0.0", "none", "false")


def _option_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(flag: Flag | None, value: Any) -> str:
    """A flag's value as the text of a filter's options, which is divided at ``;`` and ``=``."""
    if not isinstance(value, str):
        return _option_text(value)
    text = re.sub(r"\\.|[;=]", _escaped, value, flags=re.DOTALL)
    if flag and flag.names_file:
        return f"@{text}"
    return f"\\{text}" if text.startswith("@") else text


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == "\\" else f"\\{found[0]}"
