"""``rnngen score``: how probable a model finds each line."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import click

from rnngen.cli import flags, streams, ui
from rnngen.cli.app import session
from rnngen.errors import CorpusError


@flags.examples("rnngen score -m tinyshakespeare < lines.txt", "rnngen score -m names --json candidates.txt")
@click.command(cls=flags.Command)
@click.argument("file", required=False, type=click.Path())
@flags.model_flag
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@flags.json_flag
@click.pass_context
def score(ctx: click.Context, /, **params: Any) -> None:
    """Say how probable a model finds each line of FILE or of standard input.

    One natural log-probability a line, in order, as each line comes. A free-text model reads every line as
    the beginning of one; a model of lines counts the end of the line too.
    """
    here = session(ctx)
    path = here.models.find(params["model"])
    if params["model"] is None:
        ui.note(f"model {path.name}")
    writer = here.writer(here.read(str(path)), device=params["device"])
    out = streams.output()
    with streams.source(params["file"] or "-") as (stream, name):
        for line in _decoded(stream, name):
            nats, tokens = writer.score(line)
            if params["json"]:
                told = {"text": line, "log_probability": nats, "tokens": tokens, "chars": len(line)}
                out.write(json.dumps(told, ensure_ascii=False) + "\n")
            else:
                out.write(f"{nats:.6f}\n")
            out.flush()


def _decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{name}: line {number}: {error.reason} in UTF-8; convert it with iconv"
            ) from None
