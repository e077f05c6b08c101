"""Shared by the commands of ``rnngen look``: texts that are read, and pictures that are drawn."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnngen import encodings
from rnngen.cli import prompts, streams
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.generator import Generator
    from rnngen.observation.reading import Text
    from rnngen.plots.pages import Figure

CHARACTERS = 10_000
"""Characters of a file that are read by default."""

file_argument = click.argument("file", required=False, type=click.Path())
length_flag = click.option(
    "-n",
    "--length",
    type=click.IntRange(1),
    default=CHARACTERS,
    show_default=True,
    help="Characters of the text that are read.",
)


def check_output(output: Path | None) -> None:
    """Refuse a file that cannot be drawn before anything is read; errors as in ``plots.chosen``."""
    if output:
        from rnngen import plots

        plots.chosen(output)


def read_texts(generator: "Generator", file: str | None, length: int, *, quiet: bool) -> "list[Text]":
    """Read the texts of a model from a file or from standard input, and remark on what it never met.

    Raises:
        UsageError: if there is nothing to read, or a line is no pair.
        NotFoundError: if there is no such file.
        CorpusError: if it is not in the model's encoding.
    """
    from rnngen.observation.reading import shortened, texts_of

    if file is None and streams.stdin_is_terminal():
        raise UsageError("no text to read; give a file, or pipe one in")
    with streams.source(file or "-") as (stream, name):
        whole = encodings.decode(stream.read(), name, generator.encoding)
    some = shortened(generator, whole, length)
    if len(whole) > len(some) and len(whole) > length and not quiet:
        console.note(f"{name}: the first {len(some):,} of {len(whole):,} characters are read")
    texts = texts_of(generator, some, name)
    prompts.warn_of_all(generator.watch(), [one.text for one in texts], "text", quiet=quiet)
    return texts


def show(picture: "Figure", output: Path | None, draw: Callable[[], Any], record: Any = None) -> None:
    """Write a picture to a file, as one JSON document where there is a record, or else draw it."""
    if output:
        from rnngen import plots

        plots.save(picture, output)
    if record is not None:
        console.write_json(record)
    elif not output:
        draw()
