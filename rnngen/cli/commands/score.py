"""``rnngen score``: how probable a model finds each line."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import click

from rnngen.cli import flags, streams
from rnngen.cli.app import session
from rnngen.cli.render import console
from rnngen.cli.render.token_text import spelled
from rnngen.errors import CorpusError

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.store.model_folder import StoredModel


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
    the beginning of one; a model of lines counts the end of the line too; a model of pairs takes a source, a
    tab, and the text to score. With --per-token there is a line for each token instead, and an empty one
    after those of a line.
    """
    here = session(ctx)
    model = here.read(params["model"])
    if params["model"] is None:
        console.note(f"model {model.path.name}")
    scores = _scorer(here, model, params["device"])
    out = streams.output()
    with streams.source(params["file"] or "-") as (stream, name):
        for number, raw in enumerate(stream, start=1):
            line = streams.decoded(raw, f"{name}: line {number}")
            try:
                found = [(spelled(piece), nats) for piece, nats in scores(line)]
            except ValueError as error:
                raise CorpusError(f"{name}: line {number} {error}") from error
            out.write(_told(line, found, params) + "\n")
            out.flush()


Scores: TypeAlias = "Callable[[str], Iterable[tuple[bytes, float]]]"


def _scorer(here: "Session", model: "StoredModel", device: str) -> Scores:
    """From a line to its tokens' bytes, each with its log-probability; ``ValueError`` where it is no pair."""
    if model.config.source_vocabulary is None:
        writer = here.writer(model, device=device)
        pieces = writer.tokenizer.pieces
        return lambda line: ((pieces[token], nats) for token, nats in writer.token_scores(line))
    answerer = here.answerer(model, device=device)
    written = answerer.tokenizers.target.pieces

    def score(line: str) -> Iterator[tuple[bytes, float]]:
        source, *texts = line.split("\t")
        if len(texts) != 1 or not source.strip():
            raise ValueError("is no pair: a source, a tab and a text are expected")
        return ((written[token], nats) for token, nats in answerer.token_scores(source, texts[0]))

    return score


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
