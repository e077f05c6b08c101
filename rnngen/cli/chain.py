"""The flags that choose filters, and the chain that they make."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from rnngen.cli.flags import option
from rnngen.errors import UnknownName, UsageError
from rnngen.options import divide

F = TypeVar("F", bound=Callable[..., Any])

CONSTRAINTS = {
    "regex": "regex",
    "choices": "choices",
    "json_schema": "json_schema",
    "grammar": "grammar",
    "must_include": "must_include",
}
"""The flags of constraints and their filters, which a package of its own brings."""
FILES = ("choices", "json_schema", "grammar")
"""Those of them that name a file."""
WHOLE = ("regex", *FILES)
"""Those that say what the whole text is; of these one is enough."""
CHAIN = {
    **CONSTRAINTS,
    "repetition_penalty": "repetition",
    "frequency_penalty": "frequency",
    "presence_penalty": "presence",
    "dry": "dry",
    "temp": "temp",
    "top_k": "top_k",
    "top_p": "top_p",
    "min_p": "min_p",
    "typical": "typical",
    "top_nsigma": "top_nsigma",
    "xtc": "xtc",
    "mirostat": "mirostat",
}
"""The plain flags and their filters."""
PENALTIES = ("repetition", "frequency", "presence", "dry")
ORDERS = {
    "hf": (
        *CONSTRAINTS.values(),
        *PENALTIES,
        "temp",
        "top_k",
        "top_p",
        "min_p",
        "typical",
        "top_nsigma",
        "xtc",
        "mirostat",
    ),
    "llama": (
        *CONSTRAINTS.values(),
        *PENALTIES,
        "top_nsigma",
        "top_k",
        "typical",
        "top_p",
        "min_p",
        "xtc",
        "temp",
        "mirostat",
    ),
}
"""In which order they apply: as in transformers, temperature before cuts, or as in llama.cpp, after.

Constraints come first: after a cut, maybe none of the tokens is left that they need.
"""

_HEADING = "Filters of the next-token distribution"
_PLAIN = partial(option, heading=_HEADING)
_RARE = partial(option, heading=_HEADING, common=False)
_FLAGS = [
    _PLAIN("--temp", type=float, help="Below 1 is safer, above 1 is wilder, 0 is greedy.  [default: 0.8]"),
    _PLAIN("--top-k", type=int, help="Draw from the K most probable tokens only."),
    _PLAIN("--top-p", type=float, help="Draw from the smallest set of tokens of probability P."),
    _PLAIN("--min-p", type=float, help="Draw from tokens at least P times as probable as the best."),
    _RARE("--typical", type=float, help="Draw from the most typical tokens, of probability P together."),
    _RARE("--top-nsigma", type=float, help="Draw from tokens within N standard deviations of the best."),
    _RARE("--xtc", type=float, help="With this probability, exclude all top choices but the last."),
    _RARE("--mirostat", type=int, help="Mirostat sampling, version 1 or 2 (target 5 bits per token)."),
    _RARE("--repetition-penalty", type=float, help="Above 1: repeat less."),
    _RARE("--frequency-penalty", type=float, help="Subtract this for each time that a token occurred."),
    _RARE("--presence-penalty", type=float, help="Subtract this from tokens that have occurred."),
    _RARE("--dry", type=float, help="Penalise tokens that extend a repetition, this strongly; 0.8 is usual."),
    _RARE("--regex", metavar="R", help="Write only what matches this regular expression as a whole."),
    _RARE("--choices", type=click.Path(), metavar="FILE", help="Write one of the lines of a file."),
    _RARE(
        "--json-schema", type=click.Path(), metavar="FILE", help="Write JSON that is valid under a schema."
    ),
    _RARE(
        "--grammar", type=click.Path(), metavar="FILE", help="Write only texts of a grammar, a file for Lark."
    ),
    _RARE("--must-include", metavar="WORD", help="Require WORD in the output; several with | between."),
    _RARE(
        "--order",
        type=click.Choice(list(ORDERS)),
        help="Order of the filters: that of transformers, temperature first, or of llama.cpp.  [default: hf]",
    ),
    _RARE("--filters", metavar="CHAIN", help="Filters in the order given: NAME=VALUE,NAME=VALUE."),
]


def flags(command: F) -> F:
    """A decorator that gives a command the flags of all filters, ``--order`` and ``--filters``."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def collect(params: dict[str, Any]) -> list[tuple[str, str]]:
    """The filters to apply, in order, each with the text of its options.

    Raises:
        UsageError: if there are plain flags beside ``--filters``, two constraints on the whole text, or one
            that no plugin brings.
    """
    plain = [(CHAIN[flag], _value(flag, params[flag])) for flag in CHAIN if params[flag] is not None]
    if params["filters"] is not None:
        if plain or params["order"]:
            raise UsageError(
                "--filters is the whole chain; put --temp, --top-k and the like into it, in order"
            )
        pairs = [text.partition("=") for text in divide(params["filters"], ",") if text.strip()]
        return [(name.strip(), value) for name, _, value in pairs]
    _check_constraints(params)
    if params["temp"] is None and not (params["beam"] or params.get("contrast")):
        plain.append(("temp", "0.8"))
    order = ORDERS[params["order"] or "hf"]
    return sorted(plain, key=lambda pair: order.index(pair[0]))


def _value(flag: str, value: Any) -> str:
    """A flag's value as the text of a filter's options, which is divided at ``;`` and ``=``."""
    if flag not in CONSTRAINTS:
        return str(value)
    text = re.sub(r"\\.|[;=]", _guarded, str(value), flags=re.DOTALL)
    if flag in FILES:
        return f"@{text}"
    return f"\\{text}" if text.startswith("@") else text


def _guarded(found: re.Match[str]) -> str:
    return found[0] if found[0][0] == "\\" else f"\\{found[0]}"


def _check_constraints(params: dict[str, Any]) -> None:
    given = [f"--{flag.replace('_', '-')}" for flag in WHOLE if params[flag] is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)}: one text cannot be told its form twice; give one of them")
    for flag, name in CONSTRAINTS.items():
        if params[flag] is not None:
            _require(flag, name)


def _require(flag: str, name: str) -> None:
    """Raise ``UsageError`` with the package to install if no plugin brings a constraint."""
    from rnngen.cli.app import registry

    try:
        registry().find("filter", name)
    except UnknownName:
        raise UsageError(
            f"--{flag.replace('_', '-')} needs the filter {name!r}, which is not installed; "
            "pip install rnngen-constrain"
        ) from None
