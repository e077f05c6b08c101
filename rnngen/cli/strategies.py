"""``rnngen sample --strategy``: the ways to choose tokens by the names of the field.

Each name stands for flags that can be given without it, but for contrastive search, which has no other.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

import click

from rnngen.builtins.strategies.options import ContrastiveOptions
from rnngen.cli.flags import collect, option, options_from, overrule
from rnngen.cli.option_flags import NONE
from rnngen.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])
Test = Callable[[Any], bool]


def _given(value: Any) -> bool:
    return value is not None and value is not NONE


def _nought(value: Any) -> bool:
    return value is not None and not value


def _one(value: Any) -> bool:
    return bool(value == 1)


def _several(value: Any) -> bool:
    return bool(value > 1)


def _warmed(filters: Any) -> bool:
    """Whether a chain has a temperature."""
    return filters is not None and any(part.split("=")[0].strip() == "temp" for part in filters.split(","))


@dataclass(frozen=True)
class Strategy:
    """What a name stands for."""

    gives: Mapping[str, Any]
    """The values of flags, where these are not given; a function makes one from the flags before it."""
    bars: Mapping[str, Test]
    """The flags that it cannot stand beside, if their value is such."""


_DRAFTS = {"best_of": _given, "mbr": _given}
_STATES = {"save_state": _given, "from_state": _given}
_ONE_DRAW: Mapping[str, Test] = {"beam": bool, **_DRAFTS}
_SEARCH: Mapping[str, Test] = {
    "beam": _nought,
    "blend": _given,
    "interactive": bool,
    **_DRAFTS,
    **_STATES,
}

STRATEGIES = {
    "greedy": Strategy({"temp": 0.0}, {"temp": bool, "filters": _warmed, **_ONE_DRAW}),
    "sample": Strategy({"temp": 0.8}, {"temp": _nought, **_ONE_DRAW}),
    "beam": Strategy({"beam": 5}, _SEARCH),
    "diverse-beam": Strategy(
        {"beam": 5, "beam_groups": itemgetter("beam"), "diversity_penalty": 0.5},
        {"beam_groups": _one, "stochastic_beam": bool, **_SEARCH},
    ),
    "stochastic-beam": Strategy(
        {"beam": 5, "stochastic_beam": True}, {"stochastic_beam": _nought, **_SEARCH}
    ),
    "mbr": Strategy({"mbr": 16}, {"beam": bool, "best_of": _given, "interactive": bool, **_STATES}),
    "best-of": Strategy({"best_of": 16}, {"beam": bool, "mbr": _given, "interactive": bool, **_STATES}),
    "contrastive": Strategy(
        {}, {"blend": _given, "interactive": bool, "count": _several, **_ONE_DRAW, **_STATES}
    ),
}

_FLAGS = {"alpha": "penalty_alpha", "window": "contrast_window"}
"""Those of contrastive search alone; it takes ``--top-k`` for its own, too."""
_HELP = """How to choose: greedy (--temp 0), sample (draw, by default at --temp 0.8), beam (--beam 5),
diverse-beam (--beam 5 in as many groups, --diversity-penalty 0.5), stochastic-beam (--beam 5
--stochastic-beam), mbr (--mbr 16), best-of (--best-of 16), or contrastive: of the --top-k most probable
tokens, 4 by default, the one least like what is written (Su et al. 2022). Any of these flags may be given
besides, with another value."""


def strategy_flags(command: F) -> F:
    """A decorator that gives a command ``--strategy`` and the flags of contrastive search."""
    heading = "Contrastive search (with --strategy contrastive)"
    command = options_from(ContrastiveOptions, only=_FLAGS, rename=_FLAGS, heading=heading, common=())(
        command
    )
    choices = click.Choice(list(STRATEGIES))
    return option("--strategy", type=choices, common=False, help=" ".join(_HELP.split()))(command)


def settle(ctx: click.Context, params: dict[str, Any]) -> None:
    """Put the flags that the strategy stands for into ``params``, and how to search as ``contrast``, if so.

    What it cannot stand beside is dropped where it stands lower (``overrule``).

    Raises:
        UsageError: if a flag contradicts it, or belongs to another strategy.
    """
    for flag, _ in list(_clashes(params)):
        overrule(ctx, params, ["strategy"], [flag])
    params["count"] = params["count"] or 1  # the one flag here with a default
    for flag, value in _clashes(params):
        raise UsageError(
            f"--strategy {params['strategy']} and {_shown(flag, value)} cannot stand together; "
            "leave one of them out"
        )
    if params["strategy"]:
        _fill(params, STRATEGIES[params["strategy"]])
    params["contrast"] = _contrast(params)


def _contrast(params: dict[str, Any]) -> ContrastiveOptions | None:
    """How to search contrastively, if that is asked for; ``--top-k`` then says how many candidates."""
    if params["strategy"] == "contrastive":
        options = collect(ContrastiveOptions, params)
        params["top_k"] = None  # p is that of all tokens
        return options
    for flag in _FLAGS.values():
        if params[flag] is not None:
            raise UsageError(f"{_shown(flag)} shapes contrastive search; add --strategy contrastive")
    return None


def _clashes(params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The flags that contradict the strategy, and their values."""
    strategy = STRATEGIES.get(params["strategy"])
    for flag, clashes in (strategy.bars if strategy else {}).items():
        if clashes(params[flag]):
            yield flag, params[flag]


def _fill(params: dict[str, Any], strategy: Strategy) -> None:
    """Give what the user has not given."""
    for flag, value in strategy.gives.items():
        if flag == "temp":
            _warm(params, value)
        elif params[flag] is None:
            params[flag] = value(params) if callable(value) else value


def _warm(params: dict[str, Any], temperature: float) -> None:
    """Give the temperature; a chain that is there already keeps its own, but for the argmax at its end."""
    greedy, whole = temperature == 0, params["filters"]
    if whole is not None:
        params["filters"] = f"{whole},temp=0" if greedy else whole
    elif params["temp"] is None and (greedy or params["from_state"] is None):
        params["temp"] = temperature


def _shown(flag: str, value: Any = None) -> str:
    """A flag as one would type it."""
    name = flag.replace("_", "-")
    if value is None or value is True:
        return f"--{name}"
    if isinstance(value, bool):
        return f"--no-{name}"
    return f"--{name} {' '.join(map(str, value)) if isinstance(value, tuple) else value}"
