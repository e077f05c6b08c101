"""The flags that choose filters, and the chain that they make."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from rnngen.errors import UsageError
from rnngen.options import divide

F = TypeVar("F", bound=Callable[..., Any])

CHAIN = {
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
    "hf": (*PENALTIES, "temp", "top_k", "top_p", "min_p", "typical", "top_nsigma", "xtc", "mirostat"),
    "llama": (*PENALTIES, "top_nsigma", "top_k", "typical", "top_p", "min_p", "xtc", "temp", "mirostat"),
}
"""In which order they apply: as in transformers, temperature before cuts, or as in llama.cpp, after."""

_FLAGS = [
    click.option(
        "--temp", type=float, help="Below 1 is safer, above 1 is wilder, 0 is greedy.  [default: 0.8]"
    ),
    click.option("--top-k", type=int, help="Draw from the K most probable tokens only."),
    click.option("--top-p", type=float, help="Draw from the smallest set of tokens of probability P."),
    click.option("--min-p", type=float, help="Draw from tokens at least P times as probable as the best."),
    click.option(
        "--typical", type=float, help="Draw from the most typical tokens, of probability P together."
    ),
    click.option(
        "--top-nsigma", type=float, help="Draw from tokens within N standard deviations of the best."
    ),
    click.option("--xtc", type=float, help="With this probability, exclude all top choices but the last."),
    click.option("--mirostat", type=int, help="Steer towards a surprise of 5 bits a token: version 1 or 2."),
    click.option("--repetition-penalty", type=float, help="Above 1: repeat less."),
    click.option(
        "--frequency-penalty", type=float, help="Subtract this for each time that a token occurred."
    ),
    click.option("--presence-penalty", type=float, help="Subtract this from tokens that have occurred."),
    click.option(
        "--dry", type=float, help="Punish what goes on with a repetition, this strongly; 0.8 is usual."
    ),
    click.option(
        "--order",
        type=click.Choice(list(ORDERS)),
        help="Apply them as transformers does, temperature before cuts, or as llama.cpp.  [default: hf]",
    ),
    click.option(
        "--filters", metavar="CHAIN", help="Filters in an order of your own: NAME=VALUE,NAME=VALUE."
    ),
]


def flags(command: F) -> F:
    """A decorator that gives a command the flags of all filters, ``--order`` and ``--filters``."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def collect(params: dict[str, Any]) -> list[tuple[str, str]]:
    """The filters to apply, in order, each with the text of its options.

    Raises:
        UsageError: if there are plain flags beside ``--filters``.
    """
    plain = [(CHAIN[flag], str(params[flag])) for flag in CHAIN if params[flag] is not None]
    if params["filters"] is not None:
        if plain or params["order"]:
            raise UsageError(
                "--filters is the whole chain; put --temp, --top-k and the like into it, in order"
            )
        pairs = [text.partition("=") for text in divide(params["filters"], ",") if text.strip()]
        return [(name.strip(), value) for name, _, value in pairs]
    if params["temp"] is None and not params["beam"]:
        plain.append(("temp", "0.8"))
    order = ORDERS[params["order"] or "hf"]
    return sorted(plain, key=lambda pair: order.index(pair[0]))
