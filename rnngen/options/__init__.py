"""Options are small frozen dataclasses, one a stage; here they are read from text, checked and described.

A field carries its documentation as a string literal on the line below it, as attributes do everywhere in
Python's documentation tools::

    @dataclass(frozen=True)
    class RNNOptions:
        activation: Literal["tanh", "relu", "sigmoid"] = "tanh"
        \"\"\"The nonlinearity of the recurrence.\"\"\"

From that one place come the ``-o key=value`` parser, the flags of the command line, the man pages and the
model card. Types that can be read from text: ``str``, ``int``, ``float``, ``bool``, ``Literal[...]`` of
strings, and each of these ``| None`` (written ``none``).

What a search for good options (``rnngen tune``) may try of a field stands in the field's metadata::

        forget_bias: float = field(default=1.0, metadata={SEARCH: Range(0.0, 3.0)})
        gated: bool = field(default=True, metadata={SEARCH: OneOf()})

An option that has no effect beside some others has ``metadata={NEEDS: (Needs(…),)}``: where it is given
without what it needs it is refused, so that none is ignored in silence.

An option that adds a penalty to the loss which a network trains on has ``metadata={PENALTY: True}``: with
teachers it trains on another loss. One under which a network's own loss cannot be smoothed over all tokens
has ``metadata={UNSMOOTHED: True}``: ``--label-smoothing`` is refused then, and is no default.
One that lets a network copy from its source has ``metadata={COPIES: True}``.
"""

import ast
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from itertools import pairwise
from math import inf
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from rnngen.errors import UnknownName, UsageError

T = TypeVar("T")
SEARCH: Final = "search"
"""The key of a field's metadata that holds its ``Range`` or ``OneOf``."""
PENALTY: Final = "penalty"
"""The key of a field's metadata that is true where the option adds to the loss of training."""
UNSMOOTHED: Final = "unsmoothed"
"""The key of a field's metadata that is true where the option leaves label smoothing without effect."""
COPIES: Final = "copies"
"""The key of a field's metadata that is true where the option lets a network copy tokens of its source: those
of the sources of training are generated too."""


HELP: Final = "help"
"""The key of a field's metadata that holds its documentation, where the class has no source."""
NEEDS: Final = "needs"
"""The key of a field's metadata that holds its ``Needs``, where it has no effect beside some others."""


WHOLE = 1 << 63
"""Whole numbers of options are below this, in both directions."""


@dataclass(frozen=True)
class Needs:
    """A condition without which an option has no effect."""

    option: str
    """The option that it depends on, ``groups``, or ``stochastic=false``."""
    reason: str
    """One clause that says why."""
    met: Callable[[Any], bool]
    """Returns whether the option has an effect beside the others, given all of them."""


class IdleOption(UsageError):  # noqa: N818 - it is no error of the option itself
    """An option that has no effect beside the others.

    Args:
        owner: what has the options, as messages name it.
        option: its name.
        needs: the condition that is not met.
    """

    def __init__(self, owner: str, option: str, needs: Needs) -> None:
        self.option, self.needs = option, needs
        super().__init__(f"{owner}: {option} needs {needs.option}: {needs.reason}")


@dataclass(frozen=True)
class NoOptions:
    """For what has nothing to choose."""


@dataclass(frozen=True)
class Range:
    """Numbers that a search may try: from ``low`` to ``high``, both included."""

    low: float
    high: float
    log: bool = False
    """True if each factor is as likely as the next, not each difference."""
    step: float | None = None
    """Try only ``low``, ``low + step`` and so on."""

    def __post_init__(self) -> None:
        if not -inf < self.low <= self.high < inf:
            raise ValueError(f"{self}: a smaller number, and then a larger one expected")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError(f"{self}: a range by factors starts above 0 and has no step")
        if self.step is not None and not (self.step > 0 and self._steps_to(self.high)):
            raise ValueError(f"{self}: a step that leads from the first number to the last expected")

    def __contains__(self, value: object) -> bool:
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            return False
        return self.step is None or self._steps_to(value)

    def _steps_to(self, value: float) -> bool:
        count = (value - self.low) / (self.step or 1)
        return abs(count - round(count)) < 1e-9

    def __str__(self) -> str:
        suffix = ":log" if self.log else f":{self.step}" if self.step is not None else ""
        return f"{self.low}..{self.high}{suffix}"


