"""``rnngen score``: how probable a model finds each line."""

from collections.abc import Iterator
from io import BufferedIOBase
from typing import Any, BinaryIO, cast

import click

from rnngen import encodings
from rnngen.cli import flags, prompts, streams
from rnngen.cli.context import load, session
from rnngen.cli.render import console
from rnngen.errors import CorpusError


@flags.examples("rnngen score -m tinyshakespeare < lines.txt", "rnngen score -m names --json candidates.txt")
@click.command(cls=flags.Command)
@click.argument("file", required=False, type=click.Path())
@flags.model_flag
@flags.device_flag
@click.option("--per-token", is_flag=True, help="Say it of each token too: TOKEN, a tab, its number.")
@click.option("-0", "--null", is_flag=True, help="Read texts that end with a NUL byte, not with their line.")
@flags.json_lines_flag
@flags.quiet_flag
@click.pass_context
def score(
    ctx: click.Context,
    /,
    *,
    file: str | None,
    model: str | None,
    device: str,
    per_token: bool,
    null: bool,
    json: bool,
    quiet: bool,
) -> None:
    """Print the log-probability of each line of FILE or of standard input.

    One natural log-probability a line, in order, as each line comes. A model of free text reads every line as
    the beginning of one; a model of lines counts the end of the line too; a model that reads a source takes a
    source, a tab, and the text to score, and has an empty line for a blank one. With --per-token there is a
    line for each token instead, and an empty one after those of a line. With -0 a text, such as
    ``rnngen sample -0`` writes, may hold line ends.
    """
    generator, out = load(session(ctx), [model], device, quiet=quiet).generator, streams.output()
    pieces = generator.tokenizers.target.pieces
    texts = prompts.Watched(generator.watch(), "text" if generator.reads_source else "line")
    sources = prompts.Watched(generator.watch(sources=True), "source")
    with streams.source(file or "-") as (stream, name):
        read = _ended_by_null if null else encodings.lines
        for number, line in enumerate(read(stream, name, generator.encoding), start=1):
            if generator.reads_source and not line.strip():
                out.write(_unscored(line, as_json=json) + "\n")
                out.flush()
                continue
            try:
                source, text = generator.split_source(line)
            except ValueError as error:
                raise CorpusError(f"{name}: line {number} {error}") from error
            texts.add(text)
            sources.add(source or "")
            scored = generator.token_log_probs(text, source)
            tokens = [(console.spelled(pieces[token]), nats) for token, nats in scored]
            out.write(_shown(line, tokens, as_json=json, per_token=per_token) + "\n")
            out.flush()
    texts.end()
    sources.end()


def _unscored(line: str, *, as_json: bool) -> str:
    """Return the output for a blank line, which is no pair: an empty one, or a record without a number."""
    record = {"text": line, "log_probability": None, "tokens": 0, "chars": len(line)}
    return streams.json_line(record) if as_json else ""


def _ended_by_null(stream: BinaryIO, name: str, encoding: str) -> Iterator[str]:
    """Yield the texts between NUL bytes as they arrive; the last one need not end with one."""
    held, arriving = b"", cast(BufferedIOBase, stream)
    while block := arriving.read1(encodings.BLOCK):
        *whole, held = (held + block).split(b"\0")
        yield from (encodings.decode(text, name, encoding) for text in whole)
        if len(held) > encodings.LONGEST:
            raise CorpusError(f"{name}: a text has more than {encodings.LONGEST:,} bytes; divide it")
    if held:
        yield encodings.decode(held, name, encoding)


def _shown(line: str, tokens: list[tuple[str, float]], *, as_json: bool, per_token: bool) -> str:
    """Return the output for a line, from its tokens and their log-probabilities."""
    total = sum((nats for _, nats in tokens), 0.0)
    if as_json:
        record: dict[str, Any] = {"text": line, "log_probability": total}
        record |= {"tokens": len(tokens), "chars": len(line)}
        if per_token:
            record["per_token"] = [{"token": token, "log_probability": nats} for token, nats in tokens]
        return streams.json_line(record)
    if per_token:
        return "".join(f"{token}\t{nats:.6f}\n" for token, nats in tokens)
    return f"{total:.6f}"
