"""Loading one plugin: what it prints is no output, what it raises is its own, what it brings is checked."""

import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from inspect import getmembers, isroutine, signature
from re import fullmatch
from typing import Literal

import pluggy

from rnngen import contracts, hookspecs
from rnngen.contracts import Spec
from rnngen.discovery import Distribution, Source, summaries
from rnngen.options import describe
from rnngen.version import API

NAME = r"[a-z0-9][a-z0-9._-]*"
"""The form of names; signs that separate options have no place in them."""
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
Brought = list[tuple[str, Spec]]
"""Specs with their kinds."""


class IncompatiblePlugin(Exception):  # noqa: N818 - reads as the sentence that it is
    """A plugin that needs another version of the hooks."""


@dataclass(frozen=True)
class Failure:
    """A plugin that could not be used, and why."""

    plugin: str
    distribution: Distribution
    reason: str
    """One line."""
    status: Literal["broken", "incompatible"] = "broken"
    traceback: str = ""


@dataclass(frozen=True)
class Loaded:
    """The outcome of loading a plugin."""

    specs: Brought
    failure: Failure | None
    seconds: float
    """Time that it took."""
    files: tuple[str, ...]
    """The files that were imported for it."""


def load(source: Source, *, trusted: bool = False) -> Loaded:
    """Load a plugin and call its hooks; what it raises is recorded, whatever it is, but an interrupt.

    Args:
        source: the plugin.
        trusted: leave out checks that take time.
    """
    began = time.perf_counter()
    modules, path, environment = set(sys.modules), list(sys.path), dict(os.environ)
    specs: Brought = []
    failure, files = None, []
    try:
        with stdout_aside():
            plugin = source.load()
            specs = list(collect(plugin))
        if not trusted:
            _check(specs)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a stranger's code: whatever it raises stays with it
        files = [*summaries.imported(source), *summaries.involved(error)]
        failure, specs = _failure(source, error), []
        _roll_back(source, modules, path, environment)
    files = files or summaries.imported(source)
    return Loaded(specs, failure, time.perf_counter() - began, tuple(files))


def _failure(source: Source, error: BaseException) -> Failure:
    status: Literal["broken", "incompatible"] = "broken"
    if isinstance(error, IncompatiblePlugin):
        status = "incompatible"
    reason = one_line(f"{type(error).__name__}: {error}" if status == "broken" else str(error))
    shown = "".join(traceback.format_exception(error))
    return Failure(source.name, source.distribution, reason, status, shown)


def _roll_back(source: Source, modules: set[str], path: list[str], environment: dict[str, str]) -> None:
    """Undo what a plugin that failed has left: its modules, and what it did to paths and variables."""
    for name in set(sys.modules) - modules:
        if name == source.module or name.startswith(f"{source.module}."):
            del sys.modules[name]
    sys.path[:] = path
    if dict(os.environ) != environment:
        os.environ.clear()
        os.environ.update(environment)


@contextmanager
def stdout_aside() -> Iterator[None]:
    """Send what is written to standard output in the block to standard error, by whatever means."""
    if sys.stderr is None:
        yield
        return
    kept = None
    with suppress(OSError):
        kept = os.dup(1)
        os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        if kept is not None:
            os.dup2(kept, 1)
            os.close(kept)


def one_line(text: str) -> str:
    """Return a text on one line, cut where it is very long."""
    line = " ".join(text.split())
    return line if len(line) <= 300 else f"{line[:299]}…"


# ── Hooks ──────────────────────────────────────────────────────────────────────────────────────────────────


def hook_of(kind: str) -> str:
    """Return the name of the hook that brings plugins of a kind."""
    return "rnngen_" + (kind[:-1] + "ies" if kind.endswith("y") else kind + "s")


def collect(plugin: object) -> Iterator[tuple[str, Spec]]:
    """Call every hook of one plugin, each in its own manager so that a failure has one owner.

    Yields:
        The kind and a spec.

    Raises:
        IncompatiblePlugin: if it needs another version of the hooks.
        TypeError: if a hook does not exist, takes arguments or is not marked as one, or returns what is not
            a spec of its kind.
    """
    _check_version(getattr(plugin, "rnngen_api", None))
    _check_hooks(plugin)
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    for kind, spec_type in KINDS.items():
        hook = hook_of(kind)
        for specs in getattr(manager.hook, hook)():
            for spec in specs:
                if not isinstance(spec, spec_type):
                    raise TypeError(f"{hook} returned {spec!r}, which is no {spec_type.__name__}")
                yield kind, spec


def _check_version(needed: object) -> None:
    if needed is None:
        return
    found = fullmatch(r"(\d+)\.(\d+)", str(needed))
    if not found:
        raise TypeError(f"rnngen_api = {needed!r}: a version expected, as '{API[0]}.{API[1]}'")
    major, minor = int(found[1]), int(found[2])
    if major != API[0] or minor > API[1]:
        here = f"this rnngen has {API[0]}.{API[1]}"
        mend = "upgrade rnngen" if (major, minor) > API else "upgrade the plugin"
        raise IncompatiblePlugin(f"it needs version {needed} of the plugin interface, and {here}; {mend}")


def _check_hooks(plugin: object) -> None:
    hooks = [*map(hook_of, KINDS)]
    for name, value in getmembers(plugin, isroutine):
        marked = getattr(value, f"{hookspecs.PROJECT}_impl", None) is not None
        if marked and name not in hooks:
            near = get_close_matches(name, hooks, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(hooks)}"
            raise TypeError(f"unknown hook {name!r}; {mend}")
        if name in hooks and not marked:
            raise TypeError(f"{name} is not marked as a hook; put @hookimpl above it")
        if marked and (arguments := [*signature(value).parameters]):
            raise TypeError(f"{name}({', '.join(arguments)}): this hook takes no arguments")


def _check(specs: Brought) -> None:
    """Refuse what would only fail later, in somebody else's command."""
    met = set()
    for kind, spec in specs:
        hook = hook_of(kind)
        if not (isinstance(spec.name, str) and fullmatch(NAME, spec.name)):
            raise TypeError(
                f"{hook}: {spec.name!r} is no name; lower case, digits, '-', '_' and '.' expected"
            )
        if (hook, spec.name) in met:
            raise TypeError(f"{hook} brings {spec.name!r} twice")
        met.add((hook, spec.name))
        if not isinstance(spec.load, str) or not isinstance(spec.summary, str):
            raise TypeError(f"{hook}: summary and load of {spec.name!r} are texts")
        describe(spec.options)
