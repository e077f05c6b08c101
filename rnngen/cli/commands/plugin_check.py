"""``rnngen plugins check``: everything that plugins bring, held to the contracts."""

import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import click

from rnngen.cli import completers, flags
from rnngen.cli.context import registry
from rnngen.cli.render import console
from rnngen.discovery import Selection, SingleFile
from rnngen.errors import PluginError, RnngenError, UnknownName, UsageError
from rnngen.options import describe
from rnngen.registry import KINDS, Entry, Registered, Registry


class Checked(NamedTuple):
    """The result of one check."""

    kind: str
    name: str
    status: str
    """``ok``, ``failed``, or ``not checked`` for want of an option."""
    reason: str = ""


@flags.examples(
    "rnngen plugins check", "rnngen plugins check my-cell", "rnngen plugins check my-cell -o heads=2"
)
@click.command("check", cls=flags.Command)
@click.argument("name", required=False)
@flags.settings_flag(shell_complete=completers.settings_of(KINDS))
@flags.json_flag
@click.pass_context
def check(ctx: click.Context, /, name: str | None, option: dict[str, str], json: bool) -> None:
    """Hold what plugins bring to the contracts: NAME, of a plugin or of one thing, or all but the built-ins.

    Each is tried as its kind has to be: shapes, state, whole against step by step against NumPy, forks,
    single rows, gradients, bf16, saving and loading, output on the wrong stream. The first promise that is
    broken is shown, and the status is then 4. Options are given as to train: -o KEY=VALUE.
    """
    here = registry()
    here.load_all()
    wanted, modules = [*_wanted(here, name)], [*_modules(here, name)]
    if name is not None and not (wanted or modules):
        known = [
            *(entry.source.name for entry in here.entries),
            *(n for kind in KINDS for n in here.names(kind)),
        ]
        raise UnknownName("plugin", name, known)
    keys = {one.name for _, found in wanted for one in describe(found.spec.options)}
    for key in option:
        if key not in keys:
            raise UnknownName("option", key, keys)
    rows = []
    for kind, found in wanted:
        rows.append(_checked(here, kind, found, option))
        if not json and sys.stderr is not None and sys.stderr.isatty():
            console.note(f"{kind} {found.spec.name}: {rows[-1].status}")
    rows += modules
    if json:
        console.write_json([row._asdict() for row in rows])
    elif rows:
        console.table([[*row] for row in rows], ("kind", "name", "status", "reason"))
    else:
        console.note("there is no plugin but the built-ins; 'rnngen plugins check lstm' checks one of these")
    if any(row.status == "failed" for row in rows):
        ctx.exit(PluginError.exit_status)


def _wanted(here: Registry, name: str | None) -> Iterator[tuple[str, Registered[Any]]]:
    """Yield what a name means: a plugin, or one thing; all that is no built-in where there is none."""
    owners = {entry.source.distribution.name for entry in here.entries if name and _named(entry, name)}
    for kind in KINDS:
        for found in here.all(kind):
            meant = name in (found.spec.name, found.qualified) or found.distribution.name in owners
            if meant if name is not None else not found.built_in:
                yield kind, here.find(kind, found.qualified)


def _named(entry: Entry, name: str) -> bool:
    """Return whether a name is one of a plugin's."""
    return Selection.parse([name]).takes(entry.source)


def _checked(here: Registry, kind: str, found: Registered[Any], given: dict[str, str]) -> Checked:
    from rnngen.testing.suites import check as run

    known = {option.name for option in describe(found.spec.options)}
    own = {key: value for key, value in given.items() if key in known}
    parts = [one.spec for part in ("cell", "attention") for one in here.all(part)]
    label = found.spec.name if found.built_in else found.qualified
    try:
        found.resolve()
        run(found.spec, parts, **own)
    except UsageError as error:
        return Checked(kind, label, "not checked", f"{error}; give -o KEY=VALUE")
    except (AssertionError, RnngenError) as error:
        return Checked(kind, label, "failed", " ".join(str(error).split()))
    return Checked(kind, label, "ok")


def _modules(here: Registry, name: str | None) -> Iterator[Checked]:
    """Check that importing a package for listings imports nothing heavy, and name what is broken."""
    from rnngen.testing import check_light

    for entry in here.entries[1:]:
        if name is not None and not _named(entry, name):
            continue
        reason = entry.failure.reason if entry.failure else ""
        if not entry.failure and not isinstance(entry.source, SingleFile):
            reason = _heavy(entry, check_light)
        yield Checked("module", entry.source.place, "failed" if reason else "ok", reason)


def _heavy(entry: Entry, check_light: Any) -> str:
    """Return what a module imports at its top that it should not, or nothing."""
    try:
        check_light(entry.source.place.partition(":")[0])
    except AssertionError as error:
        return str(error)
    return ""
