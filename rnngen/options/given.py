"""Options of a stage of which some were given, so that others may come from a model, a study or the text."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Generic, TypeVar

from rnngen.errors import UnknownName, UsageError
from rnngen.options.typed import check_values, plain_values

T = TypeVar("T")


@dataclass(frozen=True)
class Given(Generic[T]):
    """An options dataclass, and the names of the fields that were given.

    ::

        network = Given.of(NetworkOptions, hidden=8)
        network.options.hidden, network.options.layers      8, 1
        "hidden" in network, "layers" in network            True, False
        network.over(NetworkOptions(layers=2))              NetworkOptions(hidden=8, layers=2)
    """

    options: T
    """The options, with defaults where nothing was given."""
    names: frozenset[str] = frozenset()
    """The fields that were given."""

    @classmethod
    def of(cls, stage: type[T], **values: Any) -> "Given[T]":
        """Build the options from the values that are given.

        Raises:
            UnknownName: for a name that is no field of ``stage``.
            UsageError: for a value that is of another type, or that ``stage`` refuses.
        """
        known = [field.name for field in fields(stage)]  # type: ignore[arg-type]  # a dataclass
        for name in values:
            if name not in known:
                raise UnknownName("option", name, known)
        values = plain_values(stage, values)
        try:
            check_values(stage, values)
            return cls(stage(**values), frozenset(values))
        except (TypeError, ValueError) as error:
            raise UsageError(str(error)) from error

    def __contains__(self, name: str) -> bool:
        return name in self.names

    @property
    def values(self) -> dict[str, Any]:
        """The values that were given, by name, in the order of the fields."""
        names = [field.name for field in fields(self.options)]  # type: ignore[arg-type]  # a dataclass
        return {name: getattr(self.options, name) for name in names if name in self.names}

    def over(self, options: T) -> T:
        """Return other options with these values in the place of theirs; ``UsageError`` if they clash."""
        try:
            return replace(options, **self.values)  # type: ignore[type-var]  # a dataclass
        except ValueError as error:
            raise UsageError(str(error)) from error

    def adding(self, values: Mapping[str, Any]) -> "Given[T]":
        """Return the same with more values given, above those there are."""
        return Given.of(type(self.options), **{**self.values, **values})

    def without(self, names: Iterable[str]) -> "Given[T]":
        """Return the same without some of the values."""
        left_out = {*names}
        kept = {name: value for name, value in self.values.items() if name not in left_out}
        return Given.of(type(self.options), **kept)


def by_stage(
    stages: Mapping[str, type[Any]],
    values: Mapping[str, Any],
    own: Iterable[str],
    without: Iterable[str] = (),
) -> dict[str, Any]:
    """Return a ``Given`` for each stage, of the values that are its fields; those ``without`` are none.

    Raises:
        UnknownName: for a name that is nowhere a field; one of them, or of ``own``, is offered.
        UsageError: for a value that is refused.
    """
    owners = {field.name: name for name, stage in stages.items() for field in fields(stage)}
    known = owners.keys() - without
    held: dict[str, dict[str, Any]] = {name: {} for name in stages}
    for name, value in values.items():
        if name not in known:
            raise UnknownName("option", name, {*known, *own})
        held[owners[name]][name] = value
    return {name: Given.of(stages[name], **given) for name, given in held.items()}
