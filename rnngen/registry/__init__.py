"""Owns the plugins: from a kind and a name to its spec, and from a spec to the thing itself.

::

    all, names, specs    from what is kept of plugins (``rnngen.discovery.summaries``): nothing is imported
    find                 the plugin that brings the name is imported, and no other

A plugin that is not kept yet, or has changed, is imported at the first look-up, on its own: one that fails is
recorded in ``failures`` and costs nobody else anything. Nothing here is process-wide: make as many as you
like.
"""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from rnngen import discovery, hookspecs
from rnngen.contracts import Spec, imported
from rnngen.discovery import Distribution as Distribution
from rnngen.discovery import InMemory, Selection, Source, summaries
from rnngen.errors import MissingPlugin, PluginError, RnngenError, UnknownName, UsageError
from rnngen.registry import light
from rnngen.registry.loading import KINDS as KINDS
from rnngen.registry.loading import Failure as Failure
from rnngen.registry.loading import Loaded, load, one_line, stdout_aside
from rnngen.version import __version__

S = TypeVar("S", bound=Spec)


BUILT_IN = Distribution(hookspecs.PROJECT, __version__)


@dataclass(frozen=True)
class Registered(Generic[S]):
    """A spec and the distribution that brought it."""

    spec: S
    distribution: Distribution

    @property
    def qualified(self) -> str:
        """``distribution/name``, which is never ambiguous."""
        return f"{self.distribution.name}/{self.spec.name}"

    @property
    def built_in(self) -> bool:
        """True for what rnngen itself brings."""
        return self.distribution.name == hookspecs.PROJECT

    def resolve(self, target: str | None = None) -> Any:
        """Import what the spec's ``load`` (or ``target``, another import string of the same spec) names.

        Raises:
            PluginError: if it cannot be imported, with the distribution's name and the reason.
        """
        target = target or self.spec.load
        try:
            with nullcontext() if self.built_in else stdout_aside():
                return imported(target)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a stranger's code, as in `loading`
            reason = one_line(f"{type(error).__name__}: {error}")
            raise PluginError(
                f"{self.spec.name!r} from {self.distribution.name}: {target} cannot be loaded "
                f"({reason}); reinstall or remove {self.distribution.name}"
            ) from error

    def call(self, *arguments: Any, target: str | None = None) -> Any:
        """Call what the spec loads, to build the thing.

        Raises:
            UsageError: if it refuses its arguments with a ``ValueError``, as an options dataclass does.
            PluginError: if it raises anything else, naming the distribution.
        """
        made = self.resolve(target)
        try:
            return made(*arguments)
        except RnngenError:
            raise
        except Exception as error:
            if self.built_in:
                raise
            raise self.failed(error) from error

    def failed(self, error: Exception) -> RnngenError:
        """Return the error for one that the thing raised when it was built."""
        if isinstance(error, ValueError):
            return UsageError(f"{self.spec.name!r} from {self.distribution.name}: {one_line(str(error))}")
        reason = one_line(f"{type(error).__name__}: {error}")
        return PluginError(
            f"{self.spec.name!r} from {self.distribution.name} failed ({reason}); report it to its author"
        )


@dataclass
class Entry:
    """A plugin, and what it brings: from the cache until it is needed."""

    source: Source
    failure: Failure | None
    seconds: float
    """Time that importing it took."""
    light: "list[tuple[str, Spec | light.Json]]"
    """What it brings, with the kinds, to be listed; from the cache as JSON."""
    real: list[tuple[str, Spec]] | None
    """The same, to be built; None as long as the plugin is not imported."""

    @property
    def status(self) -> str:
        """``ok``, ``broken`` or ``incompatible``."""
        return self.failure.status if self.failure else "ok"


