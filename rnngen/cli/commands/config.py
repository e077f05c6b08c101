"""``rnngen config``: the settings that hold here, and where each comes from."""

import os
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import click

from rnngen.cli import flags
from rnngen.cli.app import COMMANDS, App
from rnngen.cli.render import console
from rnngen.cli.settings import Table, checked, local_file, user_file
from rnngen.errors import PluginError, UnknownName
from rnngen.options import option_text


class Setting(NamedTuple):
    """A default that a flag would overrule."""

    command: str
    option: str
    value: Any
    origin: str
    """The variable or the file that it comes from."""


@click.group()
def config() -> None:
    """Show the settings that hold in this folder."""


@flags.examples("rnngen config show", "rnngen config show train --origin")
@config.command(cls=flags.Command)
@click.argument("command", required=False)
@click.option("--origin", is_flag=True, help="Show where each comes from.")
@flags.json_flag
@click.pass_context
def show(ctx: click.Context, command: str | None, origin: bool, json: bool) -> None:
    """Show every default that an environment variable or a settings file sets, of COMMAND or of all.

    A variable counts before rnngen.toml of this folder or of one above it, and that before the user's file; a
    flag counts before all of them.
    """
    commands = commands_of(ctx)
    if command is not None and command not in commands:
        raise UnknownName("command", command, commands)
    found = [one for one in settings(commands) if command in (None, one.command.split()[0])]
    if json:
        console.write_json([one._asdict() for one in found])
    elif not found:
        console.note(f"nothing is set; {local_file().absolute()} or {user_file()} would set it")
    else:
        rows = [[*one[:2], _spelt(one.value), *([one.origin] if origin else [])] for one in found]
        console.table(rows, ("command", "option", "value", *(["origin"] if origin else [])))


def commands_of(ctx: click.Context) -> dict[str, click.Command]:
    """Return the commands that are listed, by name; those of plugins too."""
    root = ctx.find_root()
    assert isinstance(root.command, App)
    names = root.command.list_commands(root)
    found = {}
    for name in names:
        try:
            command = root.command.get_command(root, name)
        except PluginError as error:  # a plugin's command is broken, and the others are not
            console.warn(str(error))
            continue
        if command is not None:
            found[name] = command
    return found


def settings(commands: dict[str, click.Command]) -> list[Setting]:
    """Return what holds, in the order of the commands.

    Raises:
        UsageError: if a file is broken, or sets what there is not.
    """
    found: dict[tuple[str, str], Setting] = {}
    for path in (user_file(), local_file()):
        for name, table in checked(path, commands, COMMANDS).items():
            for one in _flattened(commands[name], name, table, str(path.absolute())):
                found[one.command, one.option] = one
    for one in _of_environment(commands):
        found[one.command, one.option] = one
    order = [*commands]
    return sorted(
        found.values(), key=lambda one: (order.index(one.command.split()[0]), one.command, one.option)
    )


def _flattened(command: click.Command, name: str, table: dict[str, Any], origin: str) -> Iterator[Setting]:
    """Yield the options of a command's table, and of those of a group's commands."""
    for key, value in table.items():
        if isinstance(command, click.Group) and key in command.commands:
            yield from _flattened(command.commands[key], f"{name} {key}", value, origin)
        elif isinstance(value, Table):
            yield from _by_key(name, key, value, origin)
        else:
            yield Setting(name, key.replace("_", "-"), value, origin)


def _by_key(command: str, option: str, texts: Iterable[str], origin: str) -> Iterator[Setting]:
    """Yield a row for each KEY=VALUE of an option: those of files and the environment stand side by side."""
    for text in texts:
        key, _, value = text.partition("=")
        yield Setting(command, f"{option}.{key.strip().replace('-', '_')}", value, origin)


def _of_environment(commands: dict[str, click.Command]) -> Iterator[Setting]:
    for name, command in commands.items():
        for full, one in _family(name, command):
            for param in one.get_params(click.Context(one, parent=click.get_current_context())):
                if not isinstance(param, click.Option) or not param.allow_from_autoenv:
                    continue
                variable = f"RNNGEN_{full}_{param.name}".upper().replace(" ", "_").replace("-", "_")
                value = os.environ.get(variable)
                if value and param.callback is flags.settings_of:
                    yield from _by_key(full, str(param.name), param.type.split_envvar_value(value), variable)
                elif value:
                    yield Setting(full, str(param.name).replace("_", "-"), value, variable)


def _family(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    """Yield a command, or all commands of a group, with full names."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for child, one in command.commands.items():
        yield from _family(f"{name} {child}", one)


def _spelt(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else option_text(value)
