"""Texts to train on that rnngen knows by name: some ship with it, others are collected or generated here.

``corpora/corpora.toml`` is their index; the Python files beside it build what does not ship.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TextIO

from rnngen.errors import CorpusError, NotFoundError, UnknownName, UsageError
from rnngen.paths import home, shipped

INDEX = "corpora.toml"
COUNT, HELD_OUT_COUNT, SEED = 50_000, 2_000, 1
"""Defaults of a generator."""


@dataclass(frozen=True)
class Corpus:
    """A text that has a name."""

    name: str
    """The name on the command line."""
    summary: str
    """One line for listings."""
    licence: str
    """Its licence, as SPDX writes it."""
    task: str
    """The task that it is for, as ``rnngen train --task`` takes it."""
    file: str = ""
    """The file in the folder of corpora; empty where it has to be built."""
    builder: str = ""
    """The Python file there that collects it."""
    generator: str = ""
    """The Python file there that generates any amount of it."""
    maker: str = ""
    """The Python file that generated a text that ships, for reference."""

    @property
    def path(self) -> Path:
        """The file of the text, once it is built."""
        if self.file:
            return folder() / self.file
        return home() / "corpora" / (self.name + (".tsv" if self.generator else ".txt"))

    def built(self) -> Path:
        """Return the file of the text; ``NotFoundError`` if it is not there, with the way to make it."""
        if self.path.is_file():
            return self.path
        if self.file:
            raise NotFoundError(f"corpus {self.name!r} is missing from {self.path}; install rnngen again")
        make = f"rnngen corpora build {self.name}"
        raise NotFoundError(f"corpus {self.name!r} is not built yet; build it with {make}")

    @property
    def held_out(self) -> Path:
        """The file of a generator's held-out pairs."""
        return home() / "corpora" / f"{self.name}.held-out.tsv"

    def collect(self, out: TextIO) -> int:
        """Write the text with its builder → the number of files that it took.

        Raises:
            CorpusError: if there was nothing to collect.
        """
        count: int = _imported(folder() / self.builder).build(out)
        if not count:
            raise CorpusError(
                f"{self.name}: nothing found to build it from; does this Python have its source?"
            )
        return count

    def generate(self, out: TextIO, *, count: int, seed: int, held_out: bool) -> None:
        """Write ``count`` pairs with its generator, a source and its target a line.

        The same seed gives the same pairs. No source comes twice, and none is on both sides.

        Raises:
            UsageError: if there are fewer sources.
        """
        package = generators()
        made = package.generator(Path(self.generator).stem)
        self._check_count(
            count, package.write(made, out, count=count, seed=seed, held_out=held_out), held_out
        )

    def check_count(self, count: int, *, held_out: bool) -> None:
        """Refuse, with a ``UsageError``, a number of pairs that its generator cannot reach."""
        self._check_count(count, generators().most(Path(self.generator).stem, held_out=held_out), held_out)

    def _check_count(self, wanted: int, found: float, held_out: bool) -> None:
        if found < wanted:
            side = "held out" if held_out else "to train on"
            raise UsageError(
                f"--count {wanted}: there are no more than {found:,.0f} different {self.name} {side}; "
                "ask for fewer"
            )


def folder() -> Path:
    """Return the folder of the corpora that ship; ``NotFoundError`` if it is not there."""
    place = shipped("corpora")
    if not (place / INDEX).is_file():
        raise NotFoundError(f"the corpora of rnngen are not in {place}; install rnngen again")
    return place


def known() -> dict[str, Corpus]:
    """Return every corpus by name, in the order of the index."""
    import tomllib

    tables = tomllib.loads((folder() / INDEX).read_text(encoding="utf-8"))
    return {name: Corpus(name=name, **table) for name, table in tables.items()}


def find(name: str) -> Corpus:
    """Return the corpus called ``name``; ``NotFoundError`` names the closest if there is none."""
    corpora = known()
    if name not in corpora:
        raise NotFoundError(f"{UnknownName('corpus', name, corpora)} (see rnngen corpora list)")
    return corpora[name]


def task_of(arguments: Sequence[str]) -> str | None:
    """Return the task of the corpora that arguments name; None for files, and where there are two tasks."""
    if any(Path(one).exists() for one in arguments):
        return None
    there = known()
    tasks = {there[one].task if one in there else None for one in arguments}
    return tasks.pop() if len(tasks) == 1 else None


def generators() -> ModuleType:
    """Import the package of the generators, ``corpora/parallel``."""
    return _imported(folder() / "parallel" / "__init__.py")


def _imported(source: Path) -> ModuleType:
    """Import a Python file of the corpora, or a package by its ``__init__.py``; neither is part of rnngen."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = f"rnngen_corpora_{source.parent.name if source.stem == '__init__' else source.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, source)
    if spec is None or spec.loader is None or not source.is_file():
        raise NotFoundError(f"the builder of the corpus is not at {source}; install rnngen again")
    module = sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def atomic_text(target: Path) -> Iterator[TextIO]:
    """Open a text file that replaces ``target`` once it is complete, or never."""
    from io import TextIOWrapper

    from rnngen.store.checkpoint import atomic

    with atomic(target) as raw:
        text = TextIOWrapper(raw, encoding="utf-8", newline="\n")
        try:
            yield text
        finally:
            text.detach()