@dataclass
class Registry:
    """Finds what plugins brought.

    Args:
        plugins: modules or objects with hook implementations, by the distribution that they count as.
            The built-ins are always there.
        sources: plugins that were found; see ``discover``.
        selection: those of them that count.
        cached: whether what they bring may come from the cache.
    """

    plugins: Iterable[tuple[Distribution, object]] = ()
    sources: Iterable[Source] = ()
    selection: Selection = field(default_factory=Selection)
    cached: bool = False

    @classmethod
    def discover(cls, selection: Selection | None = None, *, cached: bool = True) -> "Registry":
        """A registry of everything that is installed, or lies in the folders of single files.

        ``selection`` says which of them count, beside what the environment says.
        """
        wanted = Selection.of_environment() & (selection or Selection())
        return cls(sources=tuple(discovery.sources()), selection=wanted, cached=cached)

    @cached_property
    def found(self) -> list[Source]:
        """Every plugin beside the built-ins, those included that do not count."""
        return [*(InMemory(distribution, plugin) for distribution, plugin in self.plugins), *self.sources]

    @cached_property
    def disabled(self) -> list[Source]:
        """Plugins that do not count, as somebody asked for."""
        return [source for source in self.found if not self.selection.takes(source)]

    @cached_property
    def entries(self) -> list[Entry]:
        """Every plugin that counts, in order, the built-ins first."""
        source = InMemory(BUILT_IN, "rnngen.builtins")
        builtins = load(source, trusted=True)
        if builtins.failure:
            raise PluginError(f"rnngen itself is broken: {builtins.failure.reason}; install it again")
        first = Entry(source, None, builtins.seconds, [*builtins.specs], builtins.specs)
        others = [self._entry(source) for source in self.found if self.selection.takes(source)]
        return [first, *others]

    def check_selection(self) -> None:
        """Raise ``UnknownName`` if a plugin is chosen, or left out, that there is not."""
        self.selection.check(self.found)

    @property
    def failures(self) -> list[Failure]:
        """Plugins that could not be used."""
        return [entry.failure for entry in self.entries if entry.failure]

    def _entry(self, source: Source) -> Entry:
        kept = summaries.read(source) if self.cached and not discovery.strict() else None
        return (_from_summary(source, kept) if kept else None) or self._load(source)

    def _load(self, source: Source) -> Entry:
        loaded = load(source)
        if self.cached:
            _keep(source, loaded)
        return Entry(source, loaded.failure, loaded.seconds, [*loaded.specs], loaded.specs)

    def load_all(self) -> None:
        """Import every plugin, so that ``failures`` lists what is broken now."""
        for number, entry in enumerate(self.entries):
            if entry.real is None:
                self.entries[number] = self._load(entry.source)
        self._tables.clear()

    @cached_property
    def _tables(self) -> dict[str, list[tuple[int, Registered[Any]]]]:
        return {}

    def _registered(self, kind: str) -> list[tuple[int, Registered[Any]]]:
        """Return every usable spec of a kind with the number of its entry; the kinds asked for are read."""
        if kind not in self._tables:
            try:
                self._tables[kind] = [*self._read(kind)]
            except (AttributeError, KeyError, TypeError, ValueError):  # what was kept is damaged
                self.load_all()
                self._tables[kind] = [*self._read(kind)]
        return self._tables[kind]

    def _read(self, kind: str) -> Iterator[tuple[int, Registered[Any]]]:
        for number, entry in enumerate(self.entries):
            for found, spec in entry.light:
                if found == kind:
                    whole = light.read(spec) if isinstance(spec, dict) else spec
                    yield number, Registered(whole, entry.source.distribution)

    def all(self, kind: str) -> list[Registered[Any]]:
        """Everything of one kind, built-ins first, to be listed; ``find`` gives what can be built."""
        return [found for _, found in self._registered(kind)]

    def specs(self, spec_type: type[S]) -> list[S]:
        """Return the specs of one type that their bare name means, built-ins first, to be listed."""
        (kind,) = (kind for kind, one in KINDS.items() if one is spec_type)
        own = {found.spec.name for found in self.all(kind) if found.built_in}
        return [found.spec for found in self.all(kind) if found.built_in or found.spec.name not in own]

    def names(self, kind: str) -> list[str]:
        """The names of one kind, without repetition."""
        return list(dict.fromkeys(found.spec.name for found in self.all(kind)))

    def conflicts(self) -> list[str]:
        """Return a line for each name that several plugins bring."""
        lines = []
        for kind in KINDS:
            for name in self.names(kind):
                owners = {r.qualified: r for r in self.all(kind) if r.spec.name == name}
                if len(owners) > 1:
                    first = next(iter(owners.values()))
                    meant = "means rnngen's own" if first.built_in else "is not known alone"
                    others = " and ".join(one for one, r in owners.items() if not r.built_in)
                    lines.append(f"the {kind} {name!r} {meant}; say {others} for the other")
        return lines

    def find(self, kind: str, name: str) -> Registered[Any]:
        """Look up ``name`` or ``distribution/name``; the plugin that brings it is imported.

        A bare name that a built-in has is the built-in's.

        Raises:
            UnknownName: if there is none; the closest is named.
            PluginError: if two distributions bring the same name and it was not qualified, or the one that
                did is not there now.
        """
        # two entry points may lead to one module: the same thing twice is no conflict
        found: dict[tuple[str, str], tuple[int, Registered[Any]]] = {}
        for number, r in self._registered(kind):
            if name in (r.spec.name, r.qualified):
                found.setdefault((r.qualified, r.spec.load), (number, r))
        own = [one for one in found.values() if one[1].built_in]
        several = own or [*found.values()]
        if not several:
            raise self._missing(kind, name)
        if len(several) > 1:
            owners = " and ".join(r.distribution.name for _, r in several)
            choice = " or ".join(repr(r.qualified) for _, r in several)
            raise PluginError(f"the {kind} {name!r} comes from both {owners}; say {choice}")
        number, registered = several[0]
        return self._real(number, kind, registered)

    def _real(self, number: int, kind: str, registered: Registered[Any]) -> Registered[Any]:
        """Return what can be built for what was listed."""
        entry = self.entries[number]
        if entry.real is None:
            entry = self.entries[number] = self._load(entry.source)
        if entry.failure:
            raise PluginError(broken(entry.failure))
        for found, spec in entry.real or ():
            if found == kind and spec.name == registered.spec.name:
                return replace(registered, spec=spec)
        raise UnknownName(kind, registered.spec.name, self.names(kind))  # it has changed meanwhile

    def _missing(self, kind: str, name: str) -> RnngenError:
        """Return the error for a name that no plugin brings now, though one may have once."""
        bare = name.rpartition("/")[2]
        for distribution, spec in self.absent(kind):
            if bare == spec["name"] and name in (bare, f"{distribution.name}/{bare}"):
                return MissingPlugin(kind, bare, distribution.name, self.why_missing(distribution))
        return UnknownName(kind, name, self.names(kind))

    def absent(self, kind: str) -> Iterator[tuple[Distribution, dict[str, Any]]]:
        """Yield what plugins brought that are known, and not there now: removed, disabled or broken."""
        if not self.cached:
            return
        usable = [entry.source for entry in self.entries if not entry.failure]
        for kept in summaries.absent(usable):
            for found, spec in kept["specs"]:
                if found == kind:
                    yield Distribution(**kept["distribution"]), spec

    def why_missing(self, distribution: Distribution, *, mend: str = "") -> str:
        """Return why a distribution cannot be used, and the mend, as a clause.

        ``mend`` stands for an installation where the name comes from elsewhere than this user's plugins.
        """
        name = distribution.name
        for failure in self.failures:
            if failure.distribution.name == name:
                return f"{name} is installed but does not work ({failure.reason})"
        if any(source.distribution.name == name for source in self.disabled):
            return f"{name} is switched off, by -p, --no-plugins or RNNGEN_PLUGINS"
        for entry in self.entries:
            if (there := entry.source.distribution).name == name:
                upgrade = f"put another {name} there" if name.endswith(".py") else f"pip install -U {name}"
                return f"{name} {there.version} is installed and has none; upgrade it: {upgrade}"
        return f"it is not installed: {mend or distribution.mend}"