@dataclass(frozen=True)
class OneOf:
    """Values that a search may try; of a field whose values can be listed, none means all of them."""

    values: tuple[Any, ...] = ()

    def __contains__(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return "|".join(map(option_text, self.values))


@dataclass(frozen=True)
class Option:
    """One field of an options dataclass, ready to be shown and parsed."""

    name: str
    """The field's name, with underscores."""
    type: type
    """``str``, ``int``, ``float`` or ``bool``."""
    default: Any
    """The default; ``dataclasses.MISSING`` where the field must be given."""
    help: str
    """The docstring below the field."""
    choices: tuple[str, ...] = ()
    """The accepted words, where the type is a ``Literal``."""
    optional: bool = False
    """True if ``none`` is accepted."""
    search: Range | OneOf | None = None
    """Values that a search may try; None where the default is meant to stay."""
    needs: tuple[Needs, ...] = ()
    """Conditions without which it has no effect."""

    def parse(self, text: str) -> Any:
        """Read the value from ``text``.

        Raises:
            UsageError: if it is not of the field's type; ``UnknownName`` if it is none of its choices.
        """
        if self.optional and text.lower() == "none":
            return None
        if self.choices:
            if text not in self.choices:
                raise UnknownName(f"value for {self.name!r}", text, self.choices)
            return text
        try:
            value = _BOOLEANS[text.lower()] if self.type is bool else self.type(text)
        except (KeyError, ValueError):
            raise UsageError(f"option {self.name}={text[:80]}: {_EXPECTED[self.type]} expected") from None
        if self.type is int and abs(value) >= WHOLE:
            raise UsageError(f"option {self.name}={text[:20]}…: a number below 2^63 expected")
        if (
            self.type is str
            and not text.startswith("@")
            and any("\ud800" <= sign <= "\udfff" for sign in text)
        ):
            raise UsageError(f"option {self.name}={text[:80]!r}: a text in UTF-8 expected")
        return value

    def space(self, text: str) -> Range | OneOf:
        """Read what to try from ``low..high``, ``low..high:log``, ``low..high:STEP`` or ``one|another``.

        Raises:
            UsageError: if it is none of these, or holds a value that is not of the field's type.
        """
        low, dots, rest = text.partition("..")
        if not dots or self.type not in (int, float):
            return OneOf(tuple(dict.fromkeys(self.parse(value) for value in text.split("|"))))
        high, _, suffix = rest.partition(":")
        step = self.parse(suffix) if suffix not in ("", "log") else None
        try:
            return Range(self.parse(low), self.parse(high), log=suffix == "log", step=step)
        except (TypeError, ValueError) as error:
            raise UsageError(f"option {self.name}: {error}") from None


def option_text(value: Any) -> str:
    """Return the text of an option's value, as flags spell it: ``true``, ``none``."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def flag_name(option: str) -> str:
    """Return the flag of an option: ``--weight-decay`` for ``weight_decay``."""
    return f"--{option.replace('_', '-')}"


_BOOLEANS = {"true": True, "yes": True, "on": True, "1": True}
_BOOLEANS |= {"false": False, "no": False, "off": False, "0": False}
_EXPECTED: dict[type, str] = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}


def divide(text: str, sign: str) -> list[str]:
    """The parts between a sign that no backslash precedes; empty ones are left out, backslashes stay."""
    return re.findall(rf"(?:\\.|[^{re.escape(sign)}])+", text, flags=re.DOTALL)


def unescape(text: str) -> str:
    r"""The text that one with backslashes stands for: ``\n \t \r``, and any other sign for itself."""
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda found: escapes.get(found[1], found[1]), text, flags=re.DOTALL)


def marked(options: Any, mark: str) -> dict[str, Any]:
    """Return the options whose metadata have a mark, those that are on."""
    every = (one.name for one in fields(options) if one.metadata.get(mark))
    return {name: value for name in every if (value := getattr(options, name))}


def describe(options: type[Any]) -> tuple[Option, ...]:
    """List the fields of an options dataclass, in order."""
    return _described(options)  # type: ignore[arg-type]  # mypy doubts that classes can be hashed


@cache
def _described(options: type[Any]) -> tuple[Option, ...]:
    hints = get_type_hints(options)
    complete = all(HELP in field.metadata for field in fields(options))  # then there is no source to look for
    documented = {} if complete else _field_docstrings(options)
    described = []
    for field in fields(options):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        kind, choices, optional = _reading(hints[field.name], field.name)
        search = _filled(field.metadata.get(SEARCH), kind, choices, field.name)
        help_ = documented.get(field.name, field.metadata.get(HELP, "")).replace("``", "'")
        needs = field.metadata.get(NEEDS, ())
        described.append(Option(field.name, kind, default, help_, choices, optional, search, needs))
    return tuple(described)


def build(options: type[T], given: Mapping[str, str], *, owner: str) -> T:
    """Make an options object from ``key=value`` texts; messages name its ``owner`` (``"cell 'rnn'"``).

    Raises:
        UsageError: for a key that does not exist (the closest is named), an ill-typed value, a missing
            one, or whatever the dataclass itself refuses in ``__post_init__`` with a ``ValueError``;
            ``IdleOption`` for one that has no effect beside the others.
    """
    known = {option.name: option for option in describe(options)}
    for key in given:
        if key not in known:
            if not known:
                raise UsageError(f"{owner} has no options, and so no {key!r}; leave it out")
            raise UnknownName(f"option of {owner}:", key, known)
    missing = [name for name, option in known.items() if option.default is MISSING and name not in given]
    if missing:
        raise UsageError(f"{owner} needs the option {missing[0]!r}; give it with -o {missing[0]}=VALUE")
    made = construct(options, {key: known[key].parse(text) for key, text in given.items()}, owner=owner)
    for key in given:
        for needs in known[key].needs if getattr(made, key) != known[key].default else ():
            if not needs.met(made):
                raise IdleOption(owner, key, needs)
    return made


def construct(options: type[T], values: Mapping[str, Any], *, owner: str) -> T:
    """Make an options object from typed values, with the dataclass's own refusals as ``UsageError``."""
    try:
        return options(**values)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{owner}: {error}") from error


def _filled(
    search: Range | OneOf | None, kind: type, choices: tuple[str, ...], name: str
) -> Range | OneOf | None:
    """Return what a field's metadata lets a search try, with all values where it names none."""
    if isinstance(search, Range) and kind not in (int, float):
        raise TypeError(f"option {name!r} is not a number, and so has no range to search")
    if not isinstance(search, OneOf) or search.values:
        return search
    values = choices or ((False, True) if kind is bool else ())
    if not values:
        raise TypeError(f"option {name!r} has values without end; name those to search")
    return OneOf(values)


def _reading(hint: Any, name: str) -> tuple[type, tuple[str, ...], bool]:
    """Return a hint's type, its choices, and whether ``none`` is a value."""
    members = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    optional = type(None) in members
    kinds = [member for member in members if member is not type(None)]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return str, get_args(kinds[0]), optional
    if len(kinds) == 1 and kinds[0] in _EXPECTED:
        return kinds[0], (), optional
    raise TypeError(f"option {name!r} has the type {hint}, which cannot be read from text")


def _field_docstrings(options: type) -> dict[str, str]:
    """The string literal below each field, of the class and of the dataclasses that it extends."""
    found: dict[str, str] = {}
    for cls in reversed(options.__mro__[:-1]):
        try:
            known = _of_module(cls.__module__).get(cls.__qualname__)
            if known is None:
                known = _documented(ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0])
        except (KeyError, OSError, TypeError, SyntaxError):  # no source: the option works, undescribed
            continue
        found |= known
    return found


