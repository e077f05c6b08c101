"""Prices, distances and things that are counted, each in English and in spoken Chinese."""

from collections.abc import Callable
from typing import TypeAlias

from .draw import Draw
from .numerals import DIGITS, chinese, counted, english, ordinal, suffixed

Said: TypeAlias = tuple[str, str]
"""In English and in Chinese."""

CURRENCIES = (("dollars", "美元"), ("euros", "欧元"), ("pounds", "英镑"))
LONGEST_WORD = 12
"""Up to here English writes numbers in words, and beyond mostly in figures."""


def say(draw: Draw, number: int) -> str:
    """A number in English, as a word or in figures."""
    in_words = number <= LONGEST_WORD or (number < 100 and draw.chance(0.3))
    return english(number) if in_words else f"{number:,}"


# ── Money and distance ─────────────────────────────────────────────────────────────────────────────────────


def _price(draw: Draw) -> Said:
    """Yuan as one says them: *3.50 yuan* is 三块五, *0.20 yuan* 两毛, *12.05 yuan* 十二块零五分."""
    if draw.chance(0.6):
        yuan = 2 + draw.magnitude(4)
        return f"{say(draw, yuan)} yuan", f"{counted(yuan)}块"
    yuan, jiao = draw.between(0, 99), draw.between(0, 9)
    fen = draw.between(1, 9) if jiao == 0 or draw.chance(0.4) else 0
    return f"{yuan}.{jiao}{fen} yuan", (f"{counted(yuan)}块" if yuan else "") + _change(yuan, jiao, fen)


def _change(yuan: int, jiao: int, fen: int) -> str:
    """The parts after the yuan; the last unit is left out after another."""
    if not jiao:
        return f"零{DIGITS[fen]}分" if yuan else f"{counted(fen)}分"
    if not fen:
        return DIGITS[jiao] if yuan else f"{counted(jiao)}毛"
    return f"{counted(jiao)}毛{DIGITS[fen]}"


def _fee(draw: Draw) -> Said:
    """Yuan as they are written on a sign, in figures."""
    fee = draw.between(1, 200) * 5
    return f"{fee} yuan", f"{fee}元"


def _foreign(draw: Draw) -> Said:
    amount = 2 + draw.magnitude(3)
    money, chinese_money = draw.one(CURRENCIES)
    return f"{say(draw, amount)} {money}", f"{counted(amount)}{chinese_money}"


def _metres(draw: Draw) -> Said:
    metres = draw.between(2, 38) * 25
    return f"{metres} metres", f"{counted(metres)}米"


def _kilometres(draw: Draw) -> Said:
    kilometres = draw.between(5, 250) * 10
    return f"{kilometres:,} kilometres", f"{counted(kilometres)}公里"


# ── Counting ───────────────────────────────────────────────────────────────────────────────────────────────


def _number(draw: Draw, low: int, high: int) -> Said:
    number = draw.between(low, high)
    return say(draw, number), counted(number)


def _line(draw: Draw, low: int, high: int) -> Said:
    number = draw.between(low, high)
    return str(number), chinese(number)


def _nth(draw: Draw, low: int, high: int) -> Said:
    number = draw.between(low, high)
    return ordinal(number) if number <= LONGEST_WORD else suffixed(number), chinese(number)


def _counted(draw: Draw, number: int, noun: str, measured: str) -> Said:
    """So many of what the noun, *book|books*, says, whose measure word and name are *本 书*."""
    single, _, plural = noun.partition("|")
    things = measured.replace(" ", "")
    if number > 1:
        return f"{say(draw, number)} {plural}", counted(number) + things
    return f"{'an' if single[0] in 'aeiou' else 'a'} {single}", f"一{things}"


def _some(draw: Draw, noun: str, measured: str) -> Said:
    """*A book*, *two books*."""
    return _counted(draw, 1 if draw.chance(0.4) else draw.between(2, 20), noun, measured)


def _few(draw: Draw, noun: str, measured: str) -> Said:
    """*A brother*, up to *four brothers*."""
    return _counted(draw, draw.between(1, 4), noun, measured)


def _many(draw: Draw, noun: str, measured: str) -> Said:
    """*Two books* or more."""
    return _counted(draw, draw.between(2, 20), noun, measured)


def _this(draw: Draw, noun: str, measured: str) -> Said:
    """*This book*, *that book*."""
    said, chinese_word = draw.one((("this", "这"), ("that", "那")))
    return f"{said} {noun.partition('|')[0]}", chinese_word + measured.replace(" ", "")


def _these(draw: Draw, noun: str, measured: str) -> Said:
    """*These two books*."""
    said, chinese_word = draw.one((("these", "这"), ("those", "那")))
    things, chinese_things = _many(draw, noun, measured)
    return f"{said} {things}", chinese_word + chinese_things


SLOTS: dict[str, Callable[[Draw], Said]] = {
    "price": _price,
    "fee": _fee,
    "foreign": _foreign,
    "metres": _metres,
    "kilometres": _kilometres,
}
NUMBERS: dict[str, Callable[[Draw, int, int], Said]] = {"number": _number, "line": _line, "nth": _nth}
NOUNS: dict[str, Callable[[Draw, str, str], Said]] = {
    "some": _some,
    "few": _few,
    "many": _many,
    "this": _this,
    "these": _these,
}
