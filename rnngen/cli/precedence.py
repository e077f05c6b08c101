"""The order of what gives a flag its value: command line, environment, settings file, default."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, TypeVar

import click
from click.core import ParameterSource

from rnngen.requests.conflicts import Conflict, ConflictError, Need

R = TypeVar("R")
SETTINGS_RANK: Final = 2
"""The rank of a settings file, and of defaults."""
FLAGS_OF: Final = {"endless": "length", "several_models": "model", "models": "model"}
"""The parameters behind options that are not called after them."""


def overrule(ctx: click.Context, params: dict[str, Any], *groups: Collection[str]) -> None:
    """Of flags that exclude one another, drop those that stand lower: flag > environment > settings file.

    With ``steps`` in a settings file one can then still give ``--minutes``. Flags given in the same place all
    stay, for the command to refuse.

    Args:
        ctx: of the command.
        params: its parameters; those that are dropped become ``None``.
        groups: parameters that stand together, but not with those of another group.
    """
    ranks = [
        min((rank_of(ctx, name) for name in group if params[name] is not None), default=3) for group in groups
    ]
    for group, rank in zip(groups, ranks, strict=True):
        if rank > min(ranks):
            params.update(dict.fromkeys(group))


def rank_of(ctx: click.Context, name: str) -> int:
    """Return how far below the command line a value comes from."""
    highest = [ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT]
    source = ctx.get_parameter_source(name)
    return highest.index(source) if source in highest else SETTINGS_RANK


def resolve(ctx: click.Context, values: Mapping[str, Any], build: Callable[[dict[str, Any]], R]) -> R:
    """Build a request; of two options that cannot stand together, the one that stands lower gives way.

    Flag, environment, settings file: who writes ``temp`` in a settings file can then still say
    ``--strategy greedy``. What a settings file sets for an option that is not given, ``length-penalty``
    without ``beam``, is left aside.

    Raises:
        ConflictError: if both come from one place, or what one needs is not given.
    """
    left = dict(values)
    while True:
        try:
            return build(left)
        except ConflictError as error:
            lower = _lower(ctx, error.conflict, left)
            if lower is None:
                raise
            del left[lower]


def _lower(ctx: click.Context, conflict: Conflict | Need, left: Mapping[str, Any]) -> str | None:
    """The option that gives way; None if none does."""
    if isinstance(conflict, Need):
        unused = conflict.option in left and rank_of(ctx, conflict.option) == SETTINGS_RANK
        return conflict.option if unused else None
    options = [name.partition("=")[0] for name in (conflict.option, conflict.other)]
    ranks = [rank_of(ctx, FLAGS_OF.get(name, name)) for name in options]
    if ranks[0] == ranks[1]:
        return None
    name = options[ranks.index(max(ranks))]
    return next((one for one in (name, FLAGS_OF.get(name, name), "models") if one in left), None)
