"""Collects the Python standard library's own source into one text: code to train on, already on this machine.

Files come in sorted order under a comment with their name. Tests, tables, installed packages, files generated
by the build of this Python, and files that are not UTF-8 are left out: one Python gives one text.
"""

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

SKIPPED = frozenset(
    {"test", "tests", "idle_test", "site-packages", "dist-packages", "idlelib", "lib2to3", "__pycache__"}
    | {"encodings", "pydoc_data"}  # a fifth of the whole, and no code: tables of characters, pages of help
)
"""Folders that are left out, at any depth."""
MADE_BY_THE_BUILD = ("_sysconfigdata", "_sysconfig_vars", "config-")
"""Prefixes of files and folders that describe one build of Python."""


def build(out: TextIO, root: Path | None = None) -> int:
    """Write the source to ``out``.

    Args:
        out: the text file.
        root: the folder of the library; this Python's own by default.

    Returns:
        the number of files; 0 where this Python came without its source.
    """
    root = root or Path(sysconfig.get_path("stdlib"))
    taken = 0
    for path in _sources(root):
        text = _read(path)
        if text and text.strip():
            out.write(f"# {path.relative_to(root).as_posix()}\n\n{text.strip()}\n\n\n")
            taken += 1
    return taken


def _sources(root: Path) -> Iterator[Path]:
    """Return every Python file that is not left out, sorted by its path from ``root``."""
    found = [path for path in root.rglob("*.py") if _belongs(path.relative_to(root))]
    return iter(sorted(found, key=lambda path: path.relative_to(root).as_posix()))


def _belongs(inside: Path) -> bool:
    return not any(part in SKIPPED or part.startswith(MADE_BY_THE_BUILD) for part in inside.parts)


def _read(path: Path) -> str | None:
    """Read a file; None if it is not UTF-8 or cannot be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None


if __name__ == "__main__":
    build(sys.stdout)
