"""Types of what a file held: a dataclass from JSON takes any value, and is only then looked at."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

WHOLE = range(-(1 << 63), 1 << 64)
"""Whole numbers that an array can hold."""


def check_types(made: Any) -> None:
    """Check that a dataclass, and those in it, hold what the hints of their fields say.

    A whole number will do where a float is expected, since JSON writes ``1.0`` as ``1`` in places.

    Raises:
        TypeError: naming the first field that holds something else.
    """
    hints = _hints(type(made))  # type: ignore[arg-type]  # mypy doubts that classes can be hashed
    for field in fields(made):
        value = getattr(made, field.name)
        if not _fits(value, hints[field.name]):
            raise TypeError(f"{field.name}={str(value)[:40]!r} is not of its type")


@cache
def _hints(kind: type[Any]) -> dict[str, Any]:
    return get_type_hints(kind)


def _fits(value: Any, hint: Any) -> bool:
    origin, inner = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        if fits := isinstance(value, hint):  # type: ignore[arg-type]  # a class, as dataclasses are here
            check_types(value)
        return fits
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, inner[0]) for one in value)
    if origin in (dict, Mapping):
        return isinstance(value, dict) and all(
            _fits(key, inner[0]) and _fits(one, inner[1]) for key, one in value.items()
        )
    return value in inner if origin is Literal else _is(value, hint)


def _is(value: Any, kind: Any) -> bool:
    """Return whether a plain value is of a kind; a truth value is no number."""
    if kind is str:
        return isinstance(value, str) and not any("\ud800" <= sign <= "\udfff" for sign in value)
    if type(value) is int:
        return kind in (int, float, Any) and value in WHOLE
    return kind is Any or type(value) is kind


def deeper(value: Any, levels: int) -> bool:
    """Return whether objects and lists of JSON or TOML are nested in more levels."""
    inner: list[Any] = [value]
    while inner := [one for one in inner if type(one) in (dict, list)]:
        if not levels:
            return True
        inner = [item for one in inner for item in (one.values() if type(one) is dict else one)]
        levels -= 1
    return False
