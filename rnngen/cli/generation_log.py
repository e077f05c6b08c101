"""Keeps what ``rnngen sample --log`` writes, with what it takes to write it again."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnngen.cli.render import console
from rnngen.errors import ConstraintError

if TYPE_CHECKING:
    from rnngen.generation.decoder import Decoder
    from rnngen.generation.prompts import Prompt
    from rnngen.store.log import Log

LEFT_OUT = frozenset({"log", "models", "quiet", "prompt_file"})
"""Options that are no part of a record, or stand in it by themselves."""


def opened() -> "Log":
    """Return this user's log."""
    from rnngen import paths
    from rnngen.store.log import Log

    return Log(paths.home() / "log.sqlite")


class Logging:
    """Keeps what is written.

    Args:
        options: those of the request by name; they are complete once there is a decoder.
    """

    def __init__(self, options: dict[str, Any]) -> None:
        self.options, self.written = options, list[str]()

    def check(self, models: Sequence[str], fingerprint: str) -> None:
        """Take the paths of the models, and their fingerprint."""
        self.models = [str(Path(path).absolute()) for path in models]
        self.fingerprint = fingerprint

    def write(
        self,
        write: "Callable[[Iterator[Sequence[Prompt]]], None]",
        decoder: "Decoder",
        pools: "Iterator[Sequence[Prompt]]",
        prompt: str | None,
    ) -> None:
        """Write the texts of all prompts, and keep them; also those that end too early.

        ``prompt`` is the one prompt, or all of standard input; None where each line of that is a source.
        """
        sources: list[str] = []
        try:
            write(_taking_note(pools, sources))
        except ConstraintError:
            self.keep(decoder, _lines_of(sources) if prompt is None else prompt)
            raise
        self.keep(decoder, _lines_of(sources) if prompt is None else prompt)

    def keep(self, decoder: "Decoder", read: str) -> None:
        """Add a record to the log, and report its number."""
        from rnngen.version import __version__

        given = decoder.request.prompt not in (None, "-")
        left_out = LEFT_OUT if given else LEFT_OUT | {"prompt"}
        options = {
            name: value for name, value in self.options.items() if name not in left_out and value is not False
        }
        if decoder.seed is not None:
            options["seed"] = decoder.seed
        number = opened().add(
            version=__version__,
            models=self.models,
            fingerprint=self.fingerprint,
            options=options,
            read=None if given or not read else read,
            text="".join(self.written),
        )
        if not decoder.request.quiet:
            console.note(f"log {number}")


def _taking_note(pools: "Iterator[Sequence[Prompt]]", sources: list[str]) -> "Iterator[Sequence[Prompt]]":
    """Pass prompts on, and take note of the sources."""
    for pool in pools:
        sources += [prompt.source for prompt in pool if prompt.source is not None]
        yield pool


def _lines_of(sources: Sequence[str]) -> str:
    return "".join(f"{source}\n" for source in sources)
