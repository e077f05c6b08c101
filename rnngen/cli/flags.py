"""Flags of commands: those made from options dataclasses, the one place where the options of a stage are
written, and those that several commands have.

::

    @click.command(cls=flags.Command)
    @flags.options_from(TrainingOptions, heading="Training")
    def train(**params):
        options = flags.collect(TrainingOptions, params)

The parameter of a flag has the flag's name, so that its environment variable and its key in the settings
files have it too.
"""

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, Final, TypeAlias, TypeVar

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from rnngen.cli import completers
from rnngen.cli.streams import require_utf8
from rnngen.errors import (
    CorpusError,
    DeviceError,
    OptionError,
    PluginError,
    RnngenError,
    UsageError,
    out_of_memory,
    with_options,
)
from rnngen.options import WHOLE, describe, flag_name
from rnngen.options import Option as Field
from rnngen.options.given import Given

C = TypeVar("C", bound=Callable[..., Any])
K = TypeVar("K", bound=click.Command)
T = TypeVar("T")
AnyType: TypeAlias = "click.ParamType[Any]"  # generic only since click 8.5
HELP_ALL: Final = "--help-all"
SIZES: Final = (
    "hidden",
    "batch",
    "seq",
    "vocab_size",
    "beam",
    "best_of",
    "mbr",
    "count",
    "cache_size",
    "top",
)
"""Options on which memory depends."""
ARGUMENTS: Final = "rnngen.arguments"
"""The key of a context's ``meta`` that holds a command's arguments as they were given."""
TYPED: Final = "rnngen.typed"
"""The key there that holds the keys of ``-o KEY=VALUE`` that were typed."""


class _Nothing:
    """The value of ``--flag none``; plain ``None`` means that the flag was not given."""

    def __repr__(self) -> str:
        return "none"


NONE: Final = _Nothing()
WIDEST: Final = 40
"""Characters of the first column of the help, above which a list of choices moves into the text."""


