"""Which plugins there are, and which are wanted, found without importing any.

::

    installed    entry points of the group ``rnngen``
    files        plugins/*.py in the user's folder of settings, and rnngen_plugins/*.py in the working folder,
                 where the user trusts that
    RNNGEN_PLUGINS, -p, --no-plugins    which of them count

``summaries`` keeps what each of them brings, so that a listing imports none of them.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol

from rnngen import paths
from rnngen.errors import UnknownName, UsageError

GROUP = "rnngen"
"""The group of entry points."""
LOCAL = Path("rnngen_plugins")
"""The folder of single files beside what is being worked on."""
VARIABLE = "RNNGEN_PLUGINS"
STRICT = "RNNGEN_PLUGINS_STRICT"


@dataclass(frozen=True)
class Distribution:
    """The package, or the single file, that a plugin came with."""

    name: str
    """Its name for ``pip install``, or the file's: ``mine.py``."""
    version: str

    @property
    def mend(self) -> str:
        """The step to take where it is missing."""
        if self.name.endswith(".py"):
            return f"put {self.name} into {user_folder()} or ./{LOCAL}"
        return f"pip install {self.name}"


class Source(Protocol):
    """A plugin that can be loaded."""

    @property
    def name(self) -> str:
        """The name of the entry point or of the file."""

    @property
    def distribution(self) -> Distribution:
        """The package or the file."""

    @property
    def place(self) -> str:
        """The module or the file."""

    @property
    def module(self) -> str:
        """The name of the top-level module that loading it imports."""

    def load(self) -> object:
        """Import it and return what implements hooks; raise whatever importing raises."""


@dataclass(frozen=True)
class Installed:
    """A plugin of an installed package."""

    point: EntryPoint

    @property
    def name(self) -> str:
        """The name of the entry point."""
        return self.point.name

    @cached_property
    def distribution(self) -> Distribution:
        """The package."""
        owner = self.point.dist
        return Distribution(owner.name, owner.version) if owner else Distribution(self.point.name, "?")

    @property
    def place(self) -> str:
        """The module."""
        return self.point.value

    @property
    def module(self) -> str:
        """The name of the top-level module."""
        return self.place.partition(":")[0].partition(".")[0]

    def load(self) -> object:
        """Import the module."""
        return self.point.load()


@dataclass(frozen=True)
class SingleFile:
    """A plugin that is one file; its module is called ``rnngen_plugins.NAME`` wherever it lies."""

    path: Path

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @cached_property
    def distribution(self) -> Distribution:
        """The file, and a digest of its content as the version; loading says why one cannot be read."""
        try:
            content = self.path.read_bytes()
        except OSError:
            content = b""
        return Distribution(self.path.name, sha256(content).hexdigest()[:8])

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def module(self) -> str:
        """The name of the module."""
        return f"{LOCAL.name}.{self.path.stem}"

    def load(self) -> object:
        """Import the file, unless it is imported already."""
        from importlib.util import module_from_spec, spec_from_file_location

        known = sys.modules.get(self.module)
        if known is not None and known.__file__ == str(self.path):
            return known
        spec = spec_from_file_location(self.module, self.path)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self.path} is no Python file")
        sys.modules[self.module] = module = module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


@dataclass(frozen=True)
class InMemory:
    """A plugin that is there already: the built-ins, or what a test brings."""

    distribution: Distribution
    plugin: Any

    @property
    def name(self) -> str:
        """The name of the module or of the class."""
        return str(getattr(self.plugin, "__name__", type(self.plugin).__name__))

    @property
    def place(self) -> str:
        """The same."""
        return self.name

    @property
    def module(self) -> str:
        """The name of the top-level module."""
        return self.name.partition(".")[0]

    def load(self) -> object:
        """Return it; a name is imported."""
        return import_module(self.plugin) if isinstance(self.plugin, str) else self.plugin


# ── Finding ────────────────────────────────────────────────────────────────────────────────────────────────


def user_folder() -> Path:
    """Return the folder of the user's single files."""
    return paths.config() / "plugins"


