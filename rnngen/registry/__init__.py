"""Owns the plugin manager: from a kind and a name to its spec, and from a spec to the thing itself.

Plugins are imported when a name is first looked up, each on its own: one that fails is recorded in
``failures`` and costs nobody else anything. Nothing here is process-wide: make as many as you like.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

import pluggy

from rnngen import contracts, hookspecs
from rnngen.contracts import Spec, imported
from rnngen.errors import PluginError, UnknownName
from rnngen.version import __version__

S = TypeVar("S", bound=Spec)


def hook_of(kind: str) -> str:
    """Return the name of the hook that brings plugins of a kind."""
    return "rnngen_" + (kind[:-1] + "ies" if kind.endswith("y") else kind + "s")


KINDS: dict[str, type[Spec]] = {
    "cell": contracts.CellSpec,
    "attention": contracts.AttentionSpec,
    "tokenizer": contracts.TokenizerSpec,
    "task": contracts.TaskSpec,
    "filter": contracts.FilterSpec,
    "strategy": contracts.StrategySpec,
    "reader": contracts.ReaderSpec,
    "listener": contracts.ListenerSpec,
    "command": contracts.CommandSpec,
}
"""Every kind of thing that a plugin can bring; ``hook_of`` names its hook."""


@dataclass(frozen=True)
class Distribution:
    """The package that a plugin came with."""

    name: str
    """Its name for ``pip install``."""
    version: str


@dataclass(frozen=True)
class Registered(Generic[S]):
    """A spec and the distribution that brought it."""

    spec: S
    distribution: Distribution

    @property
    def qualified(self) -> str:
        """``distribution/name``, which is never ambiguous."""
        return f"{self.distribution.name}/{self.spec.name}"

    def resolve(self, target: str | None = None) -> Any:
        """Import what the spec's ``load`` (or ``target``, another import string of the same spec) names.

        Raises:
            PluginError: if it cannot be imported, with the distribution's name and the reason.
        """
        target = target or self.spec.load
        try:
            return imported(target)
        except (Exception, SystemExit) as error:
            raise PluginError(
                f"{self.spec.name!r} from {self.distribution.name}: {target} cannot be loaded "
                f"({type(error).__name__}: {error}); reinstall or remove {self.distribution.name}"
            ) from error


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be used, and why."""

    plugin: str
    distribution: Distribution
    reason: str


@dataclass
class Registry:
    """Finds what plugins brought.

    Args:
        plugins: modules or objects with hook implementations, by the distribution that they count as.
            The built-ins are always there.
        entry_points: entry points to load besides; see ``discover``.
    """

    plugins: Iterable[tuple[Distribution, object]] = ()
    entry_points: Iterable[EntryPoint] = ()
    failures: list[Failure] = field(default_factory=list, init=False)
    """Plugins that could not be used; complete after the first look-up."""

    @classmethod
    def discover(cls) -> "Registry":
        """A registry of everything that is installed."""
        return cls(entry_points=entry_points(group=hookspecs.PROJECT))

    @cached_property
    def _specs(self) -> dict[str, list[Registered[Any]]]:
        """Every usable spec, by kind, built-ins first."""
        table: dict[str, list[Registered[Any]]] = {kind: [] for kind in KINDS}
        for distribution, plugin in self._plugins():
            try:
                brought = list(_collect(plugin))
            except (Exception, SystemExit) as error:  # a stranger's code: whatever it raises stays with it
                self._fail(getattr(plugin, "__name__", type(plugin).__name__), distribution, error)
                continue
            for kind, spec in brought:
                table[kind].append(Registered(spec, distribution))
        return table

    def _plugins(self) -> Iterator[tuple[Distribution, object]]:
        builtins = import_module("rnngen.builtins")
        yield Distribution(hookspecs.PROJECT, __version__), builtins
        yield from self.plugins
        for point in self.entry_points:
            owner = point.dist
            distribution = Distribution(owner.name, owner.version) if owner else Distribution(point.name, "?")
            try:
                yield distribution, point.load()
            except (Exception, SystemExit) as error:  # as above
                self._fail(point.name, distribution, error)

    def _fail(self, plugin: str, distribution: Distribution, error: BaseException) -> None:
        self.failures.append(Failure(plugin, distribution, f"{type(error).__name__}: {error}"))

    def all(self, kind: str) -> list[Registered[Any]]:
        """Everything of one kind, built-ins first."""
        return list(self._specs[kind])

    def specs(self, spec_type: type[S]) -> list[S]:
        """Return the specs of one type, built-ins first."""
        (kind,) = (kind for kind, one in KINDS.items() if one is spec_type)
        return [found.spec for found in self._specs[kind]]

    def names(self, kind: str) -> list[str]:
        """The names of one kind, without repetition."""
        return list(dict.fromkeys(registered.spec.name for registered in self._specs[kind]))

    def find(self, kind: str, name: str) -> Registered[Any]:
        """Look up ``name`` or ``distribution/name``.

        Raises:
            UnknownName: if there is none; the closest is named.
            PluginError: if two distributions bring the same name and it was not qualified.
        """
        candidates = self._specs[kind]
        # two entry points may lead to one module: the same thing twice is no conflict
        found = list(dict.fromkeys(r for r in candidates if name in (r.spec.name, r.qualified)))
        if not found:
            raise UnknownName(kind, name, self.names(kind))
        if len(found) > 1:
            owners = " and ".join(r.distribution.name for r in found)
            choice = " or ".join(repr(r.qualified) for r in found)
            raise PluginError(f"the {kind} {name!r} comes from both {owners}; say {choice}")
        return found[0]


def _collect(plugin: object) -> Iterator[tuple[str, Spec]]:
    """Call every hook of one plugin, each in its own manager so that a failure has one owner.

    Raises:
        pluggy.PluginValidationError: if it implements a hook that does not exist.
        TypeError: if a hook returns what is not a spec of its kind.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    manager.check_pending()
    for kind, spec_type in KINDS.items():
        for specs in getattr(manager.hook, hook_of(kind))():
            for spec in specs:
                if not isinstance(spec, spec_type):
                    raise TypeError(f"{hook_of(kind)} returned {spec!r}, which is no {spec_type.__name__}")
                yield kind, spec
