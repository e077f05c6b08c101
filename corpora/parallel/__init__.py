"""Parallel text of any size: pairs of a source and its target, made up by generators.

A generator is a module here with ``pair(draw) -> (source, target)``; the target follows from the source. One
that could run out of sources says in ``SOURCES`` how many there are. What all of them have in common is in
this file: the split, no source twice, and the lines that are written.
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
"""Makes one pair out of what is drawn."""

SHARE = 10
"""One source in so many is held out."""
PATIENCE = 20_000
"""So many draws in a row that bring nothing new mean that there is nothing new."""


def generator(name: str) -> Generator:
    """The generator called ``name``, a module of this package."""
    made: Generator = import_module(f".{name}", __name__).pair
    return made


def most(name: str, *, held_out: bool) -> float:
    """About how many sources the generator ``name`` has on a side; infinity if too many to use up."""
    sources: float = getattr(import_module(f".{name}", __name__), "SOURCES", inf)
    return sources / SHARE if held_out else sources - sources / SHARE


def write(generate: Generator, out: TextIO, *, count: int, seed: int, held_out: bool) -> int:
    """Write pairs to ``out``, a line each with a tab between, and return how many there are.

    Args:
        generate: the generator.
        out: where to.
        count: how many pairs are wanted.
        seed: the same seed gives the same pairs, on every Python.
        held_out: whether they come from the side that is held out, or from that to train on.

    Returns:
        ``count``, or fewer if the generator has no more sources on that side.
    """
    written = 0
    for source, target in pairs(generate, count, seed=seed, held_out=held_out):
        out.write(f"{source}\t{target}\n")
        written += 1
    return written


def pairs(generate: Generator, count: int, *, seed: int, held_out: bool) -> Iterator[Pair]:
    """Up to ``count`` pairs, no source twice; see ``write``."""
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
    """Whether a source is on the side that is held out.

    The source alone decides: not the seed, the count or the target. So no text made for training, with
    whatever options, shares a source with one that is held out.
    """
    return _is_held_out(_key(source))


def _is_held_out(key: int) -> bool:
    return key % SHARE == 0


def _key(source: str) -> int:
    """64 bits of a hash: less to remember than the source, and hardly ever the same for two."""
    return int.from_bytes(sha256(source.encode()).digest()[:8])
