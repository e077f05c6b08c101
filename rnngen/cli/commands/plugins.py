"""``rnngen plugins``: the names that ``--cell``, ``--tokenizer``, ``--filters`` … take."""

from dataclasses import MISSING
from typing import Any

import click

from rnngen import discovery
from rnngen.cli import completers, flags
from rnngen.cli.commands.plugin_check import check
from rnngen.cli.commands.plugin_new import new
from rnngen.cli.commands.plugin_packages import freeze, install, sync, uninstall
from rnngen.cli.context import registry
from rnngen.cli.render import console
from rnngen.contracts import FilterSpec, StrategySpec
from rnngen.discovery import Source
from rnngen.errors import UnknownName
from rnngen.options import Option, describe
from rnngen.registry import KINDS, Entry, Failure, Registered

*OTHERS, LAST = KINDS


@click.group()
def plugins() -> None:
    """Show, check, write and install plugins: cells, attentions, tokenizers, tasks, filters and more.

    A plugin is a Python package, which 'rnngen plugins install' or pip installs, or one file in the folder
    that 'rnngen plugins folder' prints.
    """


for _command in (check, new, install, uninstall, freeze, sync):
    plugins.add_command(_command)


@flags.examples(
    "rnngen plugins list", "rnngen plugins list -v", "rnngen plugins list --json | jq '.plugins[].name'"
)
@plugins.command(
    "list",
    short_help="List every name that plugins add, and their packages.",
    help=f"""List every {", ".join(OTHERS)} and {LAST}, with its package.

    Packages that could not be used are listed too, with the reason.
    """,
)
@click.option("-v", "--verbose", is_flag=True, help="Show the options of each, for -o KEY=VALUE.")
@flags.json_flag
def list_plugins(verbose: bool, json: bool) -> None:
    """List every plugin and every failure."""
    from rnngen.generation.decoding_choice import DecodingFlags

    here = registry()
    here.load_all()  # what is broken now, not what was when it was last imported
    found = [_described(kind, one) for kind in KINDS for one in here.all(kind)]
    failed = [_failed(one) for one in here.failures]
    off = [_switched_off(source) for source in here.disabled]
    packages = [_entry(entry) for entry in here.entries]
    conflicts = [*here.conflicts(), *DecodingFlags(here).lost_flags]
    if json:
        listed = {"plugins": found, "failed": failed, "packages": packages, "conflicts": conflicts}
        console.write_json({**listed, "disabled": off})
        return
    package = ("distribution", "version")
    rows = [[row[key] for key in ("kind", "name", "summary", *package)] for row in found]
    rows += [
        [row["status"], *(row[key] for key in ("plugin", "reason", *package))] for row in [*failed, *off]
    ]
    console.table(rows, ("kind", "name", "summary", "package", "version"))
    for line in conflicts:
        console.warn(line)
    if verbose:
        click.echo()
        options = [
            [row["kind"], row["name"], option["name"], _default(option), option["help"]]
            for row in found
            for option in row["options"]
        ]
        console.table(options, ("kind", "name", "option", "default", "meaning"))
        click.echo()
        places = [
            [one[key] for key in ("distribution", "status", "milliseconds", "place")] for one in packages
        ]
        console.table(places, ("package", "status", "import, ms", "place"))


@flags.examples("rnngen plugins show mingru", "rnngen plugins show rnngen-mingru/mingru --json")
@plugins.command("show", cls=flags.Command)
@click.argument("name", shell_complete=completers.of(completers.plugin_names))
@flags.json_flag
def show(name: str, json: bool) -> None:
    """Show what NAME is, of whatever kind: its options, its flags, its contract, and where it is."""
    here = registry()
    found = [
        (kind, one) for kind in KINDS for one in here.all(kind) if name in (one.spec.name, one.qualified)
    ]
    if not found:
        raise UnknownName("plugin", name, completers.plugin_names(click.get_current_context()))
    shown = [_shown(kind, here.find(kind, one.qualified)) for kind, one in found]
    if json:
        console.write_json(shown)
        return
    for row in shown:
        options = row.pop("options")
        console.table([[key, value] for key, value in row.items() if value], ("what", name))
        lines = [[one["name"], one["type"], _default(one), one["help"]] for one in options]
        if lines:
            console.table(lines, ("option", "type", "default", "meaning"))


def _shown(kind: str, found: Registered[Any]) -> dict[str, Any]:
    from rnngen.generation.decoding_choice import flags_of

    spec = found.spec
    flagged = isinstance(spec, FilterSpec | StrategySpec)
    shown = [f"--{flag.name}" for flag in flags_of(spec)] if flagged else []
    first = (type(spec).__doc__ or "").partition("\n")[0].replace("``", "'")
    facts = {"numpy": getattr(spec, "numpy", None), "suffixes": " ".join(getattr(spec, "suffixes", ()))}
    described = _described(kind, found)
    return {**described, "flags": " ".join(shown), "implementation": spec.load, **facts, "contract": first}


@plugins.command("folder", short_help="Print the folder of the user's single files.")
def folder() -> None:
    """Print the folder whose Python files are plugins of this user's; it is made if need be."""
    path = discovery.user_folder()
    path.mkdir(parents=True, exist_ok=True)
    click.echo(str(path))


@plugins.command("trust", short_help="Load the plugins of ./rnngen_plugins from now on.")
def trust_folder() -> None:
    """Load the single files of ./rnngen_plugins whenever rnngen runs in this folder.

    They are Python programs, and run as you. Files in the user's own folder of plugins need no such word.
    """
    discovery.trust()
    console.note(f"{discovery.LOCAL.resolve()} is trusted; 'rnngen plugins list' shows what is in it")


def _failed(failure: Failure) -> dict[str, Any]:
    row = {"plugin": failure.plugin, **_package(failure), "reason": failure.reason}
    return {**row, "status": failure.status}


def _switched_off(source: Source) -> dict[str, Any]:
    row = {"plugin": source.name, **_package(source), "reason": "switched off by -p or RNNGEN_PLUGINS"}
    return {**row, "status": "disabled"}


def _entry(entry: Entry) -> dict[str, Any]:
    brought: dict[str, list[str]] = {}
    for kind, spec in entry.real or ():
        brought.setdefault(kind, []).append(spec.name)
    return {
        "plugin": entry.source.name,
        **_package(entry.source),
        "status": entry.status,
        "place": entry.source.place,
        "milliseconds": round(1000 * entry.seconds, 1),
        "brings": brought,
    }


def _described(kind: str, found: Registered[Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": found.spec.name,
        "summary": found.spec.summary,
        **_package(found),
        "options": [_option(option) for option in describe(found.spec.options)],
    }


def _package(found: Registered[Any] | Failure | Source) -> dict[str, str]:
    return {"distribution": found.distribution.name, "version": found.distribution.version}


def _option(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "type": option.type.__name__,
        "required": option.default is MISSING,
        "default": None if option.default is MISSING else option.default,
        "choices": list(option.choices),
        "help": option.help,
    }


def _default(option: dict[str, Any]) -> str:
    return "(required)" if option["required"] else str(option["default"]).lower()
