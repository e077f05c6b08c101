"""The flags of ``rnngen sample`` for what a text begins with, beside a prompt, and where it is left off."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rnngen.cli import chain, flags
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.saved_state import Kept

F = TypeVar("F", bound=Callable[..., Any])

STATE_FLAGS = {"save_state": "--save-state", "from_state": "--from-state", "blend": "--blend"}

_FLAGS = [
    flags.option(
        "--save-state",
        common=False,
        heading="Generation state",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Save the generation state to FILE when the text is written.",
    ),
    flags.option(
        "--from-state",
        common=False,
        heading="Generation state",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Continue from a saved state, exactly where it stopped.",
    ),
    flags.option(
        "--blend",
        common=False,
        heading="Generation state",
        type=(str, click.FloatRange(0, 1)),
        metavar="PROMPT WEIGHT",
        help="Mix in the state after another prompt, with a weight from 0 to 1.",
    ),
]


def state_flags(command: F) -> F:
    """A decorator that gives a command these flags."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def refuse_state_flags(params: dict[str, Any]) -> None:
    """Raise ``UsageError`` if one of them, or a draft, was given for a model of pairs."""
    for name, flag in {**STATE_FLAGS, "draft": "--draft"}.items():
        if params[name] is not None:
            raise UsageError(
                f"{flag} is for free text or lines, and this model answers sources; leave it out"
            )


def check(params: dict[str, Any]) -> None:
    """Refuse what cannot stand beside them.

    Raises:
        UsageError: naming both flags.
    """
    endless = params["length"] == -1 and not params["stop"]
    others = {
        "--beam": bool(params["beam"]),
        "--count": params["count"] > 1,
        "--best-of": params["best_of"] is not None,
        "--mbr": params["mbr"] is not None,
        "--seed": params["seed"] is not None,
        "a prompt": params["prompt"] is not None,
        "--prompt-file": params["prompt_file"] is not None,
        "--blend": params["blend"] is not None,
        "-n -1 without --stop": endless,
    }
    refused = {
        "save_state": ("--beam", "--count", "--best-of", "--mbr", "-n -1 without --stop"),
        "from_state": (
            *("--beam", "--count", "--best-of", "--mbr"),
            *("--seed", "a prompt", "--prompt-file", "--blend"),
        ),
        "blend": ("--beam",),
    }
    for name, flag in STATE_FLAGS.items():
        if params[name] is not None:
            flags.keep_apart(flag, refused[name], others)
    if params["blend"] is not None and not 0 <= params["blend"][1] <= 1:
        raise UsageError(f"--blend: weight {params['blend'][1]}: a number from 0 to 1 expected")


def opened(params: dict[str, Any]) -> "Kept | None":
    """The state to go on from, if there is one."""
    if params["from_state"] is None:
        return None
    from rnngen.generation.saved_state import Kept

    return Kept.read(Path(params["from_state"]))


def chain_of(params: dict[str, Any], kept: "Kept | None") -> list[tuple[str, str]]:
    """The filters that are asked for; if none are, those that the text began with."""
    asked = [*chain.CHAIN, "filters", "order"]
    if kept is not None and all(params[name] is None for name in asked):
        return kept.chain
    return chain.collect(params)
