"""Flags made from options dataclasses, the one place where the options of a stage are written.

::

    @click.command(cls=flags.Command)
    @flags.options_from(TrainOptions, short={"steps": "-s"})
    def train(**params):
        options = flags.collect(TrainOptions, params)
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from rnngen.errors import UsageError
from rnngen.options import Option as Field
from rnngen.options import describe
from rnngen.options.given import Given

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    AnyType = click.ParamType[Any]

C = TypeVar("C", bound=Callable[..., Any])
T = TypeVar("T")
Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]


class _Nothing:
    """The value of ``--flag none``; plain ``None`` means that the flag was not given."""

    def __repr__(self) -> str:
        return "none"


NONE: Final = _Nothing()
WIDEST: Final = 40
"""Characters of the first column of the help."""


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


class Option(click.Option):
    """A flag that knows its place in the help.

    Args:
        heading: the section of the help that shows it; the first section where there is none.
        common: ``--help`` shows it; ``--help-all`` and the man page show every flag that is not hidden.
    """

    def __init__(self, *args: Any, heading: str | None = None, common: bool = True, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.heading, self.common = heading, common
        if isinstance(self.type, click.Choice) and self.metavar is None:
            self._shorten(list(map(str, self.type.choices)))

    def _shorten(self, choices: list[str]) -> None:
        """Move a long list of choices out of the first column of the help, which must not be wide."""
        if len(f"{self.opts[0]} [{'|'.join(choices)}]") > WIDEST:
            self.metavar = "NAME"
            self.help = f"{self.help or ''} One of {', '.join(choices)}.".strip()


class StageOption(Option):
    """A flag made from one field of an options dataclass."""

    def __init__(self, *args: Any, stage: type[Any], field: Field, **attrs: Any) -> None:
        super().__init__(*args, **attrs)
        self.stage, self.field = stage, field

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Click's extras, with the dataclass's default where no settings file gave another."""
        extra = super().get_help_extra(ctx)
        if self.field.default not in (MISSING, None):
            extra.setdefault("default", self._shown(self.field.default))
        return extra

    def _shown(self, value: Any) -> str:
        if isinstance(value, bool):
            return (self.opts[0] if value else self.secondary_opts[0]).lstrip("-")
        return str(value) or '""'


def options_from(
    cls: type[Any],
    *,
    only: Iterable[str] | None = None,
    rename: Mapping[str, str] | None = None,
    short: Mapping[str, str] | None = None,
    complete: Mapping[str, Completer] | None = None,
    heading: str | None = None,
    common: Collection[str] | None = None,
) -> Callable[[C], C]:
    """A decorator that gives a command one flag for each field of an options dataclass.

    A flag that is not given has the value ``None``, so that a model's own setting can stand below it.

    Args:
        cls: the dataclass; ``weight_decay: float`` becomes ``--weight-decay FLOAT``.
        only: the fields to take; all of them by default.
        rename: another flag name for a field, ``{"max_steps": "steps"}``. The parameter has it too.
        short: a one-letter flag for a field, ``{"steps": "-s"}``.
        complete: how the shell completes a field's value, for example ``complete_names("cell")``.
        heading: the section of the help that shows these flags (see ``Command``).
        common: the fields whose flags ``--help`` shows; all of them by default. ``--help-all`` shows the
            others too.
    """
    wanted = None if only is None else set(only)
    fields = [field for field in describe(cls) if wanted is None or field.name in wanted]

    def decorate(command: C) -> C:
        for field in reversed(fields):  # decorators read bottom up
            _flag(
                cls,
                field,
                name=(rename or {}).get(field.name, field.name).replace("-", "_"),
                letter=(short or {}).get(field.name),
                shell_complete=(complete or {}).get(field.name),
                heading=heading,
                common=common is None or field.name in common,
            )(command)
        return command

    return decorate


def _flag(cls: type[Any], field: Field, *, name: str, letter: str | None, **attrs: Any) -> Callable[[C], C]:
    """The flag of one field."""
    return click.option(
        *(declaration for declaration in (name, _declaration(field, name), letter) if declaration),
        cls=StageOption,
        stage=cls,
        field=field,
        type=type_of(field),
        default=None,
        show_default=True,
        help=field.help,
        **attrs,
    )


def given(cls: type[Any], params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ``cls`` that a flag, the environment or a settings file gave, with their values.

    Args:
        cls: the dataclass whose flags ``options_from`` made.
        params: the command's parameters; those of other stages do no harm.
    """
    flags = _parameter_names(cls)
    values = {field.name: params.get(flags.get(field.name, field.name)) for field in describe(cls)}
    return {name: None if value is NONE else value for name, value in values.items() if value is not None}


def collect(cls: type[T], params: Mapping[str, Any], **known: Any) -> T:
    """Build the dataclass from the flags that were given; what was not keeps its default.

    Args:
        cls: the dataclass.
        params: the command's parameters.
        known: values that come from elsewhere; they win.

    Raises:
        UsageError: if the dataclass refuses a value, or one that it needs is missing; it names the flag.
    """
    values = given(cls, params) | known
    for field in describe(cls):
        if field.default is MISSING and field.name not in values:
            raise UsageError(f"{_flags(cls)[field.name]} is missing: {field.help}")
    try:
        return cls(**values)
    except ValueError as error:
        raise UsageError(_with_flags(str(error), _flags(cls))) from error


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
    found = {str(param.name): param for param in (ctx.command.get_params(ctx) if ctx else [])}
    param = found.get({"settings": "option"}.get(name, name))
    if param is None:
        return f"-o {option}" if equals else f"--{name.replace('_', '-')}"
    if isinstance(param, click.Argument):
        return f"{name.upper()} {value}".strip()
    flag = max(param.opts, key=len) if name != "settings" else "-o"
    if param.secondary_opts and value in ("true", "false"):
        return flag if value == "true" else param.secondary_opts[0]
    return f"{flag} {value}" if equals else flag


def _declaration(field: Field, name: str) -> str:
    flag = name.replace("_", "-")
    return f"--{flag}/--no-{flag}" if field.type is bool else f"--{flag}"


def type_of(field: Field) -> "AnyType":
    """Return the Click type of an option's value."""
    plain: AnyType = click.Choice(field.choices) if field.choices else _TYPES[field.type]
    return OrNone(plain) if field.optional else plain


_TYPES: "dict[type, AnyType]" = {
    int: click.INT,
    float: click.FLOAT,
    str: click.STRING,
    bool: click.BOOL,
}


def _parameter_names(cls: type[Any]) -> dict[str, str]:
    """The parameter of each field in the command that is running, where ``rename`` gave it another name."""
    ctx = click.get_current_context(silent=True)
    params = ctx.command.params if ctx else []
    return {
        param.field.name: str(param.name)
        for param in params
        if isinstance(param, StageOption) and param.stage is cls
    }


def _flags(cls: type[Any]) -> dict[str, str]:
    renamed = _parameter_names(cls)
    return {
        field.name: "--" + renamed.get(field.name, field.name).replace("_", "-") for field in describe(cls)
    }


def _with_flags(message: str, flags: Mapping[str, str]) -> str:
    """Write ``--weight-decay=-1`` where the dataclass wrote ``weight_decay=-1``."""
    pattern = re.compile(r"\b(\w+)(?==)|\b(\w+_\w+)\b")
    return pattern.sub(lambda match: flags.get(match[0], match[0]), message)
