"""Text that is safe to show on a terminal, its width there, and numbers of things."""

import re
import unicodedata
from functools import lru_cache


def printable(text: str) -> str:
    r"""Return the text with control characters spelled out, as ``\x1b``."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if _harmless(char) else char.encode("unicode_escape").decode() for char in text.expandtabs(4)
    )


def shown(text: str) -> str:
    """Return the same on one line, for names and messages."""
    return printable(text).replace("\n", " ")


def symbols(text: str) -> str:
    r"""Return a generated text with control characters as symbols: ``␛`` for escape, ``\x9b`` beyond ASCII.

    Tabs and line ends stay, whether ``\n`` or ``\r\n``, and so does all that a terminal only draws.
    """
    return re.sub(r"\r(?!\n)", "␍", text).translate(_SYMBOLS)


def columns_of(text: str) -> int:
    """Return the columns that a text takes: a wide character has two, one drawn upon its neighbour none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(4096)
def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def counted(count: int, things: str) -> str:
    """Return a number of things, named in the plural: ``1 example``, ``3,000 examples``."""
    return f"{count:,} {things.removesuffix('s') if count == 1 else things}"


def _harmless(char: str) -> bool:
    return char == "\n" or (unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and char not in _BIDI)


_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They reorder the text beside them, so that a line can look like another."""

_C0 = {code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\t\n\r"}
_C1 = {code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}
_SYMBOLS = {**_C0, 0x7F: "\u2421", **_C1, **{0xDC00 + code: sign for code, sign in _C1.items()}}
"""Control characters, those of bytes that are no UTF-8 too, and what stands for them."""
