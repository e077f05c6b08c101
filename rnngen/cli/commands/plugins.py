"""``rnngen plugins``: the names that ``--cell``, ``--tokenizer``, ``--filters`` … take."""

from dataclasses import MISSING
from typing import Any

import click

from rnngen.cli import flags
from rnngen.cli.context import registry
from rnngen.cli.render import console
from rnngen.options import Option, describe
from rnngen.registry import KINDS, Failure, Registered

*OTHERS, LAST = KINDS


@click.group()
def plugins() -> None:
    """Show cells, attentions, tokenizers, tasks, filters and everything else that plugins add.

    A plugin is a Python package: 'pip install' it and its names appear here.
    """


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
    found = [_described(kind, one) for kind in KINDS for one in registry().all(kind)]
    failed = [{"plugin": one.plugin, **_package(one), "reason": one.reason} for one in registry().failures]
    if json:
        console.write_json({"plugins": found, "failed": failed})
        return
    package = ("distribution", "version")
    rows = [[row[key] for key in ("kind", "name", "summary", *package)] for row in found]
    rows += [["failed", *(row[key] for key in ("plugin", "reason", *package))] for row in failed]
    console.table(rows, ("kind", "name", "summary", "package", "version"))
    if verbose:
        click.echo()
        options = [
            [row["kind"], row["name"], option["name"], _default(option), option["help"]]
            for row in found
            for option in row["options"]
        ]
        console.table(options, ("kind", "name", "option", "default", "meaning"))


def _described(kind: str, found: Registered[Any]) -> dict[str, Any]:
    return {
        "kind": kind,
        "name": found.spec.name,
        "summary": found.spec.summary,
        **_package(found),
        "options": [_option(option) for option in describe(found.spec.options)],
    }


def _package(found: Registered[Any] | Failure) -> dict[str, str]:
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
