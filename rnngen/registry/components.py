"""From names and options to built objects, and back from what a model's config says."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, BinaryIO, NamedTuple

from rnngen.contracts import (
    AnyFilter,
    CellSpec,
    Chunk,
    FilterSpec,
    NetworkSpec,
    Task,
    Tokenizer,
    Weights,
    note,
)
from rnngen.errors import ModelError, PluginError, UnknownName, UsageError
from rnngen.options import build, construct, describe, divide
from rnngen.options.typed import check_types
from rnngen.registry import Distribution, Registered, Registry

KIND_OF = {"source_tokenizer": "tokenizer"}
"""Of the parts of a model, those that are not called after their kind."""


@dataclass(frozen=True)
class ComponentRecord:
    """A part that came through a plugin hook: enough to find it again, and to say what is missing."""

    name: str
    distribution: str
    version: str
    options: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, "ComponentRecord"] = field(default_factory=dict)
    """Other plugins' parts that it is made of, by the option that names them."""

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ComponentRecord":
        """Read it back; raises what a mistaken call raises."""
        parts = {name: cls.from_json(one) for name, one in values.get("parts", {}).items()}
        return cls(**{**values, "parts": parts})

    @property
    def qualified(self) -> str:
        """``distribution/name``."""
        return f"{self.distribution}/{self.name}"


@dataclass(frozen=True)
class Component:
    """A spec with its options chosen: everything needed to build the thing (a ``ComponentFactory``)."""

    registered: Registered[Any]
    options: Any
    parts: "Mapping[str, Component]" = field(default_factory=dict)
    """Other plugins' parts that it is made of, by the option that names them."""
    made_with: ComponentRecord | None = None
    """The record of a model that another version of the plugin made, where there is something to upgrade."""

    @property
    def component(self) -> ComponentRecord:
        """The record of it in ``config.json``."""
        name, owner = self.registered.spec.name, self.registered.distribution
        parts = {option: part.component for option, part in self.parts.items()}
        return ComponentRecord(name, owner.name, owner.version, asdict(self.options), parts)

    @property
    def whole(self) -> bool:
        """True if it is a whole network, not a layer."""
        return isinstance(self.registered.spec, NetworkSpec)

    def with_device_defaults(self, device: str) -> "Component":
        """With what its options leave open decided for training on a kind of device (``Spec.options``)."""
        suit = getattr(self.options, "with_device_defaults", None)
        return replace(self, options=suit(device)) if suit else self

    def build(self, *arguments: Any) -> Any:
        """Call what the spec loads with some arguments and the options."""
        return self.registered.call(*arguments, self.options)

    @property
    def has_numpy(self) -> bool:
        """True if it and all that it is made of have a NumPy implementation."""
        return bool(self.registered.spec.numpy) and all(part.has_numpy for part in self.parts.values())

    def numpy(self, weights: Weights, prefix: str = "", *arguments: Any) -> Any:
        """The NumPy face, from those of the weights whose names begin with ``prefix``."""
        own = self._upgraded(weights, prefix)
        return self.registered.call(own, *arguments, self.options, target=self.registered.spec.numpy)

    def upgraded(self, weights: Weights, layers: int) -> Weights:
        """Return the weights of a network, those of this cell as the installed version names them."""
        if self.made_with is None:
            return weights
        prefixes = tuple([""] if self.whole else [f"layers.{i}." for i in range(layers)])
        kept = {name: array for name, array in weights.items() if not name.startswith(prefixes)}
        for prefix in prefixes:
            own = self._upgraded(weights, prefix)
            kept |= {f"{prefix}{name}": array for name, array in own.items()}
        return kept

    @property
    def upgraded_parts(self) -> "list[ComponentRecord]":
        """The records of parts that another version made, whose weights are upgraded for NumPy alone."""
        return [part.made_with for part in self.parts.values() if part.made_with]

    def _upgraded(self, weights: Weights, prefix: str) -> Weights:
        """Return the weights whose names begin with a prefix, without it."""
        own = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        return own if self.made_with is None else _upgrade(self.registered, self.made_with, own)[1]


def _upgrade(
    found: Registered[Any], record: ComponentRecord, weights: Weights
) -> tuple[dict[str, Any], Weights]:
    """Ask a plugin for the options and the weights of a model that another version made."""
    target, given = found.spec.upgrade, (dict(record.options), dict(weights), record.version)
    made = found.call(*given, target=target)
    if not (isinstance(made, tuple) and len(made) == 2):
        raise PluginError(f"{target} of {found.distribution.name} should return options and weights")
    options, changed = made
    return options, changed


