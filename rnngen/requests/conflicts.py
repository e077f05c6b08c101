"""Options of a request that cannot stand together, or that need one another, as a table of rows.

::

    CONFLICTS = (
        Conflict("save_state", "beam"),
        Conflict("save_state", "count", "a state is that of one text"),
        Conflict("label_smoothing", "head=adaptive", "it never computes all probabilities"),
        Need("val_source", "val|val_target", "these are the sources of the validation text"),
    )

An option counts as given if its value differs from the field's default; a property that is true
counts as well (``endless``), and ``head=adaptive`` if the value is that one. Options are looked for in the
request and in the options dataclasses that it holds, where a ``Given`` knows what was given (``None`` is
nothing). Errors name options as the request does; the command line turns them into flags.
"""

from collections.abc import Iterable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any

from rnngen.errors import OptionError
from rnngen.options.given import Given


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

    def is_broken_by(self, request: Any) -> bool:
        """Return whether a request gives the one without the other."""
        others = self.other.split("|")
        return is_given(request, self.option) and not any(is_given(request, one) for one in others)

    def __str__(self) -> str:
        others = " or ".join(f"`{one}`" for one in self.other.split("|"))
        return f"`{self.option}` needs {others}: {self.reason}"


class ConflictError(OptionError):
    """A request that breaks a row of its table.

    Args:
        conflict: the row.
    """

    def __init__(self, conflict: Conflict | Need) -> None:
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
    for field in fields(holder):
        if field.name == name:
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            return bool(value != default)
    return bool(value)


def _holder(request: Any, name: str) -> Any:
    """The request, or what it holds, that has an option of that name; None if nothing has it."""
    own = request.options if isinstance(request, Given) else request
    if hasattr(type(own), name) or name in {field.name for field in fields(own)}:
        return request
    held = (getattr(own, field.name) for field in fields(own))
    inner = (_holder(one, name) for one in held if is_dataclass(one))
    return next((one for one in inner if one is not None), None)