@cache
def _of_module(module: str) -> dict[str, dict[str, str]]:
    """The texts of all classes of a module, parsed once; ``getsource`` of each class parses all of it."""
    statements = ast.parse(inspect.getsource(sys.modules[module])).body
    return {one.name: _documented(one) for one in statements if isinstance(one, ast.ClassDef)}


def _documented(cls: ast.stmt) -> dict[str, str]:
    found = {}
    for above, below in pairwise(cls.body if isinstance(cls, ast.ClassDef) else []):
        if isinstance(above, ast.AnnAssign) and isinstance(above.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[above.target.id] = " ".join(inspect.cleandoc(text).split())
    return found


# ── Checks for ``__post_init__`` ───────────────────────────────────────────────────────────────────────
# They raise ``ValueError``; ``build`` turns that into a message that names the owner, and the command line
# writes the flag for the field's name.


def require(condition: bool, message: str) -> None:
    """Raise ``ValueError`` with a message unless a condition holds."""
    if not condition:
        raise ValueError(message)


def require_range(
    name: str,
    value: float | None,
    low: float = -inf,
    high: float = inf,
    *,
    above: bool = False,
    below: bool = False,
) -> None:
    """Raise ``ValueError`` unless a number is finite and lies in a range; None, an option not given, passes.

    ``above`` excludes ``low`` itself, and ``below`` excludes ``high``:
    ``require_range("p", 2.0, 0, 1, above=True)`` raises "p=2: a number above 0 and up to 1 expected".
    """
    if value is None:
        return
    if isinstance(value, int) and abs(value) >= WHOLE:
        raise ValueError(f"{name}={str(value)[:20]}…: a number below 2^63 expected")
    enough = low < value if above else low <= value
    if not (enough and (value < high if below else value <= high) and abs(value) < inf):
        raise ValueError(f"{name}={_spelt(value)}: {_range(low, high, above, below)} expected")


def _spelt(value: float) -> str:
    return f"{value:.0f}" if abs(value) < 1e15 and value == round(value) else str(value)


def _range(low: float, high: float, above: bool, below: bool) -> str:
    if low == -inf and high == inf:
        return "a finite number"
    if high == inf:
        least = f"a number above {_spelt(low)}" if above else f"at least {_spelt(low)}"
        return "0 or more" if low == 0 and not above else least
    if above and below:
        return f"a number between {_spelt(low)} and {_spelt(high)}"
    if above:
        return f"a number above {_spelt(low)} and up to {_spelt(high)}"
    return f"a number from {_spelt(low)} to {'below ' * below}{_spelt(high)}"
