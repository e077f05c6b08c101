"""Specs as JSON and back, so that listings and flags need no import of the plugin that brings them.

The options dataclass of a spec that was read back has the fields of the plugin's own, with types, defaults,
documentation and what a search may try, but not its checks: whoever builds something asks for the real spec.
"""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, field, fields, make_dataclass
from typing import Any, Literal, TypeAlias

from rnngen import contracts
from rnngen.contracts import Flag, Spec
from rnngen.options import HELP, SEARCH, NoOptions, OneOf, Option, Range, describe

Json: TypeAlias = dict[str, Any]
TYPES = {one.__name__: one for one in (str, int, float, bool)}


def written(spec: Spec) -> Json:
    """Return a spec as JSON.

    Raises:
        TypeError: if it is of a type of the plugin's own, or has an option without a plain default.
    """
    if getattr(contracts, type(spec).__name__, None) is not type(spec):
        raise TypeError(f"{type(spec).__name__} is no spec of the contracts")
    values = {one.name: _plain(getattr(spec, one.name)) for one in fields(spec) if one.name != "options"}
    return {
        "type": type(spec).__name__,
        **values,
        "options": [_option(one) for one in describe(spec.options)],
    }


def read(values: Json) -> Spec:
    """Return a spec again; raises what a mistaken call raises."""
    kind: type[Spec] = getattr(contracts, values["type"])
    known = {one.name: one for one in fields(kind)}
    given = {name: _typed(name, values[name]) for name in known if name in values and name != "options"}
    return kind(**given, options=_options(values["options"]))


def _plain(value: Any) -> Any:
    if isinstance(value, Flag):
        return asdict(value)
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value


def _typed(name: str, value: Any) -> Any:
    if name == "flag" and value is not None:
        return Flag(**value)
    if name == "flags":
        return tuple(Flag(**one) for one in value)
    if name == "can":
        return frozenset(value)
    return tuple(value) if isinstance(value, list) else value


def _option(option: Option) -> Json:
    if not isinstance(option.default, str | int | float | bool | None | type(MISSING)):
        raise TypeError(f"option {option.name!r} has the default {option.default!r}")
    search = option.search and [type(option.search).__name__, asdict(option.search)]
    default = {} if option.default is MISSING else {"default": option.default}
    kind = option.type.__name__
    values = {"choices": list(option.choices), "optional": option.optional, "search": search}
    return {"name": option.name, "type": kind, "help": option.help, **values, **default}


def _options(described: list[Json]) -> type[Any]:
    if not described:
        return NoOptions
    made = [(one["name"], _hint(one), _field(one)) for one in described]
    return make_dataclass("Options", made, frozen=True, kw_only=True)


def _hint(option: Json) -> Any:
    hint: Any = Literal[tuple(option["choices"])] if option["choices"] else TYPES[option["type"]]
    return hint | None if option["optional"] else hint


def _field(option: Json) -> Any:
    metadata = {HELP: option["help"]}
    if option["search"]:
        kind, values = option["search"]
        metadata[SEARCH] = Range(**values) if kind == "Range" else OneOf(tuple(values["values"]))
    return field(default=option.get("default", MISSING), metadata=metadata)