class OrNone(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A type that takes the word ``none`` as well."""

    def __init__(self, inner: "AnyType") -> None:
        self.inner = inner
        self.name = inner.name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``none``, or what the inner type reads."""
        if value is NONE or (isinstance(value, str) and value.lower() == "none"):
            return NONE
        return self.inner.convert(value, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """Return the placeholder of the value in the help."""
        return self.inner.get_metavar(param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Complete what the inner type does, and ``none`` beside values that it knows."""
        found = self.inner.shell_complete(ctx, param, incomplete)
        return [*found, CompletionItem("none")] if found and "none".startswith(incomplete) else found


class OneText(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """A name, a path or a text; one from the environment is not cut at its spaces."""

    name = "name"

    def split_envvar_value(self, rv: str) -> list[str]:
        """The whole value is one."""
        return [rv]


class FiniteRange(click.FloatRange):
    """A range of numbers that ``nan`` and ``inf`` lie outside of."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read a finite number."""
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number


class Option(click.Option):
    """A flag that knows its place in the help.

    Args:
        heading: the section of the help that shows it; the first section where there is none.
        common: ``--help`` shows it; ``--help-all`` and the man page show every flag that is not hidden.
        sensitive: it says where to write, or agrees to a loss, and so is never taken from the settings file
            of a folder, which can be anybody's.
    """

    def __init__(
        self,
        *args: Any,
        heading: str | None = None,
        common: bool = True,
        sensitive: bool = False,
        **attrs: Any,
    ) -> None:
        super().__init__(*args, **attrs)
        self.heading, self.common, self.sensitive = heading, common, sensitive
        choices = self.type.choices if isinstance(self.type, click.Choice) else []
        if self.metavar is None and len(f"{self.opts[0]} [{'|'.join(map(str, choices))}]") > WIDEST:
            self.metavar = "NAME"
            self.help = f"{self.help or ''} One of {', '.join(map(str, choices))}.".strip()


class TextArgument(click.Argument):
    """An argument that is a text, and needs quotes where it has several words."""


class StageOption(Option):
    """A flag made from one field of an options dataclass."""

    def __init__(self, *args: Any, field: Field, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.field = field

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return Click's extras, with the dataclass's default where no settings file gave another."""
        extra, default = super().get_help_extra(ctx), self.field.default
        if isinstance(default, bool):
            extra.setdefault("default", (self.opts if default else self.secondary_opts)[0].lstrip("-"))
        elif default is not None:
            extra.setdefault("default", str(default) or '""')
        return extra


class Command(click.Command):
    """A command whose help groups its flags by their headings, and leaves rare ones to ``--help-all``.

    Errors that name options name its flags.
    """

    option_words: ClassVar[Mapping[str, str]] = {}
    """Names, for errors, of options that are no flags."""

    def __init__(self, *args: Any, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        if has_more(self):
            self.params = [*self.params, _help_all()]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and keep them as they were given.

        Raises:
            click.UsageError: for an argument too many; a text of several words wants quotes.
        """
        ctx.meta[ARGUMENTS] = tuple(args)
        ctx.allow_extra_args = True
        left = super().parse_args(ctx, args)
        for param in self.params:
            value = ctx.params.get(str(param.name))
            for one in value if isinstance(value, tuple) else (value,):
                if type(one) is int and abs(one) >= WHOLE:
                    raise UsageError(f"{max(param.opts, key=len)} {str(one)[:20]}…: below 2^63 expected")
        if left and not ctx.resilient_parsing:
            raise click.UsageError(self._too_many(ctx, left), ctx)
        return left

    def _too_many(self, ctx: click.Context, left: list[str]) -> str:
        texts = [str(one.name) for one in self.params if isinstance(one, TextArgument)]
        if not texts:
            return f"unexpected argument {left[0]!r}"
        quoted = shlex.quote(" ".join([ctx.params[texts[0]], *left]))
        mend = f"a {texts[0]} of several words needs quotes: {ctx.command_path} {quoted}"
        return f"unexpected argument {left[0]!r}; {mend}"

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command.

        Raises:
            UsageError, CorpusError, DeviceError: with flags, where the names of options are in the message.
        """
        try:
            return super().invoke(ctx)
        except OptionError as error:
            raise UsageError(error.message(flag_of)) from error
        except PluginError as error:
            error.args = (with_options(str(error), flag_of), *error.args[1:])
            raise
        except (CorpusError, DeviceError) as error:
            kind = CorpusError if isinstance(error, CorpusError) else DeviceError  # kinds of theirs take more
            raise kind(with_options(str(error), flag_of)) from error
        except (MemoryError, RuntimeError) as error:
            if (what := out_of_memory(error)) is None:
                raise
            raise RnngenError(f"there is not enough memory {what}; {self._smaller(ctx)}") from error

    def _smaller(self, ctx: click.Context) -> str:
        """Return what to do where memory does not suffice: the flags of sizes that the command has."""
        names = {str(param.name) for param in self.get_params(ctx)}
        flags = [flag_name(name) for name in SIZES if name in names]
        return (
            f"give a smaller {', '.join(flags)}, or less text at a time"
            if flags
            else "give less text at a time"
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the flags, those without a heading first."""
        sections: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            shown = isinstance(param, click.Option) and (_common(param) or ctx.meta.get(HELP_ALL))
            if shown and (record := param.get_help_record(ctx)):
                sections.setdefault(getattr(param, "heading", None) or "Options", []).append(record)
        for heading, records in sections.items():
            if records:
                with formatter.section(heading):
                    formatter.write_dl(records)


def has_more(command: click.Command) -> bool:
    """Return whether ``--help-all`` shows more of a command than ``--help``."""
    return not all(map(_common, command.params))


def _common(param: click.Parameter) -> bool:
    return getattr(param, "common", True)  # flags that are no ``Option`` are shown


def _help_all() -> Option:
    def show(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
        if wanted and not ctx.resilient_parsing:
            ctx.meta[HELP_ALL] = True
            from rnngen.cli.render import console

            console.page(ctx.get_help())
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


def options_from(
    cls: type[Any],
    *,
    only: Iterable[str] | None = None,
    heading: str | None = None,
    common: Collection[str] | None = None,
) -> Callable[[C], C]:
    """A decorator that gives a command one flag for each field of an options dataclass.

    A flag that is not given has the value ``None``, so that a model's own setting can stand below it.

    Args:
        cls: the dataclass; ``weight_decay: float`` becomes ``--weight-decay FLOAT``.
        only: the fields to take; all of them by default.
        heading: the section of the help that shows these flags (see ``Command``).
        common: the fields whose flags ``--help`` shows; all of them by default. ``--help-all`` shows the
            others too.
    """
    wanted = None if only is None else set(only)
    fields = [field for field in describe(cls) if wanted is None or field.name in wanted]

    def decorate(command: C) -> C:
        for field in reversed(fields):  # decorators read bottom up
            flag = flag_name(field.name)
            click.option(
                field.name,
                f"{flag}/--no-{flag[2:]}" if field.type is bool else flag,
                cls=StageOption,
                field=field,
                type=type_of(field),
                default=None,
                show_default=True,
                help=field.help,
                shell_complete=completers.BY_FIELD.get(field.name),
                heading=heading,
                common=common is None or field.name in common,
            )(command)
        return command

    return decorate


def given(cls: type[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ``cls`` that a flag, the environment or a settings file gave, and their values."""
    return {
        field.name: None if value is NONE else value
        for field in describe(cls)
        if (value := params.get(field.name)) is not None
    }


def collect(cls: type[T], params: Mapping[str, Any]) -> T:
    """Build the dataclass from the flags that were given; what was not keeps its default.

    Raises:
        UsageError: if the dataclass refuses a value; it names the flag.
    """
    try:
        return cls(**given(cls, params))
    except ValueError as error:  # which says weight_decay=-1, and is to say --weight-decay -1
        fields = {field.name for field in describe(cls)}
        names = re.compile(r"\b(\w+)=|\b(\w+_\w+)\b")

        def as_flag(found: re.Match[str]) -> str:
            name = found[1] or found[2]
            return flag_name(name) + " " * bool(found[1]) if name in fields else found[0]

        raise UsageError(names.sub(as_flag, str(error))) from error


def parsed(cls: type[T], params: Mapping[str, Any]) -> Given[T]:
    """Build the dataclass from the flags, with the names of the fields that were given.

    Raises:
        UsageError: as ``collect`` does.
    """
    return Given(collect(cls, params), frozenset(given(cls, params)))


def flag_of(option: str) -> str:
    """Return how the running command spells an option: ``--hidden 16`` for ``hidden=16``.

    What is no parameter of the command is an option of a part, ``-o encoder=lstm``.
    """
    name, equals, value = option.partition("=")
    ctx = click.get_current_context(silent=True)
    if ctx and name in (words := getattr(ctx.command, "option_words", {})):
        return str(words[name])
    if ctx and name == "count" and equals and ctx.params.get("nbest"):
        name = "nbest"  # a strategy knows one number of texts
    found = {str(param.name): param for param in (ctx.command.get_params(ctx) if ctx else [])}
    param = found.get("option" if name == "settings" else name)
    if param is None:
        return f"-o {option}" if equals else flag_name(name)
    if isinstance(param, click.Argument):
        return f"{name.upper()} {value}".strip()
    flag = max(param.opts, key=len) if name != "settings" else "-o"
    if param.secondary_opts and value in ("true", "false"):
        return flag if value == "true" else param.secondary_opts[0]
    return f"{flag} {value}" if equals else flag


def type_of(field: Field) -> "AnyType":
    """Return the Click type of an option's value."""
    plain: AnyType = click.Choice(field.choices) if field.choices else _TYPES[field.type]
    return OrNone(plain) if field.optional and field.type is not bool else plain


_TYPES: "dict[type, AnyType]" = {int: click.INT, float: click.FLOAT, str: click.STRING, bool: click.BOOL}


# ── Flags that several commands have ───────────────────────────────────────────────────────────────────────

text_argument = partial(click.argument, cls=TextArgument, required=False)
FILTERS: Final = "Filters of the next-token distribution"
option = partial(click.option, cls=Option)
"""``click.option`` for an ``Option``: takes ``heading="…"`` and ``common=False`` besides."""
rare_option = partial(option, common=False)
"""The same, for a flag that only ``--help-all`` shows."""


def settings_of(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read ``KEY=VALUE`` texts, above those of settings files; of a key given twice, the last counts."""
    below = _by_key(param, ctx.lookup_default(str(param.name)) or ())
    given = _by_key(param, values)
    typed = ctx.get_parameter_source(str(param.name)) is ParameterSource.COMMANDLINE
    ctx.meta[TYPED] = frozenset(given) if typed else frozenset()
    return {**below, **given}


def _by_key(param: click.Parameter, texts: Iterable[str]) -> dict[str, str]:
    settings = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise click.BadParameter(f"{text!r} is not of the form KEY=VALUE", param=param)
        settings[key.strip().replace("-", "_")] = value
    return settings


def _one(_: click.Context, param: click.Parameter, names: tuple[str, ...]) -> str | None:
    """Return the only name, or none."""
    if len(names) > 1:
        raise click.BadParameter(f"{len(names)} models, where this command takes one", param=param)
    return names[0] if names else None


model_flag = click.option(
    "-m",
    "--model",
    multiple=True,
    type=OneText(),
    callback=_one,
    metavar="NAME",
    shell_complete=completers.models,
    help="The model's name, or the path of its folder or file; without it, the default model, or the one "
    "trained last.",
)


def output_flag(text: str, *, required: bool = False) -> Callable[[C], C]:
    """The option ``-o FILE``, with its help; no settings file of a folder may give it."""
    return option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        sensitive=True,
        metavar="FILE",
        required=required,
        help=text,
    )


picture_flag = output_flag("Draw into a .png, .svg or .html file.")


models_flag = click.option(
    "-m",
    "--model",
    multiple=True,
    type=OneText(),
    metavar="NAME",
    shell_complete=completers.models,
    help="The model's name, or the path of its folder or file; without it, the default model, or the one "
    "trained last. Several generate together as an ensemble (the mean of their probabilities).",
)

json_flag = click.option("--json", is_flag=True, help="Write the result as one JSON document.")
json_lines_flag = click.option("--json", is_flag=True, help="Write JSON lines: one object for each record.")

device_flag = rare_option(
    "--device",
    default="cpu",
    show_default=True,
    shell_complete=completers.devices,
    help="Where to compute: cpu, cuda, cuda:N, mps, auto.",
)


def utf8(_: click.Context, param: click.Parameter, text: str | None) -> str | None:
    """Check a flag's text, as Click's callback; errors as in ``require_utf8``."""
    return text and require_utf8(text, param.opts[0])


source_flag = rare_option("--source", metavar="TEXT", callback=utf8, help="The source, for a seq2seq model.")


order_flag = rare_option(
    "--order",
    type=click.Choice(["hf", "llama"]),
    heading=FILTERS,
    help="Apply filters as transformers does, temperature before truncation, or as llama.cpp.  [default: hf]",
)

filters_flag = rare_option(
    "--filters",
    metavar="CHAIN",
    shell_complete=completers.filters,
    heading=FILTERS,
    help="Filters in the order given: NAME=VALUE,NAME=VALUE;key=value.",
)

quiet_flag = click.option("-q", "--quiet", is_flag=True, help="Print warnings and errors only.")

verbose_flag = click.option("-v", "--verbose", count=True, help="Print more; twice, more still.")

settings_flag = partial(
    click.option,
    "-o",
    "--option",
    multiple=True,
    metavar="KEY=VALUE",
    callback=settings_of,
    help="Set an option of a plugin; 'rnngen plugins list -v' shows them. May be given more than once.",
)
set_flag = settings_flag(shell_complete=completers.settings)
"""``-o KEY=VALUE``; the parameter is ``option``, a ``dict`` of texts for ``rnngen.options.build``."""


def examples(*lines: str) -> Callable[[K], K]:
    """A decorator, above ``@click.command``, that shows examples in ``--help`` and in the man page."""

    def decorate(command: K) -> K:
        command.epilog = "\n  ".join([f"\b\n{EXAMPLES_HEADING}", *lines])
        return command

    return decorate


EXAMPLES_HEADING: Final = "Examples:"


def examples_of(command: click.Command) -> list[str]:
    """The examples that ``examples`` gave a command."""
    lines = (command.epilog or "").splitlines()
    if EXAMPLES_HEADING not in lines:
        return []
    return [line.strip() for line in lines[lines.index(EXAMPLES_HEADING) + 1 :]]
