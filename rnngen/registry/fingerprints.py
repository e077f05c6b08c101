"""Fingerprints of the code of plugins, so that what one made is not taken for what it would make now."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rnngen.registry import Registered

MOST_FILES, LARGEST = 500, 1 << 20
"""Files of a package that are looked at, and bytes of the largest; others hold no code."""


def code_of(found: Registered[Any]) -> list[str]:
    """Return what the results of a plugin's reader, task or tokenizer depend on, beside its options.

    That is its version and, as its author may be at work on it, a digest of the files of its package.
    """
    known = [found.qualified, found.distribution.version]
    if found.built_in:
        return known
    digest = sha256()
    for path in sorted(_files(found.spec.load.partition(":")[0])):
        with suppress(OSError):
            if path.stat().st_size <= LARGEST:
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return [*known, digest.hexdigest()]


def _files(module: str) -> Iterator[Path]:
    """Yield the files of the package that a module belongs to, or the module's own."""
    own = getattr(sys.modules.get(module), "__file__", None)
    if own:
        yield Path(own)
    top = module.partition(".")[0]
    folders: list[str] = []
    with suppress(ImportError, ValueError):
        spec = find_spec(top)
        if spec and spec.origin:
            yield Path(spec.origin)
            folders = list(spec.submodule_search_locations or ())
    for folder in folders:
        found = (path for path in Path(folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
        yield from sorted(found)[:MOST_FILES]
