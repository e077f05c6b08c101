"""Times of the day, dates and how long things last, each in English and in spoken Chinese."""

from collections.abc import Callable

from .draw import Draw
from .numerals import chinese, counted, digitwise, english, suffixed
from .quantities import Said, say

PERIODS = (
    ("in the morning", "am", range(5, 9), "早上"),
    ("in the morning", "am", range(9, 12), "上午"),
    ("in the afternoon", "pm", range(1, 6), "下午"),
    ("in the evening", "pm", range(6, 10), "晚上"),
    ("at night", "pm", range(10, 12), "晚上"),
)
"""Parts of the day: in words, on a timetable, their hours, in Chinese."""
MONTHS = (
    ("January", 31),
    ("February", 29),
    ("March", 31),
    ("April", 30),
    ("May", 31),
    ("June", 30),
    ("July", 31),
    ("August", 31),
    ("September", 30),
    ("October", 31),
    ("November", 30),
    ("December", 31),
)
HALVES = (
    ("half an hour", "半个小时"),
    ("an hour and a half", "一个半小时"),
    ("a quarter of an hour", "一刻钟"),
)
UNITS = (("day", "天"), ("week", "个星期"), ("month", "个月"), ("year", "年"))


def _time(draw: Draw) -> Said:
    """Noon, *3:05 pm*, *a quarter to four in the afternoon*, *half past ten*."""
    if draw.chance(0.04):
        return draw.one((("noon", "中午十二点"), ("midnight", "半夜十二点")))
    words, short, hours, period = draw.one(PERIODS)
    if draw.chance(0.25):
        hour, minute = draw.one(hours), draw.between(1, 59)
        return f"{hour}:{minute:02} {short}", period + _minutes_past(hour, minute)
    if draw.chance(0.5):
        return _clock(draw, draw.between(1, 12))
    said, chinese_time = _clock(draw, draw.one(hours))
    return f"{said} {words}", period + chinese_time


def _clock(draw: Draw, hour: int) -> Said:
    """A time as the hands of a clock show it, near an hour from 1 to 12."""
    said, minute = english(hour), draw.one((0, 0, 0, 15, 30, 30, 45, 5, 10, 20, 25, 35, 40, 50, 55))
    if minute == 0:
        return f"{said} o'clock", f"{counted(hour)}点"
    if minute == 30:
        return f"half past {said}", f"{counted(hour)}点半"
    if minute == 15:
        return f"a quarter past {said}", f"{counted(hour)}点一刻"
    if minute == 45:
        return f"a quarter to {said}", f"差一刻{counted(hour)}点"
    if minute < 30:
        return f"{english(minute)} past {said}", _minutes_past(hour, minute)
    return f"{english(60 - minute)} to {said}", f"差{chinese(60 - minute)}分{counted(hour)}点"


def _minutes_past(hour: int, minute: int) -> str:
    return f"{counted(hour)}点{'零' if minute < 10 else ''}{chinese(minute)}分"


def _date(draw: Draw) -> Said:
    index = draw.below(len(MONTHS))
    month, length = MONTHS[index]
    day = draw.between(1, length)
    forms = (
        f"the {suffixed(day)} of {month}",
        f"{month} {suffixed(day)}",
        f"{day} {month}",
        f"{month} {day}",
    )
    return draw.one(forms), f"{chinese(index + 1)}月{chinese(day)}号"


def _year(draw: Draw) -> Said:
    year = draw.between(1900, 2024)
    return str(year), digitwise(year)


def _hours(draw: Draw) -> Said:
    """A while: minutes, hours, halves and quarters of them."""
    kind, hours, minutes = draw.below(6), draw.between(2, 12), draw.between(2, 59)
    if kind == 0:
        return draw.one(HALVES)
    if kind == 1:
        return f"{english(hours)} and a half hours", f"{counted(hours)}个半小时"
    if kind == 2:
        return f"{say(draw, hours)} hours", f"{counted(hours)}个小时"
    if kind == 3:
        return f"{hours} hours and {minutes} minutes", f"{counted(hours)}个小时{_minutes(minutes)}"
    return f"{say(draw, minutes)} minutes", _minutes(minutes)


def _short(draw: Draw) -> Said:
    """A short while: up to three quarters of an hour."""
    minutes = draw.between(2, 45)
    return f"{say(draw, minutes)} minutes", _minutes(minutes)


def _minutes(minutes: int) -> str:
    return f"{counted(minutes)}分钟"


def _days(draw: Draw) -> Said:
    """A long while: days to years."""
    unit, measure = draw.one(UNITS)
    if draw.chance(0.1):
        return draw.one((("half a year", "半年"), ("a year and a half", "一年半"), ("half a day", "半天")))
    number = draw.between(1, 30)
    if number == 1:
        return f"a {unit}", f"一{measure}"
    return f"{say(draw, number)} {unit}s", f"{counted(number)}{measure}"


SLOTS: dict[str, Callable[[Draw], Said]] = {
    "time": _time,
    "date": _date,
    "year": _year,
    "minutes": _short,
    "hours": _hours,
    "days": _days,
}
