"""``rnngen plugins``: the names that ``--cell``, ``--tokenizer``, ``--filters`` … take, with their owners."""

from collections.abc import Iterator
from dataclasses import MISSING
from typing import Any

import click

from rnngen.cli import flags
from rnngen.cli.app import registry
from rnngen.cli.render import console
from rnngen.options import Option, describe


@click.group()
def plugins() -> None:
    """Show cells, attentions, tokenizers, tasks, filters and whatever else plugins brought.

    A plugin is a Python package: 'pip install' it and its names appear here.
    """


@flags.examples(
    "rnngen plugins list", "rnngen plugins list -v", "rnngen plugins list --json | jq '.plugins[].name'"
)
@plugins.command("list", short_help="List every name that plugins brought, and who did.")
@click.option("-v", "--verbose", is_flag=True, help="Show the options of each, for -o KEY=VALUE.")
@flags.json_flag
def list_plugins(verbose: bool, json: bool) -> None:
    """List every cell, attention, tokenizer, task, filter, reader, listener and command, with its package.

    Packages that could not be used are listed too, with the reason.
    """
    if json:
        console.write_json({"plugins": list(_as_json()), "failed": list(_failed())})
        return
    console.table(_rows(), ("kind", "name", "summary", "package", "version"))
    if verbose:
        click.echo()
        console.table(_option_rows(), ("kind", "name", "option", "default", "meaning"))


def _as_json() -> Iterator[dict[str, Any]]:
    from rnngen.registry import KINDS

    for kind in KINDS:
        for found in registry().all(kind):
            yield {
                "kind": kind,
                "name": found.spec.name,
                "summary": found.spec.summary,
                "distribution": found.distribution.name,
                "version": found.distribution.version,
                "options": [_option_as_json(option) for option in describe(found.spec.options)],
            }


def _option_as_json(option: Option) -> dict[str, Any]:
    return {
        "name": option.name,
        "type": option.type.__name__,
        "required": option.default is MISSING,
        "default": None if option.default is MISSING else option.default,
        "choices": list(option.choices),
        "help": option.help,
    }


def _failed() -> Iterator[dict[str, str]]:
    found = registry()
    for failure in found.failures:
        yield {
            "plugin": failure.plugin,
            "distribution": failure.distribution.name,
            "version": failure.distribution.version,
            "reason": failure.reason,
        }


def _rows() -> Iterator[tuple[str, ...]]:
    for row in _as_json():
        yield row["kind"], row["name"], row["summary"], row["distribution"], row["version"]
    for row in _failed():
        yield "failed", row["plugin"], row["reason"], row["distribution"], row["version"]


def _option_rows() -> Iterator[tuple[str, ...]]:
    for row in _as_json():
        for option in row["options"]:
            default = "(needed)" if option["required"] else str(option["default"]).lower()
            yield row["kind"], row["name"], option["name"], default, option["help"]
