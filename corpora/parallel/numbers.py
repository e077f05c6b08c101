"""Numbers up to 999,999,999 in English words, in digits and in Chinese: each into each of the others.

The source begins with a tag that names what is wanted, so that one model learns all six directions::

    digits: two hundred and five → 205      words: 205 → two hundred and five      中文: 205 → 二百零五

Sources come in several spellings: with and without *and* or commas, 二百 or 两百. Targets have one, that of
``numerals``: with *and*, without commas, 二 before every unit.
"""

from .draw import Draw
from .numerals import chinese, english, spoken

LONGEST = 9
DIGITS, WORDS, CHINESE = "digits", "words", "中文"
WAYS = [(given, wanted) for given in (DIGITS, WORDS, CHINESE) for wanted in (DIGITS, WORDS, CHINESE)]
DIRECTIONS = [(given, wanted) for given, wanted in WAYS if given != wanted]


def pair(draw: Draw) -> tuple[str, str]:
    """A number in one writing, tagged with the name of another, and the number in that."""
    number = _number(draw)
    given, wanted = draw.one(DIRECTIONS)
    return f"{wanted}: {_source(draw, given, number)}", _target(wanted, number)


def _number(draw: Draw) -> int:
    """Every length is as likely as the others; one in three has noughts, for they are what is hard."""
    number = draw.magnitude(LONGEST)
    if draw.chance(2 / 3):
        return number
    digits = str(number)
    return int(digits[0] + "".join("0" if draw.chance(0.6) else digit for digit in digits[1:]))


def _source(draw: Draw, writing: str, number: int) -> str:
    if writing == DIGITS:
        return f"{number:,}" if draw.chance(0.5) else str(number)
    if writing == WORDS:
        return english(number, conjunction=draw.chance(0.5))
    return spoken(number) if draw.chance(0.5) else chinese(number)


def _target(writing: str, number: int) -> str:
    if writing == DIGITS:
        return str(number)
    return english(number) if writing == WORDS else chinese(number)