def choose(registry: Registry, names: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, Component]:
    """Look up one part of each kind, and give each the settings that are its own.

    A setting's key is ``kind.key`` where two parts have the same key.

    Raises:
        UnknownName: for a name or a key that nothing answers to.
        UsageError: for a key that two parts answer to, or a value that is refused.
    """
    found = {kind: registry.find(KIND_OF.get(kind, kind), name) for kind, name in names.items()}
    shares = _distribute(found, settings)
    made = {}
    for kind, one in found.items():
        options = build(one.spec.options, shares[kind], owner=f"{kind} {one.spec.name!r}")
        named = one.spec.parts if isinstance(one.spec, NetworkSpec) else {}
        parts = {name: _named(registry, part, getattr(options, name)) for name, part in named.items()}
        made[kind] = Component(one, options, parts)
    return made


def _named(registry: Registry, kind: str, text: str) -> Component:
    name, settings = parse_component(text)
    found = registry.find(kind, name)
    if kind == "cell" and isinstance(found.spec, NetworkSpec):
        raise UsageError(f"cell {name!r} is a whole network; name a recurrent layer, as lstm or gru")
    return Component(found, build(found.spec.options, settings, owner=f"{kind} {name!r}"))


def parse_component(text: str) -> tuple[str, dict[str, str]]:
    """Read ``NAME;key=value;key=value`` → name, settings; ``UsageError`` if it is not of that form."""
    name, *settings = divide(text, ";") or [""]
    if not name.strip():
        raise UsageError(f"{text!r}: a name expected, as NAME or NAME;key=value")
    given = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"{text!r}: {setting!r} is not of the form KEY=VALUE")
        given[key.strip().replace("-", "_")] = value
    return name, given


