"""``rnngen corpora``: texts to train on that ship with rnngen, and builders and generators of others."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO, TypeAlias

import click

from rnngen.cli import flags, streams
from rnngen.cli.render import console
from rnngen.errors import CorpusError, NotFoundError, UnknownName, UsageError

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

INDEX = "corpora.toml"
STDOUT = "-"
COUNT, HELD_OUT_COUNT, SEED = 50_000, 2_000, 1
"""What a generator makes if nothing else is asked for."""
Builder: TypeAlias = Callable[[TextIO], int]
"""Writes a corpus and returns how many pieces it took."""


@dataclass(frozen=True)
class Corpus:
    """A text that rnngen knows by name: one that ships, or one that is made on this machine."""

    name: str
    """What the command line calls it."""
    summary: str
    """One line for listings."""
    licence: str
    """Its licence, as SPDX writes it."""
    task: str
    """The task that it is for: what ``rnngen train --task`` takes."""
    file: str = ""
    """The file in the folder of corpora; empty where it has to be made."""
    builder: str = ""
    """The Python file there that collects it."""
    generator: str = ""
    """The Python file there that makes it up, in any amount."""
    maker: str = ""
    """The Python file that made what ships, for those who want to see how."""

    @property
    def path(self) -> Path:
        """Where the text is, or will be once it is built."""
        if self.file:
            return shipped() / self.file
        return self._built(".tsv" if self.generator else ".txt")

    @property
    def held_out(self) -> Path:
        """Where a generator puts the side that is held out."""
        return self._built(".held-out.tsv")

    def _built(self, suffix: str) -> Path:
        from rnngen.api import home

        return home() / "corpora" / (self.name + suffix)


def shipped() -> Path:
    """The folder of the corpora that ship: in the installed package, or beside it in a checkout.

    Raises:
        NotFoundError: if it is in neither place.
    """
    package = Path(__file__).resolve().parents[2]
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
    """Show the corpora that ship with rnngen, and build others on this machine."""


@flags.examples("rnngen corpora list", "rnngen corpora list --json | jq -r '.[].name'")
@corpora.command("list", cls=flags.Command)
@flags.json_flag
def list_corpora(json: bool) -> None:
    """List every corpus, with its size and licence."""
    found = [_described(corpus) for corpus in known().values()]
    if json:
        console.write_json(found)
        return
    shown = ("name", "bytes", "characters", "distinct", "task", "licence", "summary")
    console.table([[row[key] for key in shown] for row in found], shown)
    missing = [row["name"] for row in found if not row["built"]]
    if missing:
        console.note(f"not built yet: {', '.join(missing)}; build one with rnngen corpora build {missing[0]}")


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
    if not corpus.file:
        return (
            f"the corpus {corpus.name!r} is not built yet; build it with rnngen corpora build {corpus.name}"
        )
    return f"the corpus {corpus.name!r} is not at {corpus.path}, where it should be; install rnngen again"


@flags.examples(
    "rnngen corpora build python-stdlib -o code.txt",
    "rnngen corpora build dates --count 100000 -o dates.tsv",
    "rnngen corpora build dates --held-out -o test.tsv",
)
@corpora.command(cls=flags.Command)
@click.argument("name", shell_complete=_complete)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write it there; - is stdout. By default it goes where 'rnngen corpora path' finds it.",
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    help=f"Make so many pairs.  [default: {COUNT:,}; held out {HELD_OUT_COUNT:,}]",
)
@click.option("--seed", type=click.IntRange(min=0), help=f"Another seed, other pairs.  [default: {SEED}]")
@click.option("--held-out", is_flag=True, help="Make pairs for tests: no source is ever on the other side.")
def build(name: str, output: str | None, count: int | None, seed: int | None, held_out: bool) -> None:
    """Build a corpus on this machine, and print where it is.

    Some are collected from what is here. Others are made up by a generator of pairs, a source and its target
    on each line: as many as --count says, the same for the same --seed, and no source twice.
    """
    corpus = find(name)
    if corpus.generator:
        _generate(corpus, output, count, SEED if seed is None else seed, held_out)
        return
    if count is not None or seed is not None or held_out:
        able = ", ".join(corpus.name for corpus in known().values() if corpus.generator)
        raise UsageError(f"{name!r} is not generated; --count, --seed and --held-out are for {able}")
    if not corpus.builder:
        raise UsageError(
            f"{name!r} ships with rnngen, there is nothing to build; see rnngen corpora path {name}"
        )
    console.note(f"collecting {name} ({corpus.licence})")
    with _written(output, corpus.path) as out:
        console.note(f"{_collect(corpus, out):,} files")


def _generate(corpus: Corpus, output: str | None, count: int | None, seed: int, held_out: bool) -> None:
    """Let a generator write its pairs; the split and the law of no source twice are its package's."""
    package, name = generators(), Path(corpus.generator).stem
    side, place = ("held out", corpus.held_out) if held_out else ("to train on", corpus.path)
    wanted = count or (HELD_OUT_COUNT if held_out else COUNT)
    _require(wanted, package.most(name, held_out=held_out), f"{corpus.name} {side}")
    console.note(f"making {wanted:,} {corpus.name} {side}, seed {seed} ({corpus.licence})")
    with _written(output, place) as out:
        found = package.write(package.generator(name), out, count=wanted, seed=seed, held_out=held_out)
        _require(wanted, found, f"{corpus.name} {side}")


def _require(wanted: int, found: float, what: str) -> None:
    if found < wanted:
        raise UsageError(
            f"--count {wanted}: there are no more than {found:,.0f} different {what}; ask for fewer"
        )


@contextmanager
def _written(output: str | None, place: Path) -> Iterator[TextIO]:
    """Open what ``--output`` names, or else the corpus's own place, and print where it is."""
    if output == STDOUT:
        yield streams.output()
        return
    target = Path(output) if output else place
    with _atomic_text(target) as out:
        yield out
    console.note(f"{target.stat().st_size:,} bytes")
    click.echo(target)


def _collect(corpus: Corpus, out: TextIO) -> int:
    count = _builder(corpus)(out)
    if not count:
        raise CorpusError(f"{corpus.name}: nothing found to build it from; does this Python have its source?")
    return count


def _builder(corpus: Corpus) -> Builder:
    made: Builder = _imported(shipped() / corpus.builder).build
    return made


def generators() -> ModuleType:
    """The package of the generators, ``corpora/parallel``."""
    return _imported(shipped() / "parallel" / "__init__.py")


def _imported(source: Path) -> ModuleType:
    """Import a Python file of the corpora, or a package by its ``__init__.py``; they are no part of ours."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = f"rnngen_corpora_{source.parent.name if source.stem == '__init__' else source.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, source)
    if spec is None or spec.loader is None or not source.is_file():
        raise NotFoundError(f"what builds the corpus is not at {source}; install rnngen again")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def _atomic_text(target: Path) -> Iterator[TextIO]:
    """Open a text file that takes the target's place once it is whole, or never."""
    from io import TextIOWrapper

    from rnngen.store.checkpoint import atomic

    with atomic(target) as raw:
        text = TextIOWrapper(raw, encoding="utf-8", newline="\n")
        try:
            yield text
        finally:
            text.detach()
