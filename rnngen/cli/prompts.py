"""Prompts and sources: where they come from, and warnings about them."""

import sys
from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

import click

from rnngen import encodings
from rnngen.cli import streams
from rnngen.cli.render import console
from rnngen.cli.settings import rank_of
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.generator import Generator, Prompt

SHOWN = 60
"""Characters of a prompt that a warning repeats at most."""
POOL = 512
"""Sources that are sorted by length and read together, where so many lines are there."""


def read(argument: str | None, file: str | None) -> str:
    """Read a prompt: the argument, or what is in a file, or what is piped in; nothing at a terminal.

    An argument overrules a file that a settings file or the environment names.

    Raises:
        UsageError: if there are two, or it is not UTF-8.
        NotFoundError: if there is no such file.
    """
    if argument is not None and file is not None:
        if rank_of(click.get_current_context(), "prompt_file") == 0:
            raise UsageError("a prompt and --prompt-file both; give one")
        file = None
    if argument not in (None, "-"):
        return streams.require_utf8(str(argument), "the prompt")
    place = argument or file
    if place is None and (sys.stdin is None or streams.stdin_is_terminal()):
        return ""
    with streams.source(place or "-") as (stream, name), streams.usage_errors():
        return encodings.decode(stream.read(), name)


def sources(
    generator: "Generator", argument: str | None, file: str | None, prefix: str = ""
) -> "Iterator[list[Prompt]]":
    """Yield a prompt for every line, of a model that reads a source; as many at once as there are.

    Raises:
        UsageError: if there is no source, or something is not UTF-8.
    """
    from rnngen.generation.generator import Prompt

    first, take = 0, _lines(argument, file)
    while lines := take(POOL):
        for number, line in enumerate(lines, start=first + 1):
            if line.strip() and generator.exceeds_training(line):
                limit = generator.max_source_tokens
                console.warn(f"source {number} has more than {limit} tokens, and training met none so long")
        first += len(lines)
        yield [Prompt(prefix, line) for line in lines]


def _lines(argument: str | None, file: str | None) -> Callable[[int], list[str]]:
    """Return a function that takes the next lines, at most so many: those that are there, at least one."""
    if argument is not None and file is not None:
        raise UsageError("a source and --prompt-file both; give one")
    if argument not in (None, "-"):
        lines = streams.require_utf8(str(argument), "the source").split("\n")
        given = iter([line.removesuffix("\r") for line in lines])
        return lambda most: list(islice(given, most))
    if argument is None and file is None and (sys.stdin is None or streams.stdin_is_terminal()):
        raise UsageError("no source to write about; give one as an argument, or pipe lines in")
    return streams.Lines(file or "-").take


def warn_untrained(generator: "Generator", prompt: str) -> None:
    """Warn of characters that the model was not trained on."""
    if unknown := generator.untrained(prompt):
        shown = " ".join(repr(text)[1:-1] for text in unknown)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} …"
        console.warn(f"the prompt holds what the model has never seen, and makes little of: {shown}")