def sources() -> Iterator[Source]:
    """Yield every plugin, in the order of their names: packages, the working folder's files, the user's."""
    points = {(point.value, point.name): point for point in entry_points(group=GROUP)}
    yield from (Installed(points[key]) for key in sorted(points))
    met: set[str] = set()
    for path in (*(_files(LOCAL) if is_trusted() else ()), *_files(user_folder())):
        if path.name not in met:  # the nearer one counts
            met.add(path.name)
            yield SingleFile(path)


def untrusted() -> list[Path]:
    """Return single files of the working folder that are not loaded, until the user says that they may be."""
    return [] if is_trusted() else _files(LOCAL)


def is_trusted() -> bool:
    """Return whether the user trusts the working folder's plugins: a folder may come from anybody."""
    try:
        known = _trusted().read_text(encoding="utf-8").splitlines()
        return str(LOCAL.resolve()) in known
    except OSError:
        return False


def trust() -> None:
    """Load the working folder's plugins from now on."""
    if not is_trusted():
        _trusted().parent.mkdir(parents=True, exist_ok=True)
        with _trusted().open("a", encoding="utf-8") as file:
            file.write(f"{LOCAL.resolve()}\n")


def _trusted() -> Path:
    return paths.config() / "trusted-plugin-folders"


def _files(folder: Path) -> list[Path]:
    """Return the single files of a folder that belongs to this user; nobody else's code is run."""
    try:
        if sys.platform != "win32" and folder.stat().st_uid not in (os.getuid(), 0):
            return []
        found = [path for path in folder.iterdir() if re.fullmatch(r"[\w-]+\.py", path.name)]
    except OSError:
        return []
    return sorted(path.absolute() for path in found if not path.name.startswith("_"))


# ── Choosing ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Selection:
    """The plugins that count: all, some, or all but some; by the name of package, entry point or file."""

    only: tuple[frozenset[str], ...] = ()
    """Sets of names, of each of which a plugin has one; there is none where all count."""
    without: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, words: Iterable[str]) -> "Selection":
        """Read names or ``no:NAME``, or ``none``, beside which names count for nothing.

        Raises:
            UsageError: if a word is empty behind ``no:``.
        """
        given = [word.strip() for word in words if word.strip()]
        without = frozenset(normal(word[3:]) for word in given if word.startswith("no:"))
        only = frozenset(normal(word) for word in given if not word.startswith("no:"))
        if "" in without:
            raise UsageError("no: stands before the name of a plugin, as in no:rnngen-mingru")
        return cls((frozenset() if "none" in only else only,) if only else (), without)

    @classmethod
    def of_environment(cls) -> "Selection":
        """Read the variable ``RNNGEN_PLUGINS``."""
        return cls.parse(os.environ.get(VARIABLE, "").split(","))

    @property
    def takes_none(self) -> bool:
        """True where no plugin counts, whatever there is."""
        return frozenset() in self.only

    def __and__(self, other: "Selection") -> "Selection":
        """Return what both want."""
        return Selection(self.only + other.only, self.without | other.without)

    def takes(self, source: Source) -> bool:
        """Return whether a plugin counts."""
        names = names_of(source)
        return all(names & only for only in self.only) and not names & self.without

    def check(self, known: Iterable[Source]) -> None:
        """Raise ``UnknownName`` at a name that no plugin has."""
        names = frozenset[str]().union(*map(names_of, known))
        for name in sorted(self.without.union(*self.only)):
            if name not in names:
                raise UnknownName("plugin", name, names)


def names_of(source: Source) -> frozenset[str]:
    """Return the names that a plugin goes by."""
    return frozenset(map(normal, (source.name, source.distribution.name)))


def normal(name: str) -> str:
    """Return a name as it is compared: ``My_Cell.py`` is ``my-cell``."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower().removesuffix("-py")


def strict() -> bool:
    """Return whether a plugin that fails ends the program, as ``RNNGEN_PLUGINS_STRICT`` asks."""
    return os.environ.get(STRICT, "") not in ("", "0")
