"""``rnngen score``: how probable a model finds each line."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

import click

from rnngen.cli import flags, streams, ui
from rnngen.cli.app import session
from rnngen.cli.spelling import spelled
from rnngen.errors import CorpusError


@flags.examples("rnngen score -m tinyshakespeare < lines.txt", "rnngen score -m names --json candidates.txt")
@click.command(cls=flags.Command)
@click.argument("file", required=False, type=click.Path())
@flags.model_flag
@click.option(
    "--device", default="cpu", show_default=True, help="Where to compute: cpu, cuda, cuda:N, mps, auto."
)
@click.option("--per-token", is_flag=True, help="Say it of each token too: TOKEN, a tab, its number.")
@flags.json_flag
@click.pass_context
def score(ctx: click.Context, /, **params: Any) -> None:
    """Say how probable a model finds each line of FILE or of standard input.

    One natural log-probability a line, in order, as each line comes. A free-text model reads every line as
    the beginning of one; a model of lines counts the end of the line too. With --per-token there is a line
    for each token instead, and an empty one after those of a line.
    """
    here = session(ctx)
    path = here.models.find(params["model"])
    if params["model"] is None:
        ui.note(f"model {path.name}")
    writer = here.writer(here.read(str(path)), device=params["device"])
    out = streams.output()
    with streams.source(params["file"] or "-") as (stream, name):
        for line in _decoded(stream, name):
            found = [
                (spelled(writer.tokenizer.pieces[token]), nats) for token, nats in writer.token_scores(line)
            ]
            out.write(_told(line, found, params) + "\n")
            out.flush()


def _told(line: str, tokens: list[tuple[str, float]], params: dict[str, Any]) -> str:
    """What is said of a line, from its tokens and their log-probabilities."""
    total = sum((nats for _, nats in tokens), 0.0)
    if params["json"]:
        told = {"text": line, "log_probability": total, "tokens": len(tokens), "chars": len(line)}
        if params["per_token"]:
            told["per_token"] = [{"token": token, "log_probability": nats} for token, nats in tokens]
        return json.dumps(told, ensure_ascii=False)
    if params["per_token"]:
        return "".join(f"{token}\t{nats:.6f}\n" for token, nats in tokens)
    return f"{total:.6f}"


def _decoded(stream: BinaryIO, name: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            yield line.removesuffix(b"\n").removesuffix(b"\r").decode()
        except UnicodeDecodeError as error:
            raise CorpusError(
                f"{name}: line {number}: {error.reason} in UTF-8; convert it with iconv"
            ) from None
