"""Flags of ``sample`` and ``next`` that are made from the specs of filters and strategies.

A command with these flags is a ``DecodingCommand``: its parameters are its own and, where it is asked for them,
those that the plugins of the moment declare. So a plugin's flag is parsed, completed, documented and read from
the environment and the settings files like a built-in's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import click

from rnngen.cli import flags
from rnngen.cli.option_flags import NONE, type_of
from rnngen.options import Option, describe

if TYPE_CHECKING:
    from rnngen.contracts import FilterSpec, Flag, StrategySpec

FILTERS, STRATEGIES = "Filters of the next-token distribution", "Decoding strategies"


class DecodingFlag(flags.Option):
    """A flag that a filter or a strategy declares."""

    def __init__(self, flag: "Flag", option: Option, heading: str) -> None:
        name = f"--{flag.name}/--no-{flag.name}" if option.type is bool else f"--{flag.name}"
        super().__init__(
            [flag.parameter, name],
            type=click.Path() if flag.names_file else type_of(option),
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

    @property
    def params(self) -> list[click.Parameter]:
        """Its own parameters, and those made from specs."""
        return [*self._own, *self.decoding_flags()]

    @params.setter
    def params(self, params: list[click.Parameter]) -> None:
        self._own = [one for one in params if not isinstance(one, DecodingFlag)]

    def has_more(self) -> bool:
        """Report that there are rare flags, without asking plugins when the command is imported."""
        return True

    def decoding_flags(self) -> list[DecodingFlag]:
        """Make the flags of what there is."""
        from rnngen.cli.app import decoding

        choices = decoding()
        specs: list[FilterSpec | StrategySpec] = [*choices.filters]
        if self.with_strategies:
            specs += choices.strategies
        return _made(specs)


class FilterCommand(DecodingCommand):
    """A command whose flags include those of filters alone."""

    with_strategies = False


def _made(specs: "list[FilterSpec | StrategySpec]") -> list[DecodingFlag]:
    from rnngen.contracts import FilterSpec
    from rnngen.generation.decoding_choice import flags_of, option_of

    made: dict[str, DecodingFlag] = {}
    for spec in specs:
        options = {option.name: option for option in describe(spec.options)}
        heading = FILTERS if isinstance(spec, FilterSpec) else STRATEGIES
        for flag in flags_of(spec):
            if flag.name not in made:
                made[flag.name] = DecodingFlag(flag, options[option_of(spec, flag)], heading)
    return list(made.values())


def values_of(command: click.Command, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the flags made from specs that were given, by parameter."""
    names = [str(one.name) for one in command.params if isinstance(one, DecodingFlag)]
    return {
        name: None if params[name] is NONE else params[name] for name in names if params.get(name) is not None
    }
