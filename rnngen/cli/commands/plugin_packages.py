"""``rnngen plugins install``, ``uninstall``, ``freeze`` and ``sync``: pip in this environment.

Nothing here loads a plugin, so that each works whatever a plugin does.
"""

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import invalidate_caches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import click

from rnngen import discovery
from rnngen.cli import completers, flags, streams
from rnngen.cli.render import console
from rnngen.discovery import SingleFile, Source, names_of
from rnngen.errors import PluginError, UnknownName, UsageError


@flags.examples("rnngen plugins install rnngen-mingru", "rnngen plugins install -e ./my-cell")
@click.command("install", context_settings={"ignore_unknown_options": True})
@click.argument("packages", nargs=-1, required=True, type=click.UNPROCESSED)
def install(packages: tuple[str, ...]) -> None:
    """Install PACKAGES with pip, in the environment that rnngen runs in; options of pip are passed on."""
    before = {source.distribution.name for source in discovery.sources()}
    _pip("install", *packages)
    invalidate_caches()
    new = sorted({source.distribution.name for source in discovery.sources()} - before)
    if new:
        console.note(f"new: {', '.join(new)}; 'rnngen plugins list' shows what they bring")
    else:
        console.warn("no new plugin came with it; 'rnngen plugins list' shows what there is")


@flags.examples("rnngen plugins uninstall rnngen-mingru")
@click.command("uninstall", cls=flags.Command)
@click.argument("names", nargs=-1, required=True, shell_complete=completers.of(lambda _: _known()))
@flags.option("-y", "--yes", is_flag=True, sensitive=True, help="Do not ask.")
def uninstall(names: tuple[str, ...], yes: bool) -> None:
    """Remove plugins by the names that 'rnngen plugins list' shows: packages with pip, and single files."""
    found = [_find(name) for name in names]
    for source in found:
        if not yes:
            what = f"remove {source.distribution.name} ({source.place})?"
            streams.confirm(what, "uninstall asks before it removes")
    packages = [source.distribution.name for source in found if not isinstance(source, SingleFile)]
    for source in found:
        if isinstance(source, SingleFile):
            source.path.unlink()
    if packages:
        _pip("uninstall", "--yes", *dict.fromkeys(packages))


@flags.examples("rnngen plugins freeze > plugins.txt")
@click.command("freeze", cls=flags.Command)
def freeze() -> None:
    """Print the installed plugins, a line each, as pip installs them again; files are named in comments."""
    for line in dict.fromkeys(map(_requirement, discovery.sources())):
        click.echo(line)


@flags.examples("rnngen plugins sync plugins.txt")
@click.command("sync", cls=flags.Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@flags.option(
    "-y", "--yes", is_flag=True, sensitive=True, help="Remove what the list has not, without asking."
)
def sync(file: Path, yes: bool) -> None:
    """Install the plugins of FILE, as 'rnngen plugins freeze' wrote it, and remove all others."""
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    wanted = {line for line in lines if line and not line.startswith("#")}
    installed = [source for source in discovery.sources() if not isinstance(source, SingleFile)]
    others = sorted({one.distribution.name for one in installed if _is_gone(one, wanted)})
    if others and not yes:
        streams.confirm(f"remove {', '.join(others)}?", "sync asks before it removes")
    if others:
        _pip("uninstall", "--yes", *others)
    if wanted:
        _pip("install", "-r", str(file))


def _is_gone(source: Source, wanted: Iterable[str]) -> bool:
    """Return whether a list has a package in no version at all."""
    listed = {line.partition("==")[0].strip().lower().replace("_", "-") for line in wanted}
    return _requirement(source) not in wanted and not names_of(source) & listed


def _requirement(source: Source) -> str:
    """Return what pip installs a plugin from."""
    owner = source.distribution
    if isinstance(source, SingleFile):
        return f"# {source.path} ({owner.version})"
    try:
        origin = json.loads(distribution(owner.name).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {}
    url = str(origin.get("url", ""))
    if not url:
        return f"{owner.name}=={owner.version}"
    if origin.get("dir_info", {}).get("editable"):
        return f"-e {url}"
    if taken := origin.get("vcs_info"):
        url = f"{taken['vcs']}+{url}@{taken['commit_id']}"
    part = origin.get("subdirectory")
    return f"{owner.name} @ {url}{f'#subdirectory={part}' if part else ''}"


def _known() -> list[str]:
    return [source.distribution.name for source in discovery.sources()]


def _find(name: str) -> Source:
    if not name.strip():
        raise UsageError("a blank name is no plugin's; 'rnngen plugins list' shows what there is")
    known = list(discovery.sources())
    for source in known:
        if discovery.normal(name) in names_of(source):
            return source
    raise UnknownName("plugin", name, [source.distribution.name for source in known])


def _pip(*arguments: str) -> None:
    """Run pip; what it prints goes to standard error."""
    command: Sequence[str] = [sys.executable, "-m", "pip", *arguments]
    done = subprocess.run(command, stdout=sys.stderr, check=False)
    if done.returncode:
        raise PluginError(
            f"pip {arguments[0]} ended with status {done.returncode}; what it says stands above"
        )
