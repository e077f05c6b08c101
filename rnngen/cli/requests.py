"""From a command's flags to its request."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from rnngen.cli.flags import SETTINGS_RANK, rank_of
from rnngen.requests.conflicts import Conflict, ConflictError

R = TypeVar("R")
FLAGS_OF = {"endless": "length", "several_models": "model", "models": "model"}
"""The parameters behind options that are not called after them."""


def resolve(ctx: click.Context, values: Mapping[str, Any], build: Callable[[dict[str, Any]], R]) -> R:
    """Build a request; of two options that cannot stand together, the one that stands lower gives way.

    Flag, environment, settings file: who writes ``temp`` in a settings file can then still say
    ``--strategy greedy``. What a settings file sets for an option that is not given, ``length-penalty``
    without ``beam``, is left aside.

    Args:
        ctx: the command's context.
        values: what was given, by option.
        build: makes the request, and raises ``ConflictError``.

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


def _lower(ctx: click.Context, conflict: Any, left: Mapping[str, Any]) -> str | None:
    """The option that gives way; None if none does."""
    if not isinstance(conflict, Conflict):
        unused = conflict.option in left and rank_of(ctx, conflict.option) == SETTINGS_RANK
        return conflict.option if unused else None
    options = [name.partition("=")[0] for name in (conflict.option, conflict.other)]
    ranks = [rank_of(ctx, FLAGS_OF.get(name, name)) for name in options]
    if ranks[0] == ranks[1]:
        return None
    name = options[ranks.index(max(ranks))]
    known = [one for one in (name, FLAGS_OF.get(name, name), "models") if one in left]
    return known[0] if known else None
