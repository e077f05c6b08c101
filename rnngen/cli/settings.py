"""Settings files, the defaults of flags for a folder and for a user, and what counts above them.

::

    flag  >  RNNGEN_<COMMAND>_<OPTION>  >  rnngen.toml  >  the user's config.toml  >  default

``rnngen.toml`` is that of the current folder or, where there is none, of the nearest folder above it, up to
the user's home. A table for each command, nested for the commands of a group; a key is a flag's name, with
hyphens or underscores, or its one letter. ``rnngen.toml`` may have come with a folder from anywhere: flags
that say where to write, or agree to a loss, are not taken from it. ``[train.option]`` holds what ``-o
KEY=VALUE`` sets::

    [train]
    hidden = 512
    weight-decay = 0.1
"""

import tomllib
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from rnngen.discovery import Selection
from rnngen.errors import MissingPlugin, UnknownName, UsageError, os_reason
from rnngen.options import option_text
from rnngen.options.typed import deeper
from rnngen.paths import config, read_regular
from rnngen.requests.conflicts import Conflict, Row, settle

LOCAL = Path("rnngen.toml")
"""The file of the current folder, or of one above it."""
LARGEST: Final = 1 << 16
"""Bytes of a settings file, at most…"""
DEEPEST: Final = 16
"""…levels of its tables and lists…"""
DOTS: Final = 500
"""…and dots in a line: the time to read a dotted key grows with their square."""
R = TypeVar("R")
SETTINGS_RANK: Final = 2
"""The rank of the nearest settings file, below which are the user's and defaults; the command line has 0."""
NEAREST: Final = "rnngen.cli.settings.nearest"
"""The key of what the nearest settings file says of a command, in the ``meta`` of its context."""
FLAGS_OF: Final = {
    "endless": "length",
    "several_models": "model",
    "models": "model",
    "settings": "option",
    "no_prompt_in_json": "no_prompt",
}
"""The parameters behind options that are not called after them."""


def user_file() -> Path:
    """Return the user's file: ``RNNGEN_HOME/config.toml``, or where the platform keeps configuration."""
    return config() / "config.toml"


def local_file() -> Path:
    """Return the file of the current folder or of the nearest above it, up to the user's home or the root."""
    try:
        here = Path.cwd()
    except OSError:  # it was deleted
        return LOCAL
    home = Path("~").expanduser()
    for folder in () if LOCAL.is_file() or here == home else here.parents:
        if (folder / LOCAL).is_file():
            return folder / LOCAL
        if folder == home:
            break
    return LOCAL


def defaults(command: click.Command, name: str, builtins: Collection[str]) -> dict[str, Any]:
    """Return the settings of a command or a group from the files, as Click's ``default_map``.

    Raises:
        UsageError: if a file is no TOML, a key is no flag of the command, or a value is not of its type;
            the file, the key and the closest are named.
    """
    found = []
    for path in (user_file(), local_file()):
        tables = _read(path)
        _check_tables(tables, path, builtins)
        found.append(_checked(command, tables.get(name, {}), path, name))
    if ctx := click.get_current_context(silent=True):
        ctx.meta[NEAREST] = {name: found[-1]}
    return _merge(*found)


