"""Likely encodings of a text: those that allow its bytes, by how much what comes out looks like writing.

charset-normalizer knows which language letters make; of short texts and of a few bytes beyond ASCII it makes
little, so that what is unlike any writing counts first: capitals within words, scripts mixed within words,
rare ideographs, signs and boxes.
"""

import codecs
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

COMMON = (
    *("utf-8", "cp1252", "cp1251", "gb18030", "shift_jis", "big5", "euc-jp", "euc-kr", "koi8-r", "koi8-u"),
    *("cp1250", "iso-8859-2", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("cp932", "cp949", "cp866", "macintosh", "cp850", "cp437"),
    *(
        "cp852",
        "iso-8859-5",
        "iso-8859-7",
        "iso-8859-15",
        "mac-cyrillic",
        "mac-latin2",
        "utf-16-le",
        "utf-16-be",
    ),
)
"""Encodings that texts have, the commoner first. Latin-1 is not among them: texts that are called so are
cp1252's, which has signs where the former has control characters that no text holds."""
MOST = 4
"""Candidates that are named at most."""
SAMPLE = 20_000
"""Bytes that are looked at."""
WIDEST = 16
"""Bytes below which a text is not taken for UTF-16: any two may be an ideograph."""
BEFORE, AFTER = 12, 24
"""Characters of a snippet before and after the place."""
NEAR = 0.15
"""Difference of two oddities that decides nothing."""
ODD = 1.0
"""The oddity of a reading that is not worth naming."""


class Candidate(NamedTuple):
    """An encoding that a text may have."""

    encoding: str
    snippet: str
    """The text around the place, as it then reads."""


class _Reading(NamedTuple):
    encoding: str
    text: str
    place: int
    """The place of the fault in the text."""
    oddity: float


def likely(data: bytes, place: int, *, refused: str = "utf-8", offset: int = 0) -> tuple[Candidate, ...]:
    """Return the encodings that a text may have, the likeliest first, no two of which read it alike.

    Args:
        data: bytes of the text, all of which a candidate has to allow.
        place: of a byte that the encoding which was refused does not allow.
        refused: that encoding.
        offset: the place of the data in the file.
    """
    begin = max(data.rfind(b"\n", 0, place) + 1, place - SAMPLE // 4)
    taken = _taken(data[begin : begin + SAMPLE])
    readings = [
        _Reading(name, text, _length(taken[: place - begin], name), oddity(text, _KANA.get(name, 0.0)))
        for name in COMMON
        if not _same(name, refused) and (text := _reading(name, taken, data, offset + begin)) is not None
    ]
    known = _coherence(taken)
    best = min((one.oddity for one in readings), default=0)
    near = [one for one in readings if one.oddity <= max(best + NEAR, min(ODD, best * 2 + NEAR))]
    near.sort(key=lambda one: (round((one.oddity - best) / NEAR), -known.get(_canonical(one.encoding), 0)))
    return tuple(_candidates(near))


def wide(data: bytes, offset: int = 0) -> str | None:
    r"""Return which UTF-16 or UTF-32 a text without a byte order mark is in, by its NUL bytes, or None.

    ::

        T\0h\0e\0 \0      utf-16-le        T\0\0\0h\0\0\0      utf-32-le
        \0T\0h\0e\0       utf-16-be        \0\0\0T\0\0\0h      utf-32-be
    """
    whole = data[-offset % 4 :][:SAMPLE]
    zeros = [whole[place::4].count(0) for place in range(4)]
    quarter = len(whole) / 4
    if min(zeros[2], zeros[3]) > 0.9 * quarter:
        guess = "utf-32-le"
    elif min(zeros[0], zeros[1]) > 0.9 * quarter:
        guess = "utf-32-be"
    else:
        even, odd = zeros[0] + zeros[2], zeros[1] + zeros[3]
        guess = "utf-16-le" if odd > even else "utf-16-be"
        if max(even, odd) < 10 * min(even, odd) or not max(even, odd):
            return None
    text = _decoded(guess, whole)
    if text is None or "\0" in text:
        return None
    return guess if oddity(text) < (ODD if sum(zeros) > len(whole) / 5 else NEAR) else None


def is_utf8(data: bytes, encoding: str) -> bool:
    """Return whether a text that was to be in another encoding is UTF-8, which no other is by chance."""
    text = _decoded("utf-8", data[:SAMPLE])
    if text is None or len(text.encode("ascii", "ignore")) > len(text) - 2:
        return False
    other = _decoded(encoding, data[:SAMPLE])
    return other is None or oddity(text) < oddity(other)


def snippet(text: str, place: int = 0) -> str:
    """Return what stands around a place, on its line."""
    begin = max(text.rfind("\n", 0, place) + 1, place - BEFORE)
    return text[begin : place + AFTER].split("\n", maxsplit=1)[0].strip()


# ── Readings ───────────────────────────────────────────────────────────────────────────────────────────────


def _taken(data: bytes) -> bytes:
    """Return whole lines, where there are any."""
    end = data.rfind(b"\n")
    return data[: end + 1] if len(data) == SAMPLE and end > 0 else data


def _reading(name: str, sample: bytes, data: bytes, offset: int) -> str | None:
    """Return the sample as an encoding reads it; None if that does not allow it, or what is behind it."""
    if name.startswith("utf-16"):
        if len(sample) < WIDEST:
            return None
        sample, data = sample[offset % 2 :], data[offset % 2 :]
    text = _decoded(name, sample)
    return text if text and "\0" not in text and _decoded(name, data) is not None else None


def _decoded(name: str, data: bytes) -> str | None:
    try:
        return codecs.getincrementaldecoder(name)().decode(data)  # may end within a character
    except UnicodeDecodeError:
        return None


def _length(data: bytes, name: str) -> int:
    return len(data.decode(name, "ignore"))


@cache
def _canonical(name: str) -> str:
    return codecs.lookup(name).name


def _same(name: str, other: str) -> bool:
    return _canonical(name) == _canonical(other)


def _candidates(readings: list[_Reading]) -> Iterator[Candidate]:
    """Name the readings that differ, each by a snippet that no other has."""
    shown: list[_Reading] = []
    for one in readings:
        cut = one.place >= len(one.text)  # the byte in question is a part of what comes behind
        if cut or len(shown) == MOST or any(one.text == other.text for other in shown):
            continue
        text = snippet(one.text, one.place)
        alike = [other for other in shown if snippet(other.text, other.place) == text]
        if alike:
            lines = zip(one.text.split("\n"), alike[0].text.split("\n"), strict=False)
            text = next((snippet(mine, _first(mine, its)) for mine, its in lines if mine != its), text)
        shown.append(one)
        yield Candidate(one.encoding, text)


def _first(text: str, other: str) -> int:
    """Return the place of the first difference."""
    return next((place for place, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)


# ── Oddity ─────────────────────────────────────────────────────────────────────────────────────────────────

_TYPOGRAPHIC = frozenset("’‘“”„‚«»‹›–—…•·°©®™€£§¿¡№×\u00a0、。，！？：；「」『』（）《》〈〉【】・ー～〜“”‘’")
_OPENING, _CLOSING = frozenset("‚„«‹“‘¿¡"), frozenset("»›”")
_KANA = dict.fromkeys(("gb18030", "big5", "euc-kr", "cp949"), 0.5)
_EAST = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "IDEOGRAPHIC", "BOPOMOFO"})


def oddity(text: str, kana: float = 0.0) -> float:
    """Return how little a text looks like writing, from 0 on: faults for each character beyond ASCII.

    ``kana`` is how odd such a syllable is, which Chinese and Korean texts do not have.
    """
    beyond = odd = 0.0
    for before, char in pairwise(f" {text}"):
        if char.isascii() and before.isascii():
            continue
        odd += _pair(before, char)
        if not char.isascii():
            beyond += 1
            odd += _sign(char) + kana * ("\u3041" <= char <= "\u30fa")
    capitals = sum(not char.isascii() and char.isupper() for char in text)
    small = sum(not char.isascii() and char.islower() for char in text)
    odd += 0.12 * max(0, capitals - small)
    return odd / max(1, beyond)


@cache
def _sign(char: str) -> float:
    """Return how odd a character is by itself."""
    category = unicodedata.category(char)
    if category in ("Cc", "Cn", "Co", "Cs", "Cf"):
        return 50.0
    if char in _TYPOGRAPHIC:
        return 0.0
    if category == "Lo":
        return _rarity(char)
    return 0.0 if category[0] == "L" and category != "Lm" else 0.3 if category[0] == "M" else 1.5


@cache
def _rarity(char: str) -> float:
    """Return how odd an ideograph or a syllable is: common are those in the standards of the 1980s."""
    script = _script(char)
    if script == "HANGUL":
        return 0.0 if _within(char, "euc-kr") else 2.0
    if script == "CJK":
        common = _within(char, "gb2312") or _within(char, "shift_jis", 0x98) or _within(char, "big5", 0xC9)
        return 0.0 if common else 2.0
    return 1.0 if script == "HALFWIDTH" else 0.0


def _within(char: str, encoding: str, below: int = 0x100) -> bool:
    try:
        return char.encode(encoding)[0] < below
    except UnicodeEncodeError:
        return False


@cache
def _script(char: str) -> str:
    return unicodedata.name(char, "").split(" ")[0]


@cache
def _pair(before: str, char: str) -> float:
    """Return how odd two neighbours are: a capital behind a small letter, two scripts in one word."""
    if before.isalpha() and (char in _OPENING or (char == " " and _script(before) == "CJK")):
        return 0.5
    if not char.isalpha() or not (before.isalpha() or before in _CLOSING):
        return 0.0
    scripts = {_script(before), _script(char)}
    if before in _CLOSING or (scripts == {"LATIN"} and not (before.isascii() or char.isascii())):
        return 0.5  # marked letters stand among others
    if len(scripts) > 1 and not scripts <= _EAST:
        return 2.0
    return 1.5 if before.islower() and char.isupper() else 0.0


# ── Languages ──────────────────────────────────────────────────────────────────────────────────────────────


def _coherence(sample: bytes) -> dict[str, float]:
    """Return how much like a known language each encoding makes a text, from 0 to 1."""
    from charset_normalizer import from_bytes

    found: dict[str, float] = {}
    for match in from_bytes(sample):
        for name in match.could_be_from_charset:
            found[_canonical(name)] = max(found.get(_canonical(name), 0.0), match.coherence)
    return found
