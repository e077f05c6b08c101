"""``rnngen log``: what was generated with ``rnngen sample --log``, and generating it again."""

import io
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from rnngen.cli import flags, streams
from rnngen.cli.context import session
from rnngen.cli.generation_log import Logging, opened
from rnngen.cli.render import console
from rnngen.errors import RnngenError
from rnngen.printable import shown

if TYPE_CHECKING:
    from rnngen.generation.decoder import Decoder
    from rnngen.generation.generator import Generator
    from rnngen.store.log import Record

CUT = 40
"""Characters of a prompt and of a text in a listing."""
count_flag = click.option(
    "-n", "--count", type=click.IntRange(1), default=20, show_default=True, help="Records at most."
)


@click.group()
def log() -> None:
    """List, search and repeat what was generated with 'rnngen sample --log'.

    'log = true' in the table [sample] of a settings file keeps all of it.
    """


@flags.examples("rnngen log list", "rnngen log list -n 100 --json")
@log.command("list", cls=flags.Command)
@count_flag
@flags.json_flag
def list_records(count: int, json: bool) -> None:
    """List what was generated, the latest first."""
    _print(opened().latest(count), as_json=json)


@flags.examples('rnngen log search "harbour"')
@log.command(cls=flags.Command)
@click.argument("text", callback=flags.utf8)
@count_flag
@flags.json_flag
def search(text: str, count: int, json: bool) -> None:
    """List what holds TEXT in its prompt, its input or its output, whatever the case."""
    _print(opened().find(text, count), as_json=json)


@flags.examples("rnngen log show 7")
@log.command(cls=flags.Command)
@click.argument("number", type=click.IntRange(1))
@flags.json_flag
def show(number: int, json: bool) -> None:
    """Show one record: model, settings, seed, input and text."""
    record = opened().get(number)
    if json:
        console.write_json(_as_json(record))
        return
    facts = {
        "number": record.number,
        "when": _when(record),
        "models": ", ".join(record.models),
        "rnngen": record.version,
        **{key.replace("_", "-"): _spelt(value) for key, value in record.options.items() if key != "models"},
        **({} if record.input is None else {"input": record.input}),
    }
    console.table(list(facts.items()), ("", "value"))
    with streams.Output() as out:
        out.write(f"\n{record.text}", flush=True)


@flags.examples("rnngen log rerun 7 > again.txt")
@log.command(cls=flags.Command)
@click.argument("number", type=click.IntRange(1))
@click.pass_context
def rerun(ctx: click.Context, number: int) -> None:
    """Generate a record's text again, to the byte; an error says what has changed since."""
    from rnngen.cli.commands.sample import given_texts, run

    class Comparing(Logging):
        """Compares models with those of the record, and keeps nothing."""

        def check(self, _: object, fingerprint: str) -> None:
            if fingerprint != record.fingerprint:
                raise RnngenError(
                    f"record {number} was written by other weights than {_names(record)} has now: the model "
                    "was trained again since; only those write the same text"
                )

        def keep(self, *_: object) -> None:
            pass

    record = opened().get(number)
    here = session(ctx)
    stored = [here.read(path) for path in record.models]
    request = here.sample_request(**record.options, models=record.models, quiet=True)
    sys.stdin = io.TextIOWrapper(io.BytesIO(_bytes(record.input or "", stored[0].config.encoding)))
    log = Comparing({})

    def decoder_of(generator: "Generator") -> "Decoder":
        return here.decoder(generator, given_texts(request, generator))

    run(here, request, stored, None, decoder_of, log=log)
    if "".join(log.written) != record.text:
        raise RnngenError(f"record {number} came out otherwise: it was written by rnngen {record.version}")


def _bytes(text: str, encoding: str) -> bytes:
    """Return what a text that was read was read from."""
    from rnngen.encodings import BYTES, to_bytes

    return to_bytes(text) if encoding == BYTES else text.encode()


@log.command(cls=flags.Command)
@click.argument("numbers", nargs=-1, required=True, type=click.IntRange(1))
@click.option("-y", "--yes", is_flag=True, sensitive=True, cls=flags.Option, help="Do not ask.")
def rm(numbers: tuple[int, ...], yes: bool) -> None:
    """Delete records, after asking."""
    if not yes:
        streams.confirm(f"Delete {len(numbers)} of the log?", "rm asks before it deletes")
    opened().remove(numbers)


def _print(records: "list[Record]", *, as_json: bool) -> None:
    if as_json:
        console.write_json([_as_json(one) for one in records])
    elif not records:
        console.note("the log holds nothing of the kind; rnngen sample --log adds to it")
    else:
        rows = [
            [one.number, _when(one), _names(one), one.options.get("seed"), _cut(_prompt(one)), _cut(one.text)]
            for one in records
        ]
        console.table(rows, ("number", "when", "model", "seed", "prompt", "text"))


def _as_json(record: "Record") -> dict[str, Any]:
    return {
        "number": record.number,
        "time": record.time,
        "rnngen": record.version,
        "models": list(record.models),
        "options": record.options,
        "input": record.input,
        "text": record.text,
    }


def _names(record: "Record") -> str:
    from pathlib import Path

    return ", ".join(Path(path).name for path in record.models)


def _when(record: "Record") -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.time))


def _prompt(record: "Record") -> str:
    return str(record.options.get("prompt") or record.input or "")


def _cut(text: str) -> str:
    line = shown(text)
    return line if len(line) <= CUT else f"{line[: CUT - 1]}…"


def _spelt(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
