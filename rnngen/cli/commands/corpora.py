"""``rnngen corpora``: list the corpora that ship, print their paths, build others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import click

from rnngen.cli import completers, flags, streams
from rnngen.cli.render import console
from rnngen.data import shipped_corpora
from rnngen.data.shipped_corpora import COUNT, HELD_OUT_COUNT, SEED, Corpus
from rnngen.errors import UsageError
from rnngen.printable import counted

STDOUT = "-"
COLUMNS = ("name", "bytes", "characters", "distinct", "task", "licence", "summary")

name_argument = click.argument(
    "name", shell_complete=completers.of(lambda _: shipped_corpora.known().values())
)


@click.group(short_help="Show the corpora that ship with rnngen, and build others.")
def corpora() -> None:
    """Show the corpora that ship with rnngen, and build others on this machine."""


@flags.examples("rnngen corpora list", "rnngen corpora list --json | jq -r '.[].name'")
@corpora.command("list", cls=flags.Command)
@flags.json_flag
def list_corpora(json: bool) -> None:
    """List every corpus, with its size and licence."""
    found = [_described(corpus) for corpus in shipped_corpora.known().values()]
    if json:
        console.write_json(found)
        return
    console.table([[row[key] for key in COLUMNS] for row in found], COLUMNS)
    missing = [row["name"] for row in found if not row["built"]]
    if missing:
        console.note(f"not built yet: {', '.join(missing)}; build one with rnngen corpora build {missing[0]}")


def _described(corpus: Corpus) -> dict[str, Any]:
    """Describe a corpus in a row; one that is not built has no size."""
    built, text = corpus.path.is_file(), ""
    if built:
        text = corpus.path.read_bytes().decode(errors="replace")
    return {
        "name": corpus.name,
        "bytes": corpus.path.stat().st_size if built else None,
        "characters": len(text) if built else None,
        "distinct": len(set(text)) if built else None,
        "task": corpus.task,
        "licence": corpus.licence,
        "summary": corpus.summary,
        "built": built,
        "path": str(corpus.path),
    }


@flags.examples("wc $(rnngen corpora path almanac)")
@corpora.command(cls=flags.Command)
@name_argument
def path(name: str) -> None:
    """Print the path of a corpus, for other commands to read."""
    click.echo(shipped_corpora.find(name).built())


@flags.examples(
    "rnngen corpora build python-stdlib -o code.txt",
    "rnngen corpora build dates --count 100000 -o dates.tsv",
    "rnngen corpora build dates --held-out -o test.tsv",
)
@corpora.command(cls=flags.Command)
@name_argument
@flags.option(
    "-o",
    "--output",
    sensitive=True,
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write to FILE; - is stdout. By default it goes where 'rnngen corpora path' finds it.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    help=f"Number of pairs.  [default: {COUNT:,}; held out {HELD_OUT_COUNT:,}]",
)
@click.option("--seed", type=click.IntRange(min=0), help=f"Seed of the generator.  [default: {SEED}]")
@click.option("--held-out", is_flag=True, help="Generate test pairs: no source is also in the training text.")
def build(name: str, output: str | None, count: int | None, seed: int | None, held_out: bool) -> None:
    """Build a corpus on this machine, and print its path.

    Some are collected from files on this machine. Others are generated: pairs of a source and its target, one
    a line, --count of them, the same for the same --seed, and no source twice.
    """
    corpus = shipped_corpora.find(name)
    if not corpus.generator and (count is not None or seed is not None or held_out):
        able = ", ".join(corpus.name for corpus in shipped_corpora.known().values() if corpus.generator)
        raise UsageError(f"{name!r} is not generated; --count, --seed and --held-out are for {able}")
    if corpus.file:
        raise UsageError(
            f"{name!r} ships with rnngen, there is nothing to build; see rnngen corpora path {name}"
        )
    if corpus.builder:
        console.note(f"collecting {name} ({corpus.licence})")
        with _written(output, corpus.path) as out:
            console.note(counted(corpus.collect(out), "files"))
        return
    count = count or (HELD_OUT_COUNT if held_out else COUNT)
    seed = SEED if seed is None else seed
    side, place = ("held out", corpus.held_out) if held_out else ("to train on", corpus.path)
    corpus.check_count(count, held_out=held_out)
    console.note(f"generating {count:,} {name} {side}, seed {seed} ({corpus.licence})")
    with _written(output, place) as out:
        corpus.generate(out, count=count, seed=seed, held_out=held_out)


@contextmanager
def _written(output: str | None, place: Path) -> Iterator[TextIO]:
    """Open the file of ``--output``, or else the corpus's own place, and print its path at the end."""
    if output == STDOUT:
        yield streams.output()
        return
    target = Path(output) if output else place
    with shipped_corpora.atomic_text(target) as out:
        yield out
    console.note(counted(target.stat().st_size, "bytes"))
    click.echo(target)
