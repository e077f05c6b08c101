"""Prompts and sources: where they come from, and warnings about them."""

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

import click

from rnngen import encodings
from rnngen.cli import streams
from rnngen.cli.render import console
from rnngen.cli.settings import rank_of
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.generator import Generator
    from rnngen.generation.prompts import Prompt
    from rnngen.generation.unseen import Unseen
    from rnngen.requests.sample import SampleRequest

POOL = 512
"""Sources that are sorted by length and read together, where so many lines are there."""


def read(argument: str | None, file: str | None, encoding: str = "utf-8") -> str:
    """Read a prompt: the argument, or what is in a file, or what is piped in; nothing at a terminal.

    An argument overrules a file that a settings file or the environment names. The encoding is the model's.

    Raises:
        UsageError: if there are two, or it is not UTF-8.
        NotFoundError: if there is no such file.
    """
    if argument is not None and file is not None:
        if rank_of(click.get_current_context(), "prompt_file") == 0:
            raise UsageError("a prompt and --prompt-file both; give one")
        file = None
    if argument not in (None, "-"):
        return streams.given(str(argument), "the prompt", encoding)
    place = argument or file
    if place is None and (sys.stdin is None or streams.stdin_is_terminal()):
        return ""
    with streams.source(place or "-") as (stream, name), streams.usage_errors():
        return encodings.decode(streams.whole(stream, name), name, encoding)


def read_one(generator: "Generator", argument: str | None, file: str | None) -> str:
    """Read a prompt as ``read`` does, without the end of its line where no example holds one."""
    text = read(argument, file, generator.encoding)
    of_lines = generator.ends_with_line or generator.reads_source
    if argument not in (None, "-") or not of_lines or not text.endswith("\n"):
        return text
    return text[:-1].removesuffix("\r")


def sources(
    generator: "Generator", argument: str | None, file: str | None, prefix: str = "", *, quiet: bool = False
) -> "Iterator[list[Prompt]]":
    """Yield a prompt for every line, of a model that reads a source; as many at once as there are.

    Characters that training never met are reported, unless ``quiet``.

    Raises:
        UsageError: if there is no source, or something is not UTF-8.
    """
    from rnngen.generation.prompts import Prompt

    first, take = 0, _lines(argument, file, generator.encoding)
    watched = Watched(generator.watch(sources=True), "source", quiet=quiet)
    while lines := take(POOL):
        generator.check_sources(lines, first + 1)
        for number, line in enumerate(lines, start=first + 1):
            if line.strip() and generator.exceeds_training(line):
                limit = generator.max_source_tokens
                console.warn(f"source {number} has more than {limit} tokens, and training met none so long")
            watched.add(line if line.strip() else "")  # nothing is made of a blank one
        first += len(lines)
        yield [Prompt(prefix, line) for line in lines]
    watched.end()


def _lines(argument: str | None, file: str | None, encoding: str) -> Callable[[int], list[str]]:
    """Return a function that takes the next lines, at most so many: those that are there, at least one."""
    if argument is not None and file is not None:
        raise UsageError("a source and --prompt-file both; give one")
    if argument not in (None, "-"):
        lines = streams.given(str(argument), "the source", encoding).split("\n")
        given = iter([line.removesuffix("\r") for line in lines])
        return lambda most: list(islice(given, most))
    if argument is None and file is None and (sys.stdin is None or streams.stdin_is_terminal()):
        raise UsageError("no source to write about; give one as an argument, or pipe lines in")
    return streams.Lines(file or "-", encoding).take


def warn_unseen(generator: "Generator", text: str, what: str = "the prompt", *, source: bool = False) -> None:
    """Warn of characters that training never met, and name what they may have been meant to be.

    A blank source is refused where it is read.
    """
    unseen = generator.watch(sources=source)
    if not (source and not text.strip()) and unseen.add(text):
        console.warn(unseen.message(f"{what} holds"))


def require_source(generator: "Generator", source: str | None) -> None:
    """Raise ``UsageError`` if a model reads a source, and ``--source`` gives none."""
    if generator.reads_source and source is None:
        raise UsageError("this model reads a source; give one with --source")


def by_line(text: str) -> list[str]:
    """Return the lines of a text, without their ends; an empty text is one."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if len(lines) > 1 and not lines[-1] else lines


def warn_of_all(unseen: "Unseen", texts: "Sequence[str]", noun: str, *, quiet: bool = False) -> None:
    """Warn of such characters in several texts; ``unseen`` is what takes note of them."""
    watched = Watched(unseen, noun, quiet=quiet)
    for one in texts:
        watched.add(one)
    watched.end()


def check_request(generator: "Generator", request: "SampleRequest") -> None:
    """Warn of such characters in a request's other texts: prefix, second prompt, stops."""
    from rnngen.generation.unseen import Unseen

    if request.quiet:
        return
    if request.prefix:
        warn_unseen(generator, request.prefix, "--prefix")
    if request.blend:
        warn_unseen(generator, request.blend[0], "--blend")
    if known := generator.known:
        for stop in request.stop:
            unseen = Unseen(known, known.strange)
            if unseen.add(stop):
                console.warn(unseen.message("--stop holds", "never writes"))


class Watched:
    """Warns of characters that training never met: at the first text with some, and, with figures, last."""

    def __init__(self, unseen: "Unseen", noun: str, *, quiet: bool = False) -> None:
        self.unseen, self.noun, self.quiet = unseen, noun, quiet

    def add(self, text: str) -> None:
        """Take in the next text."""
        held = self.unseen.held
        self.unseen.add(text)
        if self.unseen.held > held == 0 and not self.quiet:
            alone = self.unseen.anew()
            alone.add(text)
            console.warn(alone.message(f"{self.noun} {self.unseen.texts} holds"))

    def end(self) -> None:
        """Report how many of the texts held some, if there was more than one."""
        if self.unseen.held > 1 and not self.quiet:
            number = f"{self.unseen.held:,} of {self.unseen.texts:,} {self.noun}s hold"
            console.warn(self.unseen.message(number))
