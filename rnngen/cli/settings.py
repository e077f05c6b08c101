"""Settings files: defaults of flags, for a folder and for a user.

::

    flag  >  RNNGEN_<COMMAND>_<OPTION>  >  ./rnngen.toml  >  the user's config.toml  >  default

A table for each command, nested for the commands of a group; a key is a flag's name, with hyphens or
underscores. ``[train.option]`` holds what ``-o KEY=VALUE`` sets::

    [train]
    hidden = 512
    weight-decay = 0.1
"""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import click

from rnngen.errors import UnknownName, UsageError
from rnngen.paths import config

LOCAL = Path("rnngen.toml")
"""The file of the current folder."""


def user_file() -> Path:
    """Return the user's file: ``RNNGEN_HOME/config.toml``, or where the platform keeps configuration."""
    return config() / "config.toml"


def defaults(command: click.Command, name: str, builtins: Collection[str]) -> dict[str, Any]:
    """Return the settings of ``command`` from the files, as Click's ``default_map``.

    Args:
        command: the command, or a group of them.
        name: its name, and that of its table.
        builtins: the commands that ship with rnngen.

    Raises:
        UsageError: if a file is no TOML, a key is no flag of the command, or a value is not of its type;
            the file, the key and the closest are named.
    """
    merged: dict[str, Any] = {}
    for path in (user_file(), LOCAL):
        tables = _read(path)
        _check_tables(tables, path, builtins)
        merged = _merge(merged, _checked(command, tables.get(name, {}), path, name))
    return merged


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: {error}; this is not TOML") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8, as TOML has to be") from error


def _check_tables(tables: Mapping[str, Any], path: Path, builtins: Collection[str]) -> None:
    """Refuse a table that belongs to no command; plugins are asked only where no built-in has the name."""
    strangers = [key for key in tables if key not in builtins]
    if not strangers:
        return
    from rnngen.cli.plugin_commands import rows

    known = {*builtins, *(name for row in rows(quiet=True) for name in (row.name, row.qualified))}
    for key in strangers:
        if key not in known:
            raise UsageError(f"{path}: {UnknownName('table', key, known)}")


def _checked(command: click.Command, table: Any, path: Path, place: str) -> dict[str, Any]:
    """Return the table with its keys as parameter names and its values checked, nested tables likewise."""
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {place} = {table!r}: a table [{place}] expected")
    flags, subcommands = _flags(command), command.commands if isinstance(command, click.Group) else {}
    checked: dict[str, Any] = {}
    for key, value in table.items():
        normal = key.replace("-", "_")
        if key in subcommands:
            checked[key] = _checked(subcommands[key], value, path, f"{place}.{key}")
        elif normal in flags:
            flag = flags[normal]
            checked[str(flag.name)] = _value(command, flag, value, f"{path}: [{place}] {key}")
        else:
            raise UsageError(f"{path}: [{place}] {UnknownName('key', key, {*flags, *subcommands})}")
    return checked


def _flags(command: click.Command) -> dict[str, click.Option]:
    """Return the options that a file may set, by their long flags."""
    ctx = click.Context(command, parent=click.get_current_context(silent=True))
    return {
        flag.removeprefix("--").replace("-", "_"): param
        for param in command.get_params(ctx)
        if isinstance(param, click.Option) and param.expose_value
        for flag in param.opts
        if flag.startswith("--")
    }


def _value(command: click.Command, flag: click.Option, value: Any, place: str) -> Any:
    """Return the value in the form that Click takes.

    Raises:
        UsageError: if it is not of the flag's type.
    """
    if flag.multiple and isinstance(value, dict):  # KEY=VALUE flags read best as a table
        value = [f"{key}={_text(item)}" for key, item in value.items()]
    elif flag.multiple and not isinstance(value, list):
        value = [value]
    for item in value if flag.multiple else [value]:
        _check_type(flag, item, place)
    try:
        flag.type_cast_value(click.Context(command, resilient_parsing=True), value)
    except click.BadParameter as error:
        raise UsageError(f"{place} = {_text(value)}: {error.message}") from error
    return value


def _check_type(flag: click.Option, value: Any, place: str) -> None:
    """Check the TOML type of a value: ``1.5`` is no whole number, ``"yes"`` no truth value."""
    accepted, expected = _EXPECTED.get(flag.type.name, ((str, int, float), "a word or a number"))
    if flag.is_flag:
        accepted, expected = (bool,), "true or false"
    elif flag.count:
        accepted, expected = _INTEGER
    if not (type(value) in accepted or (value == "none" and hasattr(flag.type, "inner"))):
        raise UsageError(f"{place} = {_text(value)}: {expected} expected")


_INTEGER, _NUMBER, _STRING = (
    ((int,), "a whole number"),
    ((int, float), "a number"),
    ((str,), "a text in quotes"),
)
_EXPECTED: dict[str, tuple[tuple[type, ...], str]] = {
    "integer": _INTEGER,
    "integer range": _INTEGER,
    "float": _NUMBER,
    "float range": _NUMBER,
    "boolean": ((bool,), "true or false"),
    "text": _STRING,
    "choice": _STRING,
}


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge two tables, nested ones too; ``above`` wins."""
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
    return merged
