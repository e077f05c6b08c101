"""The flags of commands: those made from options dataclasses, and those that several commands have.

The parameter of a flag has the flag's name, so that its environment variable and its key in the settings
files have it too.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar

import click
from click.core import ParameterSource

from rnngen.cli.option_flags import (
    Completer,
    Option,
    StageOption,
    collect,
    flag_of,
    given,
    options_from,
    parsed,
)
from rnngen.errors import OptionError, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "Command",
    "Option",
    "StageOption",
    "collect",
    "complete_models",
    "complete_names",
    "device_flag",
    "examples",
    "examples_of",
    "filters_flag",
    "flag_of",
    "given",
    "json_flag",
    "model_flag",
    "models_flag",
    "option",
    "options_from",
    "order_flag",
    "overrule",
    "parsed",
    "quiet_flag",
    "rank_of",
    "set_flag",
    "source_flag",
    "verbose_flag",
]

F = TypeVar("F", bound=Callable[..., Any])
K = TypeVar("K", bound=click.Command)


class Command(click.Command):
    """A command whose help groups its flags by their headings, and leaves rare ones to ``--help-all``.

    Errors that name options name its flags.
    """

    option_words: ClassVar[Mapping[str, str]] = {}
    """How errors name options that are no flags."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        if self.has_more():
            self.params = [*self.params, _help_all()]

    def all_params(self, ctx: click.Context | None = None) -> list[click.Parameter]:  # noqa: ARG002
        """Return its parameters, those among them that are made when they are asked for."""
        return self.params

    def has_more(self) -> bool:
        """Report whether ``--help-all`` shows more than ``--help``."""
        return has_more(self)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and keep them as they were given (``arguments``)."""
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            UsageError: with flags, where the request is refused by the names of options.
        """
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise UsageError(error.message(flag_of)) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, those without a heading first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            if not (_common(param) or ctx.meta.get(HELP_ALL)):
                continue
            record = param.get_help_record(ctx) if isinstance(param, click.Option) else None
            if record:
                sections.setdefault(getattr(param, "heading", None) or "Options", []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def arguments(ctx: click.Context) -> tuple[str, ...]:
    """Return the arguments of a command as they were given."""
    given: tuple[str, ...] = ctx.meta[ARGUMENTS]
    return given


def all_params(command: click.Command) -> list[click.Parameter]:
    """Return the parameters of any command."""
    return command.all_params() if isinstance(command, Command) else command.params


HELP_ALL: Final = "--help-all"
ARGUMENTS: Final = "arguments"
"""The key of a context's ``meta`` that holds them."""


def has_more(command: click.Command) -> bool:
    """Report whether ``--help-all`` shows more of a command than ``--help``."""
    return not all(map(_common, command.params))


def _common(param: click.Parameter) -> bool:
    """Report whether ``--help`` shows a parameter; flags that are no ``Option`` are shown."""
    return getattr(param, "common", True)


def _help_all() -> Option:
    """Return the flag that shows every flag."""

    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            ctx.meta[HELP_ALL] = True
            click.echo(ctx.get_help(), color=ctx.color)
            ctx.exit()

    return Option(
        [HELP_ALL],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        allow_from_autoenv=False,
        callback=show,
        help="Show every option and exit.",
    )


option = partial(click.option, cls=Option)
"""``click.option`` for an ``Option``: takes ``heading="…"`` and ``common=False`` besides."""


def complete_names(kind: str) -> Completer:
    """Return a completer of the names of plugins of one kind (``"cell"``, ``"tokenizer"`` …)."""

    def complete(ctx: click.Context, _: click.Parameter, incomplete: str) -> "list[CompletionItem]":
        from click.shell_completion import CompletionItem

        from rnngen.cli.context import registry

        try:
            specs = [registered.spec for registered in registry(ctx).all(kind)]
        except Exception:  # a prompt in the making is no place for an error
            return []
        return [CompletionItem(s.name, help=s.summary) for s in specs if s.name.startswith(incomplete)]

    return complete


def complete_models(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    """Complete the names of models, and paths where the text begins like one."""
    from click.shell_completion import CompletionItem

    try:
        from rnngen.api import model_names

        names = [name for name in model_names() if name.startswith(incomplete)]
    except Exception:  # as above
        names = []
    items = [CompletionItem(name) for name in names]
    return items or [CompletionItem(incomplete, type="file")]


def _settings(_: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read ``KEY=VALUE`` texts; of a key given twice, the last counts."""
    settings = {}
    for text in values:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE", param=param)
        settings[key.strip().replace("-", "_")] = value
    return settings


model_flag = click.option(
    "-m",
    "--model",
    metavar="NAME",
    shell_complete=complete_models,
    help="The model's name, or the path of its folder or file; without it, the model trained last.",
)
"""``-m NAME``; the parameter is ``model``, ``None`` where it is not given."""


class _OneName(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A name or a path; one from the environment is not cut at its spaces."""

    name = "name"

    def split_envvar_value(self, rv: str) -> list[str]:
        """The whole value is one name."""
        return [rv]


models_flag = click.option(
    "-m",
    "--model",
    multiple=True,
    type=_OneName(),
    metavar="NAME",
    shell_complete=complete_models,
    help="The model's name, or the path of its folder or file; without it, the model trained last. Several "
    "generate together as an ensemble (the mean of their probabilities).",
)
"""``-m NAME``, repeatable; the parameter is ``model``, a tuple."""

json_flag = click.option("--json", is_flag=True, help="Write JSON, for programs.")
"""``--json``; the parameter is ``json``."""

device_flag = option(
    "--device",
    default="cpu",
    show_default=True,
    common=False,
    help="Where to compute: cpu, cuda, cuda:N, mps, auto.",
)
"""``--device``; the parameter is ``device``."""

source_flag = option("--source", metavar="TEXT", common=False, help="The source, for a seq2seq model.")
"""``--source``; the parameter is ``source``."""


def order_flag(heading: str) -> Callable[[F], F]:
    """``--order``, under a heading; the parameter is ``order``."""
    return option(
        "--order",
        type=click.Choice(["hf", "llama"]),
        heading=heading,
        common=False,
        help=(
            "Apply filters as transformers does, temperature before truncation, or as llama.cpp.  "
            "[default: hf]"
        ),
    )


def filters_flag(heading: str) -> Callable[[F], F]:
    """``--filters``, under a heading; the parameter is ``filters``."""
    return option(
        "--filters",
        metavar="CHAIN",
        heading=heading,
        common=False,
        help="Filters in the order given: NAME=VALUE,NAME=VALUE;key=value.",
    )


quiet_flag = click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")
"""``-q``; the parameter is ``quiet``."""

verbose_flag = click.option("-v", "--verbose", count=True, help="Print more; twice, more still.")
"""``-v``; the parameter is ``verbose``, how often it was given."""

set_flag = click.option(
    "-o",
    "--option",
    multiple=True,
    metavar="KEY=VALUE",
    callback=_settings,
    help="Set an option of a plugin; 'rnngen plugins list -v' shows them. May be given more than once.",
)
"""``-o KEY=VALUE``; the parameter is ``option``, a ``dict`` of texts for ``rnngen.options.build``."""


def overrule(ctx: click.Context, params: dict[str, Any], *groups: Collection[str]) -> None:
    """Of flags that exclude one another, drop those that stand lower: flag > environment > settings file.

    With ``steps`` in a settings file one can then still give ``--minutes``. Flags given in the same place all
    stay, for the command to refuse.

    Args:
        ctx: the command's context.
        params: its parameters; those that are dropped become ``None``.
        groups: parameters that stand together, but not with those of another group.
    """
    ranks = [
        min((rank_of(ctx, name) for name in group if params[name] is not None), default=3) for group in groups
    ]
    for group, rank in zip(groups, ranks, strict=True):
        if rank > min(ranks):
            params.update(dict.fromkeys(group))


def rank_of(ctx: click.Context, name: str) -> int:
    """Return how far below the command line a value comes from."""
    highest = [ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT]
    source = ctx.get_parameter_source(name)
    return highest.index(source) if source in highest else len(highest)


def examples(*lines: str) -> Callable[[K], K]:
    """A decorator, above ``@click.command``, that shows examples in ``--help`` and in the man page."""

    def decorate(command: K) -> K:
        command.epilog = "\n".join(["\b", EXAMPLES_HEADING, *(f"  {line}" for line in lines)])
        return command

    return decorate


EXAMPLES_HEADING: Final = "Examples:"


def examples_of(command: click.Command) -> list[str]:
    """The examples that ``examples`` gave a command."""
    lines = (command.epilog or "").splitlines()
    if EXAMPLES_HEADING not in lines:
        return []
    return [line.strip() for line in lines[lines.index(EXAMPLES_HEADING) + 1 :]]


def keep_apart(flag: str, others: Iterable[str], asked: Mapping[str, bool]) -> None:
    """Refuse what a flag cannot stand beside.

    Args:
        flag: which is given.
        others: the names of what is refused beside it.
        asked: whether each thing is asked for, by its name.

    Raises:
        UsageError: naming both.
    """
    for other in others:
        if asked[other]:
            raise UsageError(f"{flag} and {other} cannot stand together; leave one of them out")