def broken(failure: Failure) -> str:
    """Return the line about a plugin that failed: which, why, and how to get rid of it."""
    return (
        f"the plugin {failure.plugin!r} of {failure.distribution.name} cannot be used: {failure.reason} "
        f"(-p no:{failure.plugin} leaves it out)"
    )


def _keep(source: Source, loaded: Loaded) -> None:
    """Keep what a plugin brings, if it can be read back."""
    try:
        specs = [[kind, light.written(spec)] for kind, spec in loaded.specs]
    except TypeError:
        return
    summary: dict[str, Any] = {"specs": specs, "seconds": loaded.seconds}
    if loaded.failure:
        failure = asdict(loaded.failure)
        summary["failure"] = {name: failure[name] for name in ("reason", "status", "traceback")}
    summaries.write(source, summary, loaded.files)


def _from_summary(source: Source, kept: dict[str, Any]) -> Entry | None:
    try:
        failed = kept.get("failure")
        specs = [] if failed else [(kind, values) for kind, values in kept["specs"] if kind in KINDS]
        failure = Failure(source.name, source.distribution, **failed) if failed else None
        return Entry(source, failure, float(kept["seconds"]), specs, None)
    except (AttributeError, KeyError, TypeError, ValueError):  # damaged: the plugin is imported again
        return None
