"""Numbers in words: English and Chinese."""

import re

UNDER_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
ONES = tuple(UNDER_TWENTY.split())
TENS = ("", "ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = ((10**9, "billion"), (10**6, "million"), (10**3, "thousand"))
IRREGULAR = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
"""Ordinals that are not the number with *th*."""

DIGITS = "零一二三四五六七八九"
PLACES = ((1000, "千"), (100, "百"), (10, "十"), (1, ""))
MYRIADS = ((10**8, "亿"), (10**4, "万"), (1, ""))


def english(number: int, *, conjunction: bool = True) -> str:
    """A number from 0 up to 10^12: ``205`` is *two hundred and five*.

    Args:
        number: the number.
        conjunction: whether *and* stands before what is below a hundred, as in British English.
    """
    words: list[str] = []
    for size, name in SCALES:
        count, number = divmod(number, size)
        if count:
            words += [_hundreds(count, conjunction), name]
    if words and conjunction and 0 < number < 100:
        words.append("and")
    if number or not words:
        words.append(_hundreds(number, conjunction))
    return " ".join(words)


def _hundreds(number: int, conjunction: bool) -> str:
    hundreds, rest = divmod(number, 100)
    if not hundreds:
        return _tens(rest)
    joint = " and " if conjunction else " "
    return f"{ONES[hundreds]} hundred" + (joint + _tens(rest) if rest else "")


def _tens(number: int) -> str:
    if number < 20:
        return ONES[number]
    tens, ones = divmod(number, 10)
    return TENS[tens] + (f"-{ONES[ones]}" if ones else "")


def ordinal(number: int) -> str:
    """``21`` is *twenty-first*."""
    head, hyphen, last = english(number).rpartition("-")
    if last in IRREGULAR:
        last = IRREGULAR[last]
    else:
        last = last.removesuffix("y") + "ieth" if last.endswith("y") else f"{last}th"
    return head + hyphen + last


def suffixed(number: int) -> str:
    """``21`` is *21st*."""
    teen = number % 100 // 10 == 1
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def chinese(number: int) -> str:
    """A number from 0 up to 10^12, as it is written: ``20500`` is 二万零五百.

    One 零 stands for any row of noughts within a number, but for none at the end of a group of four digits.
    """
    text, gap = "", False
    for size, unit in MYRIADS:
        group, number = divmod(number, size)
        if group:
            text += "零" * bool(text and (gap or group < 1000)) + _group(group) + unit
        gap = not group
    return re.sub("^一十", "十", text) or "零"


def _group(number: int) -> str:
    """Up to four digits."""
    text, gap = "", False
    for size, unit in PLACES:
        digit, number = divmod(number, size)
        if digit:
            text += "零" * bool(text and gap) + DIGITS[digit] + unit
        gap = not digit
    return text


def spoken(number: int) -> str:
    """A number as it is said: ``2200`` is 两千两百; 二 stays in 二十, in 十二万 and at the end."""
    return re.sub("二(?=[百千])|(?<![十零])二(?=[万亿])", "两", chinese(number))


def counted(number: int) -> str:
    """A number as it stands before a measure word: 两本, 十二本, 两百本."""
    return "两" if number == 2 else spoken(number)


def digitwise(number: int) -> str:
    """Digit after digit, as years are read: ``1987`` is 一九八七, ``2008`` 二〇〇八."""
    return "".join("〇" if digit == "0" else DIGITS[int(digit)] for digit in str(number))
