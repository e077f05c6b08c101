"""Flags of ``sample`` and ``next`` that are made from the specs of filters and strategies.

A command with these flags is a ``DecodingCommand``: its parameters are its own and, where it is asked for
them, those that the plugins of the moment declare. So a plugin's flag is parsed, completed, documented and
read from the environment and the settings files like a built-in's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final

import click

from rnngen.cli import flags
from rnngen.cli.context import registry
from rnngen.cli.flags import FILTERS, NONE, OrNone, type_of
from rnngen.errors import MissingPlugin, UsageError
from rnngen.options import Option, describe

if TYPE_CHECKING:
    from rnngen.contracts import Flag, StrategySpec

STRATEGIES: Final = "Decoding strategies"


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
        "with_filters": "a filter",
        "no_prompt_in_json": "--no-prompt beside --json",
    }

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an error about a flag that there is not says that plugins bring some."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            _refuse_absent(ctx, error.option_name)
            near = ", ".join(map(repr, error.possibilities or ()))
            raise UsageError(
                f"no such option {error.option_name!r}{f' (did you mean {near}?)' if near else ''}; plugins "
                "bring flags of their own: 'rnngen help sampling' shows those of this project"
            ) from error

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return its own parameters, those made from the installed filters and strategies, and the help."""
        own = len(self.params)
        known = {one.name for one in self.params}
        made = [one for one in _made(ctx, self.with_strategies) if one.name not in known]
        return [*self.params, *made, *super().get_params(ctx)[own:]]


class FilterCommand(DecodingCommand):
    """A command whose flags include those of filters alone."""

    with_strategies = False


def _refuse_absent(ctx: click.Context, name: str) -> None:
    """Raise ``MissingPlugin`` if a plugin brings a flag that is not there now."""
    plugins = registry(ctx)
    for kind in ("filter", "strategy"):
        for distribution, spec in plugins.absent(kind):
            flags_ = [spec.get("flag"), *spec.get("flags", ())]
            if any(flag and f"--{flag['name']}" == name for flag in flags_):
                why = plugins.why_missing(distribution)
                raise MissingPlugin("option", name, distribution.name, why)


def _made(ctx: click.Context, with_strategies: bool) -> list[DecodingFlag]:
    """Make the flags, once a run: Click asks for parameters several times."""
    known: dict[bool, list[DecodingFlag]] = ctx.find_root().meta.setdefault(f"{__name__}.flags", {})
    if with_strategies not in known:
        known[with_strategies] = _from_specs(ctx, with_strategies)
    return known[with_strategies]


def _from_specs(ctx: click.Context, with_strategies: bool) -> list[DecodingFlag]:
    from rnngen.contracts import FilterSpec
    from rnngen.generation.decoding_choice import DecodingFlags, flags_of, option_of

    choices = DecodingFlags(registry(ctx))
    specs: list[FilterSpec | StrategySpec] = [
        *choices.filters,
        *(choices.strategies if with_strategies else ()),
    ]
    made: dict[str, DecodingFlag] = {}
    for spec in specs:
        options = {option.name: option for option in describe(spec.options)}
        heading = FILTERS if isinstance(spec, FilterSpec) else STRATEGIES
        for flag in flags_of(spec):
            if flag.name not in made:
                option, chooses = options[option_of(spec, flag)], heading == STRATEGIES and flag is spec.flag
                made[flag.name] = DecodingFlag(flag, option, heading, chooses=chooses)
    return list(made.values())


def values_of(ctx: click.Context, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the flags made from specs that were given, by parameter."""
    names = [str(one.name) for one in ctx.command.get_params(ctx) if isinstance(one, DecodingFlag)]
    return {
        name: None if params[name] is NONE else params[name] for name in names if params.get(name) is not None
    }
