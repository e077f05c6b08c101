"""A chain of filters, changed while it is in use: one filter by the name of its flag."""

from typing import Any

import click

from rnngen.cli.chain import CHAIN, ORDERS, collect
from rnngen.errors import UsageError


def changed(
    old: tuple[tuple[str, str], ...], flag: str, value: str, order: str | None
) -> list[tuple[str, str]]:
    """A chain in which one filter has another value: at its old place, or where the order has it."""
    name = CHAIN[flag]
    if not value:
        return [*old]
    rest = [pair for pair in old if pair[0] != name]
    if value == "off":
        return rest
    blank = dict.fromkeys([*CHAIN, "filters", "order"])
    (new,) = collect({**blank, "beam": 1, flag: _converted(flag, value)})
    names = [pair[0] for pair in old]
    if name in names:
        return [new if pair[0] == name else pair for pair in old]
    ranks = ORDERS[order or "hf"]
    later = set(ranks[ranks.index(name) + 1 :])
    place = next((place for place, one in enumerate(names) if one in later), len(names))
    return [*old[:place], new, *old[place:]]


def _converted(flag: str, value: str) -> Any:
    """A value as the flag reads it."""
    ctx = click.get_current_context()
    option = next(param for param in ctx.command.params if param.name == flag)
    try:
        return option.type_cast_value(ctx, value)
    except click.BadParameter as error:
        raise UsageError(f"/{flag.replace('_', '-')}: {error.message}") from None