def _distribute(
    found: Mapping[str, Registered[Any]], settings: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    keys = {kind: [option.name for option in describe(one.spec.options)] for kind, one in found.items()}
    shares: dict[str, dict[str, str]] = {kind: {} for kind in found}
    for key, value in settings.items():
        kind, dot, rest = key.partition(".")
        owners = [kind] if dot and kind in keys else [kind for kind in keys if key in keys[kind]]
        if not owners:
            raise UnknownName("option", key, [name for names in keys.values() for name in names])
        if len(owners) > 1:
            choice = " or ".join(f"-o {kind}.{key}={value}" for kind in owners)
            raise UsageError(f"option {key!r} belongs to {' and '.join(owners)}; say {choice}")
        shares[owners[0]][rest if dot else key] = value
    return shares


def restore(registry: Registry, kind: str, component: ComponentRecord) -> Component:
    """Find the part that a model was made with.

    Raises:
        PluginError: if it is not installed; the model's word for its distribution is quoted, and no advice.
        ModelError: if it no longer takes the model's options.
    """
    try:
        found = registry.find(KIND_OF.get(kind, kind), component.qualified)
    except (UnknownName, PluginError):
        origin = Distribution(component.distribution, component.version)
        raise PluginError(
            f"this model needs the {kind} {component.name!r} from {origin.name} {origin.version}; "
            f"{registry.why_missing(origin, mend='get it from where you have the model, if you trust that')}"
        ) from None
    named = found.spec.parts if isinstance(found.spec, NetworkSpec) else {}
    if component.parts.keys() != named.keys():
        parts_of = f"{kind} {component.name!r} has the parts {[*named]}, and the model {[*component.parts]}"
        raise ModelError(f"{parts_of}; restore its config.json")
    try:
        owner = f"{kind} {component.name!r}"
        parts = {name: restore(registry, named[name], one) for name, one in component.parts.items()}
        changed = isinstance(found.spec, CellSpec) and found.spec.upgrade
        older = component if changed and component.version != found.distribution.version else None
        values = _upgrade(found, older, {})[0] if older else component.options
        options = construct(found.spec.options, values, owner=owner)
        check_types(options)
        return Component(found, options, parts, older)
    except (TypeError, UsageError) as error:
        raise ModelError(
            f"this model was made with {component.distribution} {component.version}, and "
            f"{found.distribution.version} does not take its options ({error})"
        ) from error


# ── Text ───────────────────────────────────────────────────────────────────────────────────────────────────


LATER_SUFFIXES = (".csv", ".tsv", ".tab", ".json")
"""Endings of files that were plain text to earlier versions."""


def find_reader(
    registry: Registry, suffix: str, *, earlier: bool = False, chosen: str | None = None
) -> Registered[Any]:
    """Find the reader of a file ending; what none claims is plain text.

    Where rnngen itself reads the ending, a plugin's reader has to be chosen by its name.

    Args:
        registry: the plugins.
        suffix: as ``data.corpus.suffix_of`` returns it.
        earlier: read as earlier versions did.
        chosen: a reader by its name, with options as ``NAME;key=value``, whatever the ending.

    Raises:
        PluginError: if several plugins read the ending and none is chosen.
    """
    if chosen is not None:
        return registry.find("reader", parse_component(chosen)[0])
    claims = [r for r in registry.all("reader") if suffix in r.spec.suffixes]
    if not claims or (earlier and suffix in LATER_SUFFIXES):
        return registry.find("reader", "text")
    own = [one for one in claims if one.built_in]
    if len(claims) > 1 and not own:
        owners = " and ".join(one.qualified for one in claims)
        raise PluginError(
            f"files that end in {suffix} are read by both {owners}; say which with "
            f"`reader={claims[0].qualified}`"
        )
    for other in claims if own else ():
        if not other.built_in:
            note(f"{suffix} is read as {own[0].spec.name}; `reader={other.qualified}` reads it as well")
    return registry.find("reader", (own or claims)[0].qualified)


def reader_for(
    registry: Registry, settings: Mapping[str, str], *, earlier: bool = False, chosen: str | None = None
) -> Callable[[str], Callable[[BinaryIO, str], Iterator[Chunk]]]:
    """Map a file ending to its reader, which takes the settings it knows; ``chosen`` as above."""
    own = parse_component(chosen)[1] if chosen is not None else {}

    def reader(suffix: str) -> Callable[[BinaryIO, str], Iterator[Chunk]]:
        found = find_reader(registry, suffix, earlier=earlier, chosen=chosen)
        known = {option.name for option in describe(found.spec.options)}
        given = {**{key: value for key, value in settings.items() if key in known}, **own}
        options = build(found.spec.options, given, owner=f"reader {found.spec.name!r}")
        read = found.resolve()
        return lambda stream, name: read(stream, name, options)

    return reader


def suffixes(registry: Registry) -> set[str]:
    """The file endings that some reader claims."""
    return {suffix for one in registry.all("reader") for suffix in one.spec.suffixes}


class Tokenizers(NamedTuple):
    """The tokenizers of a model's targets and of its sources, often the same."""

    target: Tokenizer
    source: Tokenizer


def load_tokenizers(parts: Mapping[str, Component], text: str, place: object) -> Tokenizers:
    """Build a model's tokenizers from ``tokenizer.json``; ``ModelError`` if that is damaged."""
    if "source_tokenizer" not in parts:
        one = load_tokenizer(parts["tokenizer"], text, place)
        return Tokenizers(one, one)
    try:
        both = json.loads(text)
        written, read = (str(both[side]) for side in ("target", "source"))
    except (ValueError, KeyError, RecursionError, TypeError) as error:
        raise ModelError(f"{place}: tokenizer.json is damaged ({error}); restore it") from error
    return Tokenizers(
        load_tokenizer(parts["tokenizer"], written, place),
        load_tokenizer(parts["source_tokenizer"], read, place),
    )


def load_tokenizer(part: Component, text: str, place: object) -> Tokenizer:
    """Build a tokenizer from its saved form; ``ModelError`` if that is damaged."""
    try:
        tokenizer: Tokenizer = part.registered.resolve().from_json(text)
    except PluginError:
        raise
    except Exception as error:  # a file can hold anything, and a plugin's code raise anything
        raise ModelError(f"{place}: tokenizer.json is damaged ({error}); restore it") from error
    return tokenizer


def make_task(part: Component) -> Task:
    """Build a task."""
    task: Task = part.build()
    return task


# ── Filters ────────────────────────────────────────────────────────────────────────────────────────────────


def choose_filters(registry: Registry, chain: Sequence[tuple[str, str]]) -> list[Component]:
    """Look up filters by name, with the text of their main option: ``"40"``, or ``"40;window=9"`` for others.

    A backslash before ``;`` or ``=`` takes its meaning away.

    Raises:
        UnknownName: for a name or a key that nothing answers to.
        UsageError: for a value that is refused.
    """
    return [_filter(registry.find("filter", name), value) for name, value in chain]


def make_filters(chain: Sequence[Component], tokenizer: Tokenizer) -> list[AnyFilter]:
    """Build chosen filters for a model with this tokenizer."""
    made = []
    for part in chain:
        text = [tokenizer] if part.registered.spec.needs_text else []
        made.append(part.registered.call(part.options, *text))
    return made


def _filter(found: Registered[Any], value: str) -> Component:
    spec: FilterSpec = found.spec
    fields = describe(spec.options)
    given: dict[str, str] = {}
    for index, text in enumerate(divide(value, ";")):
        key = divide(text, "=")[0] if text[0] != "=" else ""
        named = len(key) < len(text)
        if not named and (index or not fields):
            raise UsageError(f"filter {spec.name!r}: {text!r} is not of the form KEY=VALUE")
        given |= {key: text[len(key) + 1 :]} if named else {fields[0].name: text}
    return Component(found, build(spec.options, given, owner=f"filter {spec.name!r}"))
