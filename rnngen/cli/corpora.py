"""``rnngen corpora``: texts to train on that ship with rnngen, and builders of others."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

import click

from rnngen.cli import flags, ui
from rnngen.errors import CorpusError, NotFoundError, UnknownName, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INDEX = "corpora.toml"
STDOUT = "-"
Builder: TypeAlias = Callable[[TextIO], int]
"""Writes a corpus and returns how many pieces it took."""


@dataclass(frozen=True)
class Corpus:
    """A text that rnngen knows by name: one that ships, or one that a builder makes on this machine."""

    name: str
    """What the command line calls it."""
    summary: str
    """One line for listings."""
    licence: str
    """Its licence, as SPDX writes it."""
    task: str
    """The task that it is for: what ``rnngen train --task`` takes."""
    file: str = ""
    """The file in the folder of corpora; empty where there is a builder."""
    builder: str = ""
    """The Python file there that makes it."""
    maker: str = ""
    """The Python file that made what ships, for those who want to see how."""

    @property
    def path(self) -> Path:
        """Where the text is, or will be once it is built."""
        if self.file:
            return shipped() / self.file
        from rnngen.session import home

        return home() / "corpora" / f"{self.name}.txt"


def shipped() -> Path:
    """The folder of the corpora that ship: in the installed package, or beside it in a checkout.

    Raises:
        NotFoundError: if it is in neither place.
    """
    package = Path(__file__).resolve().parents[1]
    places = (package / "corpora", package.parent / "corpora")
    for folder in places:
        if (folder / INDEX).is_file():
            return folder
    looked = " nor in ".join(map(str, places))
    raise NotFoundError(f"the corpora of rnngen are neither in {looked}; install rnngen again")


def known() -> dict[str, Corpus]:
    """Every corpus by name, in the order of the index."""
    import tomllib

    tables = tomllib.loads((shipped() / INDEX).read_text(encoding="utf-8"))
    return {name: Corpus(name=name, **table) for name, table in tables.items()}


def find(name: str) -> Corpus:
    """The corpus called ``name``.

    Raises:
        UnknownName: if there is none; the closest is named.
    """
    corpora = known()
    if name not in corpora:
        raise UnknownName("corpus", name, corpora)
    return corpora[name]


# ── Commands ───────────────────────────────────────────────────────────────────────────────────────────────


def _complete(_: click.Context, __: click.Parameter, incomplete: str) -> "list[CompletionItem]":
    from click.shell_completion import CompletionItem

    found = [corpus for corpus in known().values() if corpus.name.startswith(incomplete)]
    return [CompletionItem(corpus.name, help=corpus.summary) for corpus in found]


@click.group(short_help="Show the corpora that ship with rnngen, and build others.")
def corpora() -> None:
    """Show the corpora that ship with rnngen, and build others from what is on this machine."""


@flags.examples("rnngen corpora list", "rnngen corpora list --json | jq -r '.[].name'")
@corpora.command("list", cls=flags.Command)
@flags.json_flag
def list_corpora(json: bool) -> None:
    """List every corpus, with its size and licence."""
    found = [_described(corpus) for corpus in known().values()]
    if json:
        ui.write_json(found)
        return
    shown = ("name", "bytes", "characters", "distinct", "task", "licence", "summary")
    ui.table([[row[key] for key in shown] for row in found], shown)
    for row in found:
        if not row["built"]:
            ui.note(f"{row['name']} is not built yet; build it with rnngen corpora build {row['name']}")


def _described(corpus: Corpus) -> dict[str, Any]:
    """A row of the listing; what is not built has no size."""
    text = corpus.path.read_bytes() if corpus.path.is_file() else None
    characters = None if text is None else text.decode(errors="replace")
    return {
        "name": corpus.name,
        "bytes": None if text is None else len(text),
        "characters": None if characters is None else len(characters),
        "distinct": None if characters is None else len(set(characters)),
        "task": corpus.task,
        "licence": corpus.licence,
        "summary": corpus.summary,
        "built": text is not None,
        "path": str(corpus.path),
    }


@flags.examples("rnngen train $(rnngen corpora path almanac)")
@corpora.command(cls=flags.Command)
@click.argument("name", shell_complete=_complete)
def path(name: str) -> None:
    """Print where a corpus is, for other commands to read."""
    corpus = find(name)
    if not corpus.path.is_file():
        raise NotFoundError(_how_to_get(corpus))
    click.echo(corpus.path)


def _how_to_get(corpus: Corpus) -> str:
    if corpus.builder:
        return (
            f"the corpus {corpus.name!r} is not built yet; build it with rnngen corpora build {corpus.name}"
        )
    return f"the corpus {corpus.name!r} is not at {corpus.path}, where it should be; install rnngen again"


@flags.examples("rnngen corpora build python-stdlib", "rnngen corpora build python-stdlib -o code.txt")
@corpora.command(cls=flags.Command)
@click.argument("name", shell_complete=_complete)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write it there; - is stdout. By default it goes where 'rnngen corpora path' finds it.",
)
def build(name: str, output: str | None) -> None:
    """Build a corpus from what is on this machine, and print where it is."""
    corpus = find(name)
    if not corpus.builder:
        raise UsageError(
            f"{name!r} ships with rnngen, there is nothing to build; see rnngen corpora path {name}"
        )
    ui.note(f"collecting {name} ({corpus.licence})")
    if output == STDOUT:
        _collect(corpus, sys.stdout)
        return
    target = Path(output) if output else corpus.path
    with _atomic_text(target) as out:
        count = _collect(corpus, out)
    ui.note(f"{count:,} files, {target.stat().st_size:,} bytes")
    click.echo(target)


def _collect(corpus: Corpus, out: TextIO) -> int:
    count = _builder(corpus)(out)
    if not count:
        raise CorpusError(f"{corpus.name}: nothing found to build it from; does this Python have its source?")
    return count


def _builder(corpus: Corpus) -> Builder:
    """The ``build`` function of the corpus's Python file, which is in no package."""
    from importlib.machinery import SourceFileLoader
    from importlib.util import module_from_spec, spec_from_loader

    source = shipped() / corpus.builder
    loader = SourceFileLoader(f"rnngen_corpora_{source.stem}", str(source))
    spec = spec_from_loader(loader.name, loader)
    if spec is None or not source.is_file():
        raise NotFoundError(f"the builder of {corpus.name!r} is not at {source}; install rnngen again")
    module = module_from_spec(spec)
    loader.exec_module(module)
    made: Builder = module.build
    return made


@contextmanager
def _atomic_text(target: Path) -> Iterator[TextIO]:
    """Open a text file that takes the target's place once it is whole, or never."""
    from io import TextIOWrapper

    from rnngen.engine.checkpoint import atomic

    with atomic(target) as raw:
        text = TextIOWrapper(raw, encoding="utf-8", newline="\n")
        yield text
        text.flush()
        text.detach()
