"""Commands that plugins bring, known without importing the plugins.

A plugin that imports torch at its top would cost every ``rnngen --help`` a second. The commands of plugins
are therefore kept in the user's cache, under a fingerprint of all that is installed in the entry-point group.
"""

import json
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

from rnngen import paths
from rnngen.errors import PluginError
from rnngen.version import __version__

if TYPE_CHECKING:
    import click

    from rnngen.registry import Failure

GROUP = "rnngen"


@dataclass(frozen=True)
class Row:
    """A plugin's command, as ``--help`` lists it."""

    name: str
    summary: str
    load: str
    distribution: str
    version: str

    @property
    def qualified(self) -> str:
        """``distribution/name``, which is never ambiguous."""
        return f"{self.distribution}/{self.name}"


def summaries(*, reserved: Collection[str], quiet: bool = False) -> Iterator[tuple[str, str]]:
    """Yield the name to type for each command of a plugin, and its summary."""
    known = rows(quiet=quiet)
    for row in known:
        alone = row.name not in reserved and sum(other.name == row.name for other in known) == 1
        yield (row.name if alone else row.qualified), row.summary


def find(name: str, *, reserved: Collection[str], quiet: bool = False) -> "click.Command | None":
    """Import the command called ``name`` or ``distribution/name``; ``None`` if no plugin brings it.

    Of a name that is ``reserved`` for a built-in, the qualified one only; ``quiet`` is silent about plugins
    that cannot be imported.

    Raises:
        PluginError: if two plugins bring the name, or it cannot be imported, or is no command.
    """
    found = [r for r in rows(quiet=quiet) if name == r.qualified or (name == r.name and name not in reserved)]
    if len(found) > 1:
        owners = " and ".join(row.distribution for row in found)
        choice = " or ".join(repr(row.qualified) for row in found)
        raise PluginError(f"the command {name!r} comes from both {owners}; say {choice}")
    return _load(found[0]) if found else None


def rows(*, quiet: bool = False) -> list[Row]:
    """Return the commands of all plugins, from the cache where it is up to date."""
    points = list(entry_points(group=GROUP))
    if not points:
        return []
    fingerprint = [__version__, *sorted(_fingerprint(point) for point in points)]
    cached = _read_cache(fingerprint)
    return cached if cached is not None else _ask_plugins(fingerprint, quiet=quiet)


def report(failures: "Iterable[Failure]") -> None:
    """Name each plugin that could not be used, a line each, on stderr."""
    from rnngen.cli.render.console import warn

    for failure in failures:
        warn(f"the plugin {failure.plugin!r} of {failure.distribution.name} cannot be used: {failure.reason}")


def _ask_plugins(fingerprint: list[str], *, quiet: bool) -> list[Row]:
    """Import the plugins. Nothing is cached while one fails, so that a repair shows at once."""
    from rnngen.registry import Registry

    registry = Registry.discover()
    found = [
        Row(one.spec.name, one.spec.summary, one.spec.load, one.distribution.name, one.distribution.version)
        for one in registry.all("command")
    ]
    if not registry.failures:
        _write_cache(fingerprint, found)
    elif not quiet:
        report(registry.failures)
    return found


def _load(row: Row) -> "click.Command":
    import click

    from rnngen.contracts import CommandSpec
    from rnngen.registry import Distribution, Registered

    spec = CommandSpec(name=row.name, summary=row.summary, load=row.load)
    command = Registered(spec, Distribution(row.distribution, row.version)).resolve()
    if not isinstance(command, click.Command):
        raise PluginError(f"{row.name!r} from {row.distribution}: {row.load} is no click.Command")
    return command


# ── The cache ──────────────────────────────────────────────────────────────────────────────────────────────


def _fingerprint(point: EntryPoint) -> str:
    """Return a text that changes with the plugin; the files' times are for authors at work on one."""
    owner = point.dist
    times = [_modified(path) for path in _sources(point.module)]
    return json.dumps([owner.name if owner else "", owner.version if owner else "", point.value, times])


def _sources(module: str) -> Iterator[Path]:
    """Yield the file of the top-level module, found without importing it, and places of the module itself."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return
    if spec and spec.origin:
        yield Path(spec.origin)
    for folder in (spec.submodule_search_locations or ()) if spec and rest else ():
        yield Path(folder, *rest).with_suffix(".py")
        yield Path(folder, *rest, "__init__.py")


def _modified(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _cache_file() -> Path:
    """The file of this Python's cache; two environments have two."""
    return paths.cache() / f"commands-{crc32(sys.prefix.encode()):08x}.json"


def _read_cache(fingerprint: list[str]) -> list[Row] | None:
    try:
        cache: dict[str, Any] = json.loads(_cache_file().read_bytes())
        return [Row(**row) for row in cache["rows"]] if cache["fingerprint"] == fingerprint else None
    except (OSError, ValueError, TypeError, KeyError):  # none, or damaged: the plugins are asked again
        return None


def _write_cache(fingerprint: list[str], found: list[Row]) -> None:
    from rnngen.store.checkpoint import atomic

    text = json.dumps({"fingerprint": fingerprint, "rows": [asdict(row) for row in found]})
    with suppress(OSError), atomic(_cache_file()) as file:  # without a cache the next call is slow, no more
        file.write(text.encode())
