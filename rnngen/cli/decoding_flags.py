"""Flags of ``sample`` and ``next`` that are made from the specs of filters and strategies.

A command with these flags is a ``DecodingCommand``: its parameters are its own and, where it is asked for
them, those that the plugins of the moment declare. So a plugin's flag is parsed, completed, documented and
read from the environment and the settings files like a built-in's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import click

from rnngen.cli import flags
from rnngen.cli.context import decoding
from rnngen.cli.option_flags import NONE, OrNone, type_of
from rnngen.errors import UsageError
from rnngen.options import Option, describe

if TYPE_CHECKING:
    from rnngen.contracts import Flag, StrategySpec
    from rnngen.generation.decoding_choice import DecodingFlags

FILTERS, STRATEGIES = "Filters of the next-token distribution", "Decoding strategies"


class DecodingFlag(flags.Option):
    """A flag that a filter or a strategy declares; one that chooses a strategy takes ``none`` as well."""

    def __init__(self, flag: "Flag", option: Option, heading: str, *, chooses: bool) -> None:
        plain = type_of(option)
        name = f"--{flag.name}/--no-{flag.name}" if option.type is bool else f"--{flag.name}"
        super().__init__(
            [flag.parameter, name],
            type=click.Path() if flag.names_file else OrNone(plain) if chooses else plain,
            default=None,
            metavar=flag.metavar,
            help=flag.help or option.help,
            heading=heading,
            common=flag.common,
        )


class DecodingCommand(flags.Command):
    """A command whose flags include those of filters and, unless it says otherwise, of strategies."""

    with_strategies = True
    option_words: ClassVar[Mapping[str, str]] = {
        "endless": "-n -1 without --stop",
        "several_models": "several models",
    }

    def all_params(self, ctx: click.Context | None = None) -> list[click.Parameter]:
        """Return its own parameters, and those made from the installed filters and strategies."""
        return [*self.params, *_made(decoding(ctx), self.with_strategies)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; of a flag that there is not, say that plugins bring some.

        Raises:
            UsageError: naming it.
        """
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise UsageError(
                f"{error.format_message()} Plugins bring flags of their own: 'rnngen help sampling' shows "
                "those of this project"
            ) from error

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return all parameters, the help option last."""
        return [*self.all_params(ctx), *super().get_params(ctx)[len(self.params) :]]

    def has_more(self) -> bool:
        """Report that there are rare flags, without asking plugins when the command is imported."""
        return True


class FilterCommand(DecodingCommand):
    """A command whose flags include those of filters alone."""

    with_strategies = False


def _made(choices: "DecodingFlags", with_strategies: bool) -> list[DecodingFlag]:
    """Make the flags of what there is."""
    from rnngen.contracts import FilterSpec
    from rnngen.generation.decoding_choice import flags_of, option_of

    specs: list[FilterSpec | StrategySpec] = [*choices.filters]
    if with_strategies:
        specs += choices.strategies
    made: dict[str, DecodingFlag] = {}
    for spec in specs:
        options = {option.name: option for option in describe(spec.options)}
        heading = FILTERS if isinstance(spec, FilterSpec) else STRATEGIES
        for flag in flags_of(spec):
            if flag.name not in made:
                option, chooses = options[option_of(spec, flag)], heading == STRATEGIES and flag is spec.flag
                made[flag.name] = DecodingFlag(flag, option, heading, chooses=chooses)
    return list(made.values())


def values_of(command: click.Command, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the flags made from specs that were given, by parameter."""
    names = [str(one.name) for one in flags.all_params(command) if isinstance(one, DecodingFlag)]
    return {
        name: None if params[name] is NONE else params[name] for name in names if params.get(name) is not None
    }
