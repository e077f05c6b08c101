"""Dates as people write them → ISO 8601.

Every source has one reading. Day and month are both in figures only where that tells which is which: with the
year first, with dots (day first, as wherever dots are used), or with a day beyond 12. Years of two digits are
those of POSIX, 1969 to 2068. Weekdays are right. From 1800 to 2199 is a whole cycle of the calendar.
``dates.toml`` holds the forms.
"""

import tomllib
from datetime import date
from pathlib import Path

from .draw import Draw
from .numerals import chinese, digitwise, english, ordinal, suffixed

DATA = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
KINDS = [kind for kind, table in DATA["kinds"].items() for _ in range(table["share"])]
"""Every kind of form, as often as it is to be drawn."""
FIRST, LAST = date(1800, 1, 1), date(2199, 12, 31)
SOURCES = 20_195_164
"""The number of different sources."""
POSIX_YEARS = range(1969, 2069)
"""The years of ``%y`` in POSIX."""
LOWER, UPPER = 0.12, 0.08
"""Probabilities that a source in English is all in small letters, or in capitals."""


def pair(draw: Draw) -> tuple[str, str]:
    """A date in one of its forms, and in ISO 8601."""
    kind = draw.one(KINDS)
    form = draw.one(DATA["kinds"][kind].get("forms") or list(DATA["feasts"]))
    day = _day(draw, kind, form)
    source = form.format_map(_fields(day))
    return _in_case(draw, source) if kind == "english" else source, day.isoformat()


def _day(draw: Draw, kind: str, form: str) -> date:
    """A day that the form can express, and in one way only."""
    while True:
        day = date.fromordinal(draw.between(FIRST.toordinal(), LAST.toordinal()))
        if kind == "feasts":
            return date(day.year, *DATA["feasts"][form])
        if (kind != "beyond_12" or day.day > 12) and ("{yy}" not in form or day.year in POSIX_YEARS):
            return day


def _in_case(draw: Draw, source: str) -> str:
    if draw.chance(LOWER):
        return source.lower()
    return source.upper() if draw.chance(UPPER / (1 - LOWER)) else source


def _fields(day: date) -> dict[str, str]:
    """All that a form may name of a day."""
    months = {language: names[day.month - 1] for language, names in DATA["months"].items()}
    weekdays = {f"{language}_day": names[day.weekday()] for language, names in DATA["weekdays"].items()}
    return {
        **months,
        **weekdays,
        "day": weekdays["en_day"][:3],
        "mon": months["en"][:3],
        "abbr": "May" if day.month == 5 else f"{months['en'][:3]}.",
        "d": str(day.day),
        "dd": f"{day.day:02}",
        "m": str(day.month),
        "mm": f"{day.month:02}",
        "y": str(day.year),
        "yy": f"{day.year % 100:02}",
        "dth": suffixed(day.day),
        "ordinal": ordinal(day.day),
        "premier": "1er" if day.day == 1 else str(day.day),
        "spoken": _spoken_year(day.year),
        "zh_d": chinese(day.day),
        "zh_m": chinese(day.month),
        "zh_y": digitwise(day.year),
    }


def _spoken_year(year: int) -> str:
    """*Nineteen eighty-seven*, *nineteen oh five*, *nineteen hundred*, *two thousand and five*."""
    century, rest = divmod(year, 100)
    if 2000 <= year < 2010:
        return english(year)
    if not rest:
        return f"{english(century)} hundred"
    return f"{english(century)} {'oh ' * (rest < 10)}{english(rest)}"
