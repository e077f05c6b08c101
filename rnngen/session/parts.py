"""From names and options to built objects, and back from what a model's config says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from rnngen.contracts import AnyFilter, CellSpec, Chunk, FilterSpec, LayerStep, Task, Tokenizer, Weights
from rnngen.engine.config import Component
from rnngen.errors import ModelError, PluginError, UnknownName, UsageError
from rnngen.options import build, construct, describe, divide
from rnngen.registry import Registered, Registry


@dataclass(frozen=True)
class Part:
    """A spec with its options chosen: everything needed to build the thing."""

    registered: Registered[Any]
    options: Any

    @property
    def component(self) -> Component:
        """As ``config.json`` records it."""
        owner = self.registered.distribution
        return Component(self.registered.spec.name, owner.name, owner.version, asdict(self.options))

    def build(self, *arguments: Any) -> Any:
        """Call what the spec loads with some arguments and the options."""
        return self.registered.resolve()(*arguments, self.options)


def choose(registry: Registry, names: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, Part]:
    """Look up one part of each kind, and give each the settings that are its own.

    Args:
        registry: where to look.
        names: a name for each kind.
        settings: option values by key; ``kind.key`` where two parts have the same key.

    Raises:
        UnknownName: for a name or a key that nothing answers to.
        UsageError: for a key that two parts answer to, or a value that is refused.
    """
    found = {kind: registry.find(kind, name) for kind, name in names.items()}
    shares = _distribute(found, settings)
    return {
        kind: Part(one, build(one.spec.options, shares[kind], owner=f"{kind} {one.spec.name!r}"))
        for kind, one in found.items()
    }


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


def restore(registry: Registry, kind: str, component: Component) -> Part:
    """Find the part that a model was made with.

    Raises:
        PluginError: if it is not installed; the distribution to install is named.
        ModelError: if it no longer takes the model's options.
    """
    try:
        found = registry.find(kind, component.qualified)
    except UnknownName:
        broken = [f for f in registry.failures if f.distribution.name == component.distribution]
        mend = (
            f"{component.distribution} is installed but does not work ({broken[0].reason})"
            if broken
            else f"it is not installed: pip install {component.distribution}"
        )
        raise PluginError(
            f"this model needs the {kind} {component.name!r} from {component.distribution} "
            f"{component.version}; {mend}"
        ) from None
    try:
        owner = f"{kind} {component.name!r}"
        return Part(found, construct(found.spec.options, component.options, owner=owner))
    except UsageError as error:
        raise ModelError(
            f"this model was made with {component.distribution} {component.version}, and "
            f"{found.distribution.version} does not take its options ({error})"
        ) from error


# ── Cells ──────────────────────────────────────────────────────────────────────────────────────────────────


def numpy_layers(cell: Part, weights: Weights, layers: int) -> list[LayerStep] | None:
    """The NumPy face of each layer; None where the cell has none."""
    spec: CellSpec = cell.registered.spec
    if spec.step is None:
        return None
    make = cell.registered.resolve(spec.step)
    return [make(_below(weights, f"layers.{i}."), cell.options) for i in range(layers)]


def _below(weights: Weights, prefix: str) -> Weights:
    return {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}


# ── Text ───────────────────────────────────────────────────────────────────────────────────────────────────


def reader_for(
    registry: Registry, settings: Mapping[str, str]
) -> Callable[[str], Callable[[BinaryIO, str], Iterator[Chunk]]]:
    """From a file ending to its reader; what no reader claims is plain text.

    Args:
        registry: where to look.
        settings: option values; each reader takes those that it knows.
    """

    def reader(suffix: str) -> Callable[[BinaryIO, str], Iterator[Chunk]]:
        claims = [r for r in registry.all("reader") if suffix in r.spec.suffixes]
        found = claims[-1] if claims else registry.find("reader", "text")
        known = {option.name for option in describe(found.spec.options)}
        given = {key: value for key, value in settings.items() if key in known}
        options = build(found.spec.options, given, owner=f"reader {found.spec.name!r}")
        read = found.resolve()
        return lambda stream, name: read(stream, name, options)

    return reader


def suffixes(registry: Registry) -> set[str]:
    """The file endings that some reader claims."""
    return {suffix for one in registry.all("reader") for suffix in one.spec.suffixes}


def load_tokenizer(part: Part, text: str, place: object) -> Tokenizer:
    """Build a tokenizer from its saved form.

    Raises:
        ModelError: if the form is damaged.
    """
    try:
        tokenizer: Tokenizer = part.registered.resolve().from_json(text)
    except ValueError as error:
        raise ModelError(f"{place}: tokenizer.json is damaged ({error}); restore it") from error
    return tokenizer


def make_task(part: Part) -> Task:
    """Build a task."""
    task: Task = part.build()
    return task


# ── Filters ────────────────────────────────────────────────────────────────────────────────────────────────


def choose_filters(registry: Registry, chain: list[tuple[str, str]]) -> list[Part]:
    """Look up filters by name, with the text of their main option: ``"40"``, or ``"40;window=9"`` for others.

    A backslash before ``;`` or ``=`` takes its meaning away.

    Raises:
        UnknownName: for a name or a key that nothing answers to.
        UsageError: for a value that is refused.
    """
    return [_filter(registry.find("filter", name), value) for name, value in chain]


def make_filters(chain: Sequence[Part], tokenizer: Tokenizer) -> list[AnyFilter]:
    """Build chosen filters for a model with this tokenizer."""
    made = []
    for part in chain:
        text = [tokenizer] if part.registered.spec.needs_text else []
        made.append(part.registered.resolve()(part.options, *text))
    return made


def _filter(found: Registered[Any], value: str) -> Part:
    spec: FilterSpec = found.spec
    fields = describe(spec.options)
    given: dict[str, str] = {}
    for index, text in enumerate(divide(value, ";")):
        key = divide(text, "=")[0] if text[0] != "=" else ""
        named = len(key) < len(text)
        if not named and (index or not fields):
            raise UsageError(f"filter {spec.name!r}: {text!r} is not of the form KEY=VALUE")
        given |= {key: text[len(key) + 1 :]} if named else {fields[0].name: text}
    return Part(found, build(spec.options, given, owner=f"filter {spec.name!r}"))
