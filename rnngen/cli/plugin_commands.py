"""Commands that plugins bring, known without importing the plugins (``rnngen.discovery.summaries``)."""

import os
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from rnngen import discovery
from rnngen.discovery import Selection, Source, summaries
from rnngen.errors import PluginError, os_reason

if TYPE_CHECKING:
    from rnngen.registry import Failure


@dataclass(frozen=True)
class Row:
    """A plugin's command, as ``--help`` lists it."""

    name: str
    summary: str
    load: str
    source: Source

    @property
    def qualified(self) -> str:
        """``distribution/name``, which is never ambiguous."""
        return f"{self.source.distribution.name}/{self.name}"


def summaries_of(
    selection: Selection, *, reserved: Collection[str], quiet: bool = False
) -> Iterator[tuple[str, str]]:
    """Yield the name to type for each command of a plugin, and its summary."""
    known = rows(selection, quiet=quiet)
    for row in known:
        alone = row.name not in reserved and sum(other.name == row.name for other in known) == 1
        yield (row.name if alone else row.qualified), row.summary


def find(
    selection: Selection, name: str, *, reserved: Collection[str], quiet: bool = False
) -> click.Command | None:
    """Import the command called ``name`` or ``distribution/name``; ``None`` if no plugin brings it.

    Of a name that is ``reserved`` for a built-in, the qualified one only; ``quiet`` is silent about plugins
    that cannot be imported.

    Raises:
        PluginError: if two plugins bring the name, or it cannot be imported, or is no command.
    """
    known = rows(selection, quiet=quiet)
    found = [r for r in known if name == r.qualified or (name == r.name and name not in reserved)]
    if len(found) > 1:
        owners = " and ".join(row.source.distribution.name for row in found)
        choice = " or ".join(repr(row.qualified) for row in found)
        raise PluginError(f"the command {name!r} comes from both {owners}; say {choice}")
    return _load(found[0]) if found else None


def rows(selection: Selection, *, quiet: bool = False) -> list[Row]:
    """Return the commands of all plugins, from the cache where it is up to date."""
    wanted = selection & Selection.of_environment()
    if wanted.takes_none:
        return []
    found: list[Row] = []
    for source in filter(wanted.takes, discovery.sources()):
        kept = summaries.read(source)
        if kept is None or "failure" in kept:
            found += _asked(source, quiet=quiet)
        else:
            specs = [spec for kind, spec in kept["specs"] if kind == "command"]
            found += [Row(one["name"], one["summary"], one["load"], source) for one in specs]
    # two entry points may lead to one module: the same thing twice is one
    return [*{(row.qualified, row.load): row for row in found}.values()]


def _asked(source: Source, *, quiet: bool) -> list[Row]:
    """Import a plugin, or report that it fails."""
    from rnngen.registry import Registry

    registry = Registry(sources=(source,), cached=True)
    if not quiet:
        report(registry.failures)
    commands = [one.spec for one in registry.all("command")]
    return [Row(spec.name, spec.summary, spec.load, source) for spec in commands]


def report(failures: "Iterable[Failure]") -> None:
    """Name each plugin that could not be used, a line each, on stderr; with RNNGEN_DEBUG, where it fails."""
    from rnngen.cli.render.console import warn
    from rnngen.registry import broken

    for failure in failures:
        if os.environ.get("RNNGEN_DEBUG") and sys.stderr:
            sys.stderr.write(failure.traceback)
        warn(broken(failure))


def failed(selection: Selection, name: str, error: Exception) -> PluginError:
    """Return the error for what a plugin's command raised; the plugin is named."""
    owners = [r.source for r in rows(selection, quiet=True) if name in (r.name, r.qualified)]
    owner = owners[0].distribution.name if owners else "a plugin"
    reason = os_reason(error) if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return PluginError(
        f"the command {name!r} of {owner} failed ({' '.join(reason.split())}); RNNGEN_DEBUG=1 shows where"
    )


def _load(row: Row) -> click.Command:
    from rnngen.registry import Registry

    command = Registry(sources=(row.source,), cached=True).find("command", row.qualified).resolve()
    if not isinstance(command, click.Command):
        owner = row.source.distribution.name
        raise PluginError(f"{row.name!r} from {owner}: {row.load} is no click.Command")
    return command
