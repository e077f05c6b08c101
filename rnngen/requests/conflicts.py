"""What cannot stand together in a request, as a table of rows.

::

    CONFLICTS = (
        Conflict("save_state", "beam"),
        Conflict("save_state", "count", "a state is that of one text"),
    )

An option counts as given if its value differs from the field's default; a property that is true
counts as well (``endless``). Errors name options as the request does; the command line turns them into flags.
"""

from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields
from typing import Any

from rnngen.errors import UsageError


@dataclass(frozen=True)
class Conflict:
    """Two options of one request that exclude each other."""

    option: str
    """A field of the request, or a property that is true where the option is given."""
    other: str
    """Likewise."""
    reason: str = ""
    """One clause that says why, where that is not plain."""


@dataclass(frozen=True)
class Requirement:
    """An option of a request that is of no use without another."""

    option: str
    """A field of the request."""
    needs: str
    """The other field."""
    reason: str
    """What the option does, as one clause: "says how to adapt"."""


class ConflictError(UsageError):
    """Two options that cannot stand together.

    Args:
        conflict: the row of the table.
    """

    def __init__(self, conflict: Conflict) -> None:
        self.conflict = conflict
        super().__init__(self.message(str))

    def message(self, name: Callable[[str], str]) -> str:
        """Return the message with options as ``name`` writes them, ``--save-state`` for ``save_state``."""
        reason = f": {self.conflict.reason}" if self.conflict.reason else ""
        option, other = name(self.conflict.option), name(self.conflict.other)
        return f"{option} and {other} cannot stand together{reason}; leave one of them out"


class RequirementError(UsageError):
    """An option that is of no use without another.

    Args:
        requirement: the row of the table.
    """

    def __init__(self, requirement: Requirement) -> None:
        self.requirement = requirement
        super().__init__(self.message(str))

    def message(self, name: Callable[[str], str]) -> str:
        """Return the message with options as ``name`` writes them."""
        row = self.requirement
        return f"{name(row.option)} {row.reason}; add {name(row.needs)}, or leave it out"


def check(request: Any, conflicts: Iterable[Conflict], requirements: Iterable[Requirement] = ()) -> None:
    """Refuse a request that gives both options of a conflict, or one of a requirement alone.

    Raises:
        ConflictError, RequirementError: naming the first such row.
    """
    for row in requirements:
        if is_given(request, row.option) and not is_given(request, row.needs):
            raise RequirementError(row)
    for conflict in conflicts:
        if is_given(request, conflict.option) and is_given(request, conflict.other):
            raise ConflictError(conflict)


def is_given(request: Any, option: str) -> bool:
    """Return whether an option of a request was given: differs from its default, or is a true property."""
    value = getattr(request, option)
    for field in fields(request):
        if field.name == option:
            default = field.default_factory() if field.default_factory is not MISSING else field.default
            return bool(value != default)
    return bool(value)
