"""Types of what a file held, or a call gave: a dataclass takes any value.

What a file held is looked at once it is a dataclass; what a call gave before, so that none computes with it.
"""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Integral, Real
from pathlib import PurePath
from types import NoneType, UnionType
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


def plain_values(kind: type[Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``plain`` values for fields of a dataclass; a whole number is text where only text will do."""
    hints = _hints(kind)  # type: ignore[arg-type]  # as below
    made = {name: plain(value) for name, value in values.items()}
    for name, value in made.items():
        if type(value) is int and not _fits(value, hints[name]) and _fits("", hints[name]):
            made[name] = str(value)
    return made


def plain(value: Any) -> Any:
    """Return NumPy's numbers and truth values as Python's, and a path as text; anything else as it is."""
    if type(value).__name__ in ("bool", "bool_"):  # NumPy's have no class in common with Python's
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, PurePath):
        return str(value)
    return float(value) if isinstance(value, Real) else value


def check_values(kind: type[Any], values: Mapping[str, Any]) -> None:
    """Check values for fields of a dataclass; texts may hold bytes that are not UTF-8, as paths do.

    Raises:
        TypeError: naming the first that is of another type, and the types that it may have.
    """
    hints = _hints(kind)  # type: ignore[arg-type]  # as above
    for name, value in values.items():
        looked_at = value.encode(errors="replace").decode() if isinstance(value, str) else value
        if not _fits(looked_at, hints[name]):
            raise TypeError(f"{name}={repr(value)[:40]}: {_named(hints[name])} expected")


def _named(hint: Any) -> str:
    """Return what a hint allows, in words: ``int or None``, ``'fp32' or 'bf16'``."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(map(_named, inner))
    if origin is Literal:
        return " or ".join(map(repr, inner))
    return "None" if hint is NoneType else str(getattr(hint, "__name__", hint))


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
