"""Short reports → headlines, for summarisation.

A report is 40 to 90 words about facts that nobody has heard of. Its headline takes the names and figures that
matter, which stand in different places and beside others of their kind, and is not a part of the report.
``reports.toml`` holds the sentences.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from .draw import Draw
from .numerals import english

Facts: TypeAlias = Mapping[str, str]
"""The facts of an event, by their names in sentences."""
Desk: TypeAlias = Mapping[str, Any]
"""A subject: facts, kinds of news with headlines, context to stand anywhere, asides that follow the news."""

DESKS: dict[str, Desk] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
POOLS = DESKS.pop("pools")
RANGE = re.compile(r"(\d+)\.\.(\d+)( in words)?")
SHORTEST, LONGEST = 40, 90


def pair(draw: Draw) -> tuple[str, str]:
    """A report and its headline."""
    while True:
        desk = draw.one(tuple(DESKS.values()))
        kind = draw.one(tuple(desk["kinds"].values()))
        facts = _facts(draw, desk["facts"] | kind.get("facts", {}))
        report = " ".join(_filled(draw, form, facts) for form in _sentences(draw, desk, kind["news"]))
        headline = _filled(draw, kind["headline"], facts)
        if SHORTEST <= len(report.split()) <= LONGEST and headline.casefold() not in report.casefold():
            return report, headline


def _sentences(draw: Draw, desk: Desk, news: list[str]) -> list[str]:
    """The news, a sentence that may come before it, and further ones in any order."""
    context = draw.some(desk["context"], draw.between(0, 2))
    asides = draw.some(desk["asides"], draw.between(1, 3))
    before = draw.below(len(context) + 1)
    after = context[before:] + asides
    return [*context[:before], draw.one(news), *draw.some(after, len(after))]


def _facts(draw: Draw, wanted: Mapping[str, str]) -> Facts:
    facts: dict[str, str] = {}
    for together, text in wanted.items():
        names, found = together.split(), dict[str, None]()
        while len(found) < len(names):
            found[_fill(draw, text, {})] = None
        facts.update(zip(names, found, strict=True))
    return facts


def _filled(draw: Draw, form: str, facts: Facts) -> str:
    sentence = _fill(draw, form, facts)
    return sentence[:1].upper() + sentence[1:]


def _fill(draw: Draw, text: str, facts: Facts) -> str:
    return re.sub("{(.+?)}", lambda hole: _word(draw, hole[1], facts), text)


def _word(draw: Draw, name: str, facts: Facts) -> str:
    """Replace a name: by a fact, an entry of a pool, or a number."""
    if name in facts:
        return facts[name]
    if name in POOLS:
        return _fill(draw, draw.one(POOLS[name]), {})
    low, high, in_words = RANGE.findall(name)[0]
    number = draw.between(int(low), int(high))
    return english(number) if in_words else str(number)
