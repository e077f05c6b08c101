"""Parallel text of any size: generated pairs of a source and its target.

A generator is a module here with ``pair(draw) -> (source, target)``; the target follows from the source. One
that could run out of sources has their number in ``SOURCES``. This file holds what all of them share: the
split, the uniqueness of sources, and the format of lines.
"""

from collections.abc import Callable, Iterator
from hashlib import sha256
from importlib import import_module
from math import inf
from typing import TextIO, TypeAlias

from .draw import Draw

Pair: TypeAlias = tuple[str, str]
"""Source and target; neither holds a tab or the end of a line."""
Generator: TypeAlias = Callable[[Draw], Pair]
"""Makes one pair from random draws."""

SHARE = 10
"""One in this many sources is held out."""
PATIENCE = 20_000
"""Draws without a new source after which a generator counts as exhausted."""


def generator(name: str) -> Generator:
    """Return the generator called ``name``, a module of this package."""
    made: Generator = import_module(f".{name}", __name__).pair
    return made


def most(name: str, *, held_out: bool) -> float:
    """Return about how many sources a generator has on a side; infinity if too many to use up."""
    sources: float = getattr(import_module(f".{name}", __name__), "SOURCES", inf)
    return sources / SHARE if held_out else sources - sources / SHARE


def write(generate: Generator, out: TextIO, *, count: int, seed: int, held_out: bool) -> int:
    """Write pairs to ``out``, a line each with a tab between → their number.

    Args:
        generate: the generator.
        out: the text file.
        count: number of pairs.
        seed: the same seed gives the same pairs, on every Python.
        held_out: take them from the held-out side, not from the training side.

    Returns:
        ``count``, or fewer if the generator has no more sources on that side.
    """
    written = 0
    for source, target in pairs(generate, count, seed=seed, held_out=held_out):
        out.write(f"{source}\t{target}\n")
        written += 1
    return written


def pairs(generate: Generator, count: int, *, seed: int, held_out: bool) -> Iterator[Pair]:
    """Generate up to ``count`` pairs, no source twice; see ``write``."""
    draw, seen, idle = Draw(seed), set[int](), 0
    while len(seen) < count and idle < PATIENCE:
        pair = generate(draw)
        key = _key(pair[0])
        idle += 1
        if _is_held_out(key) == held_out and key not in seen:
            seen.add(key)
            idle = 0
            yield pair


def is_held_out(source: str) -> bool:
    """Return whether a source is held out.

    The source alone decides: not the seed, the count or the target. So no training text, with
    whatever options, shares a source with a held-out one.
    """
    return _is_held_out(_key(source))


def _is_held_out(key: int) -> bool:
    return key % SHARE == 0


def _key(source: str) -> int:
    """Return 64 bits of a hash, smaller than the source and hardly ever the same for two."""
    return int.from_bytes(sha256(source.encode()).digest()[:8])
