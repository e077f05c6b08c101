"""Options of a request that cannot stand together, or that do nothing, as tables of rows.

::

    CONFLICTS = (
        Conflict("save_state", "beam"),
        Conflict("save_state", "count", "a state is that of one text"),
        Conflict("label_smoothing", "head=adaptive", "it never computes all probabilities"),
        Need("val_source", "val|val_target", "these are the sources of the validation text"),
        Need("muon", "optimizer=muon", "it chooses what that optimizer updates", unless="resume"),
        Requires("vary_seq", "free text", "examples that end are read whole"),
    )

**No option is ignored in silence.** Who adds an option asks with which others, and for which task, cell and
kind of model it has no effect, and writes a row for each:

- ``Conflict`` where two options exclude each other,
- ``Need`` where one means nothing without another, or without a value of it,
- ``Requires`` where it means nothing to a model or a task that lacks a capability. These rows are checked as
  soon as the task or the model is known, before anything is read or computed.

An option that is typed, or given from Python, is then refused by one line. One that a settings file or the
environment sets gives way to what is typed, and is left aside where it has no effect (``settings.resolve``):
a default for many runs cannot suit each of them. The seed alone is taken where nothing is drawn: it promises
the same bytes, and these are. Options within a plugin's options dataclass are checked there.

An option counts as given if its value differs from the field's default; a property that is true
counts as well (``endless``), and ``head=adaptive`` if the value is that one. Options are looked for in the
request and in the options dataclasses that it holds, where a ``Given`` knows what was given (``None`` is
nothing). What is switched off (``average=0``, the default) needs nothing. Errors name options as the
request does; the command line turns them into flags.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeAlias, TypeVar

from rnngen.errors import OptionError
from rnngen.options.given import Given

R = TypeVar("R")


@dataclass(frozen=True)
class Conflict:
    """Two options of one request that exclude each other."""

    option: str
    """A field of the request, or a property that is true where the option is given."""
    other: str
    """Another one, or such a property."""
    reason: str = ""
    """One clause that says why, where that is not plain."""

    def is_broken_by(self, request: Any) -> bool:
        """Return whether a request gives both."""
        return is_given(request, self.option) and is_given(request, self.other)

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"`{self.option}` and `{self.other}` cannot stand together{reason}; leave one of them out"


@dataclass(frozen=True)
class Need:
    """An option that means nothing without another one."""

    option: str
    """A field of the request, or a property that is true where the option is given."""
    other: str
    """The option that it needs; of ``one|another`` any will do."""
    reason: str
    """One clause that says why."""
    unless: str = ""
    """An option beside which the row does not hold, because the other one may have been given before."""

    def is_broken_by(self, request: Any) -> bool:
        """Return whether a request gives the one without the other."""
        enough = [*self.other.split("|"), *([self.unless] if self.unless else [])]
        return is_on(request, self.option) and not any(is_given(request, one) for one in enough)

    def __str__(self) -> str:
        others = " or ".join(f"`{one}`" for one in self.other.split("|"))
        return f"`{self.option}` needs {others}: {self.reason}"


Capability: TypeAlias = Literal[
    "source", "no source", "attention", "labels", "free text", "end", "separator", "examples"
]
LACKS: dict[Capability, str] = {
    "source": "reads no source",
    "no source": "reads a source",
    "attention": "attends to nothing",
    "labels": "has no labels",
    "free text": "has examples that end",
    "end": "has texts that do not end by themselves",
    "separator": "divides none",
    "examples": "keeps none of its training",
}
"""Capabilities of models and tasks, each with the words for lacking it."""


@dataclass(frozen=True)
class Requires:
    """An option that means nothing to a model, or to a task, without a capability."""

    option: str
    """A field of the request, or a property that is true where the option is given."""
    capability: Capability
    reason: str
    """One clause that says why."""
    mend: str = "leave it out"
    subject: str = "this model"
    """The model or the task that lacks it."""

    def is_broken_by(self, request: Any, capabilities: Collection[Capability]) -> bool:
        """Return whether a request gives the option where the capability is not among those there are."""
        return self.capability not in capabilities and is_on(request, self.option)

    def __str__(self) -> str:
        lacks = f"{self.subject} {LACKS[self.capability]}"
        return f"`{self.option}`: {self.reason}, and {lacks}; {self.mend}"


Row: TypeAlias = Conflict | Need | Requires


class ConflictError(OptionError):
    """A request that breaks a row of its table.

    Args:
        conflict: the row.
    """

    def __init__(self, conflict: Row) -> None:
        self.conflict = conflict
        super().__init__(str(conflict))


def check(request: Any, rows: Iterable[Conflict | Need]) -> None:
    """Refuse a request that breaks a row.

    Raises:
        ConflictError: naming the first such row.
    """
    for row in rows:
        if row.is_broken_by(request):
            raise ConflictError(row)


def check_requirements(
    request: Any, rows: Iterable[Requires], capabilities: Collection[Capability], subject: str = "this model"
) -> None:
    """Refuse a request that a model, or a task, with these capabilities cannot heed.

    Raises:
        ConflictError: naming the first such row, and the subject.
    """
    for row in rows:
        if row.is_broken_by(request, capabilities):
            raise ConflictError(replace(row, subject=subject))


def settle(
    values: Mapping[str, Any],
    build: Callable[[dict[str, Any]], R],
    yielding: Callable[[Row, Mapping[str, Any]], str | None],
) -> R:
    """Build a request of values, without those that give way to others.

    Args:
        values: by option.
        build: makes the request.
        yielding: returns the value to leave out, of those there are, where a row is broken; None if none is.

    Raises:
        ConflictError: where none gives way.
    """
    left = dict(values)
    while True:
        try:
            return build(left)
        except ConflictError as error:
            lower = yielding(error.conflict, left)
            if lower is None:
                raise
            del left[lower]


def is_on(request: Any, option: str) -> bool:
    """Return whether an option was given, and is not switched off as it is by default."""
    if not is_given(request, option):
        return False
    name = option.partition("=")[0]
    holder = _holder(request, name)
    value = getattr(holder.options if isinstance(holder, Given) else holder, name)
    return bool(value or value != _default(holder, name))


def is_given(request: Any, option: str) -> bool:
    """Return whether an option of a request was given: differs from its default, or is a true property."""
    name, equals, wanted = option.partition("=")
    holder = _holder(request, name)
    if holder is None:
        raise AttributeError(f"{type(request).__name__} has no option {name!r}")
    value = getattr(holder.options if isinstance(holder, Given) else holder, name)
    if equals:
        return wanted in value if isinstance(value, tuple | list) else bool(value == wanted)
    if isinstance(holder, Given):
        return name in holder and value is not None
    return bool(value != _default(holder, name))


def _default(holder: Any, name: str) -> Any:
    """The default of a field; False for a property."""
    for field in fields(holder.options if isinstance(holder, Given) else holder):
        if field.name == name:
            return field.default if field.default_factory is MISSING else field.default_factory()
    return False


def _holder(request: Any, name: str) -> Any:
    """The request, or what it holds, that has an option of that name; None if nothing has it."""
    own = request.options if isinstance(request, Given) else request
    if hasattr(type(own), name) or name in {field.name for field in fields(own)}:
        return request
    held = (getattr(own, field.name) for field in fields(own))
    inner = (_holder(one, name) for one in held if is_dataclass(one))
    return next((one for one in inner if one is not None), None)