def checked(path: Path, commands: Mapping[str, click.Command], known: Collection[str]) -> dict[str, Any]:
    """Return all that a file sets, a table for each command; errors as in ``defaults``.

    ``known`` are the names of the commands that ship with rnngen, of which a table is expected.
    """
    tables = _read(path)
    _check_tables(tables, path, known)
    return {
        name: _checked(commands[name], table, path, name)
        for name, table in tables.items()
        if name in commands
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        text = read_regular(path, LARGEST).decode()
        deep = any(line.count(".") > DOTS for line in text.split("\n"))
        tables = {} if deep else tomllib.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8, as TOML has to be") from error
    except RecursionError:
        deep, tables = True, {}
    except ValueError as error:  # a number of thousands of digits too
        raise UsageError(f"{path}: {error}; this is not TOML") from error
    except OSError as error:
        raise UsageError(f"{os_reason(error)}; settings are TOML, in a file") from error
    if deep or deeper(tables, DEEPEST):
        raise UsageError(f"{path}: tables or lists within more than {DEEPEST} others; flatten it")
    return tables


def _check_tables(tables: Mapping[str, Any], path: Path, builtins: Collection[str]) -> None:
    """Refuse a table that belongs to no command; plugins are asked only where no built-in has the name."""
    strangers = [key for key in tables if key not in builtins]
    if not strangers:
        return
    from rnngen.cli.context import selection
    from rnngen.cli.plugin_commands import rows

    wanted = selection() & Selection.of_environment()
    if wanted != Selection():  # it may be the table of a plugin that is left out
        return
    brought = rows(wanted, quiet=True)
    known = {*builtins, *(name for row in brought for name in (row.name, row.qualified))}
    for key in strangers:
        if key not in known:
            raise UsageError(f"{path}: {UnknownName('table', key, known)}")


def _checked(command: click.Command, table: Any, path: Path, place: str) -> dict[str, Any]:
    """Return the table with its keys as parameter names and its values checked, nested tables likewise."""
    if not isinstance(table, dict):
        raise UsageError(f"{path}: {place} = {table!r}: a table [{place}] expected")
    if not table:  # most commands have none, and making flags takes a while
        return {}
    flags, subcommands = _flags(command), command.commands if isinstance(command, click.Group) else {}
    checked: dict[str, Any] = {}
    for key, value in table.items():
        normal = key.replace("-", "_")
        if key in subcommands:
            checked[key] = _checked(subcommands[key], value, path, f"{place}.{key}")
        elif normal in flags and path != user_file() and getattr(flags[normal], "sensitive", False):
            raise UsageError(_from_anywhere(f"{path}: [{place}] {key}", flags[normal]))
        elif normal in flags:
            flag = flags[normal]
            if str(flag.name) in checked:
                raise UsageError(f"{path}: [{place}] {key}: set twice, by its letter and by its name")
            checked[str(flag.name)] = _value(command, flag, value, f"{path}: [{place}] {key}")
        else:
            raise UsageError(f"{path}: [{place}] {UnknownName('key', key, {*flags, *subcommands})}")
    return checked


def _from_anywhere(place: str, flag: click.Option) -> str:
    """Return why a folder's file cannot set a flag, and the mend."""
    return (
        f"{place}: the settings of a folder, which anybody may have written, cannot say where to write or "
        f"agree to a loss; give {max(flag.opts, key=len)} yourself, or set it in {user_file()}"
    )


def _flags(command: click.Command) -> dict[str, click.Option]:
    """Return the options that a file may set, by their flags."""
    ctx = click.Context(command, parent=click.get_current_context(silent=True))
    return {
        flag.lstrip("-").replace("-", "_"): param
        for param in command.get_params(ctx)
        if isinstance(param, click.Option) and param.expose_value
        for flag in param.opts
    }


def _value(command: click.Command, flag: click.Option, value: Any, place: str) -> Any:
    """Return the value in the form that Click takes, once it is of the flag's type."""
    if flag.multiple and isinstance(value, dict):  # KEY=VALUE flags read best as a table
        value = Table(f"{key}={option_text(item)}" for key, item in value.items())
    elif flag.multiple and not isinstance(value, list):
        value = [value]
    for item in value if flag.multiple else [value]:
        _check_type(flag, item, place)
    try:
        flag.type_cast_value(click.Context(command, resilient_parsing=True), value)
    except click.BadParameter as error:
        raise UsageError(f"{place} = {option_text(value)}: {error.message}") from error
    return value


class Table(list[str]):
    """A table of KEY=VALUE, of which later keys count; those of two files are joined."""


def _check_type(flag: click.Option, value: Any, place: str) -> None:
    """Check the TOML type of a value: ``1.5`` is no whole number, ``"yes"`` no truth value."""
    kind = "boolean" if flag.is_flag else flag.type.name.removesuffix(" range")
    accepted, expected = _EXPECTED.get(kind, ((str, int, float), "a word or a number"))
    if not (type(value) in accepted or (value == "none" and hasattr(flag.type, "inner"))):
        raise UsageError(f"{place} = {option_text(value)}: {expected} expected")


_EXPECTED: dict[str, tuple[tuple[type, ...], str]] = {
    "integer": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "boolean": ((bool,), "true or false"),
    "text": ((str,), "a text in quotes"),
    "choice": ((str,), "a text in quotes"),
}


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge two tables, nested ones too; ``above`` wins."""
    merged = below | above
    for key in below.keys() & above.keys():
        if isinstance(below[key], dict) and isinstance(above[key], dict):
            merged[key] = _merge(below[key], above[key])
        elif isinstance(below[key], Table) and isinstance(above[key], Table):
            merged[key] = Table([*below[key], *above[key]])
    return merged


# ── Precedence ─────────────────────────────────────────────────────────────────────────────────────────────


def overrule(ctx: click.Context, params: dict[str, Any], *groups: Collection[str]) -> None:
    """Of flags that exclude one another, drop those that stand lower: flag > environment > settings files.

    With ``steps`` in a settings file one can then still give ``--minutes``. Flags given in the same place all
    stay, for the command to refuse. What is dropped becomes ``None``.

    Args:
        ctx: of the command.
        params: its parameters.
        groups: names of parameters that stand together, but not with those of another group.
    """
    ranks = [
        min((rank_of(ctx, name) for name in group if params[name] is not None), default=SETTINGS_RANK + 2)
        for group in groups
    ]
    for group, rank in zip(groups, ranks, strict=True):
        if rank > min(ranks):
            params.update(dict.fromkeys(group))


def given(ctx: click.Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a flag, the environment or a settings file gave."""
    default = ParameterSource.DEFAULT
    return {
        name: value
        for name, value in params.items()
        if value is not None and ctx.get_parameter_source(name) != default
    }


def rank_of(ctx: click.Context, name: str) -> int:
    """Return how far below the command line a value comes from."""
    highest = [ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT]
    source = ctx.get_parameter_source(name)
    if source in highest:
        return highest.index(source)
    return SETTINGS_RANK + (name not in _nearest(ctx))


def _nearest(ctx: click.Context) -> Mapping[str, Any]:
    """Return what the nearest settings file says of a command."""
    names = []
    while ctx.parent is not None:
        names.append(str(ctx.info_name))
        ctx = ctx.parent
    found: Any = ctx.meta.get(NEAREST, {})
    for name in reversed(names):
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if isinstance(found, dict) else {}


def resolve(ctx: click.Context, values: Mapping[str, Any], build: Callable[[dict[str, Any]], R]) -> R:
    """Build a request; of two options that cannot stand together, the one that stands lower gives way.

    Flag, environment, settings file: who writes ``temp`` in a settings file can then still say
    ``--strategy greedy``. What the environment or a settings file sets and has no effect, ``length-penalty``
    without ``beam``, is left aside.

    Raises:
        ConflictError: if both come from one place, or what one needs is not given.
        UnknownName, MissingPlugin: for a name that nothing answers to, with the place that asked for it.
    """
    try:
        return settle(values, build, partial(_lower, ctx))
    except (UnknownName, MissingPlugin) as error:
        for name, value in values.items():
            if error.name in str(value) and rank_of(ctx, name):
                error.args = (f"{error} ({_place_of(ctx, name)} asks for it)",)
                break
        raise


def _place_of(ctx: click.Context, name: str) -> str:
    """Return the variable or the files that a value below the command line comes from."""
    if rank_of(ctx, name) < SETTINGS_RANK:
        return f"{ctx.auto_envvar_prefix}_{name.upper()}"
    return " or ".join(str(path) for path in (local_file(), user_file()) if path.is_file())


def _lower(ctx: click.Context, row: Row, left: Mapping[str, Any]) -> str | None:
    """The option that gives way; None if none does."""
    others = [row.other] if isinstance(row, Conflict) else []
    options = [name.partition("=")[0] for name in (row.option, *others)]
    ranks = [rank_of(ctx, FLAGS_OF.get(name, name)) for name in options]
    if max(ranks) == (min(ranks) if others else 0):
        return None
    name = options[ranks.index(max(ranks))]
    return next((one for one in (name, FLAGS_OF.get(name, name), "models") if one in left), None)
