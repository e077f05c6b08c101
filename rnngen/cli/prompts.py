"""Prompts: where they come from, and what to say of them."""

import sys
from typing import TYPE_CHECKING

from rnngen.cli import streams
from rnngen.cli.render import console
from rnngen.errors import UsageError

if TYPE_CHECKING:
    from rnngen.generation.writing import Writer

SHOWN = 60
"""Characters of a prompt that a warning repeats at most."""


def read(argument: str | None, file: str | None) -> str:
    """The prompt: the argument, or what is in a file, or what is piped in; nothing where a person is there.

    Raises:
        UsageError: if there are two, or it is not UTF-8.
        NotFoundError: if there is no such file.
    """
    if argument is not None and file is not None:
        raise UsageError("a prompt and --prompt-file both; give one")
    if argument not in (None, "-"):
        return streams.checked(str(argument), "the prompt")
    place = argument or file
    if place is None and (sys.stdin is None or streams.answered()):
        return ""
    with streams.source(place or "-") as (stream, name):
        return _decoded(stream.read(), name)


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        byte, offset = data[error.start], error.start
        raise UsageError(
            f"{name}: byte 0x{byte:02x} at offset {offset} is not UTF-8; convert it with iconv"
        ) from None


def tell_unseen(writer: "Writer", prompt: str) -> None:
    """Warn of what the model has never seen."""
    strange = writer.never_seen(prompt)
    if strange:
        shown = " ".join(repr(text)[1:-1] for text in strange)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]} …"
        console.warn(f"the prompt holds what the model has never seen, and makes little of: {shown}")
