"""English → Chinese: what one says about times, dates, prices, places, and when one meets.

Every source has one target: polite spoken Mandarin with its measure words, 两 or 二, 半 and 刻, and 块 for
what is said, 元 for what is on a sign. ``phrases.toml`` holds sentences and words; ``clock`` and
``quantities`` make what has numbers.
"""

import re
import tomllib
from pathlib import Path

from . import clock, quantities
from .draw import Draw

DATA: dict[str, dict[str, str]] = tomllib.loads(
    Path(__file__).with_suffix(".toml").read_text(encoding="utf-8")
)
HOLE = re.compile("{([^}]+)}")
START = re.compile("(?:^|(?<=[.!?] ))[a-z]")
OPENED, CLOSED = 0.35, 0.1
"""Probabilities of words before a sentence, and after it."""


def pair(draw: Draw) -> tuple[str, str]:
    """A sentence, often with a greeting or thanks, and its Chinese translation."""
    tables = ["openings"] * draw.chance(OPENED) + ["sentences"] + ["closings"] * draw.chance(CLOSED)
    english, chinese = zip(*(draw.one(tuple(DATA[table].items())) for table in tables), strict=True)
    said, target = _fill(draw, " ".join(english), "".join(chinese))
    return START.sub(lambda letter: letter[0].upper(), said), target


def _fill(draw: Draw, english: str, chinese: str) -> tuple[str, str]:
    """Fill the holes on both sides alike, no two with the same."""
    filled: dict[str, tuple[str, str]] = {}
    for hole in HOLE.findall(english):
        while hole not in filled or list(filled.values()).count(filled[hole]) > 1:
            filled[hole] = _word(draw, re.sub(r"(?<=[a-z])\d$", "", hole))
    return (
        HOLE.sub(lambda hole: filled[hole[1]][0], english),
        HOLE.sub(lambda hole: filled[hole[1]][1], chinese),
    )


def _word(draw: Draw, name: str) -> tuple[str, str]:
    """Fill a hole: ``time``, ``some goods``, ``number 2..9``, or an entry of the table of that name."""
    if name in DATA:
        return _entry(draw, name)
    slot, _, of = name.partition(" ")
    if slot in quantities.NUMBERS:
        low, high = of.split("..")
        return quantities.NUMBERS[slot](draw, int(low), int(high))
    if slot in quantities.NOUNS:
        return quantities.NOUNS[slot](draw, *_entry(draw, of))
    return (clock.SLOTS | quantities.SLOTS)[slot](draw)


def _entry(draw: Draw, table: str) -> tuple[str, str]:
    return _fill(draw, *draw.one(tuple(DATA[table].items())))
