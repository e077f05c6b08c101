"""Text that is safe to show: without what could command a terminal."""

import unicodedata


def printable(text: str) -> str:
    r"""The text without what could command a terminal: control characters appear as ``\x1b``."""
    return "".join(char if _harmless(char) else _escaped(char) for char in text.expandtabs(4))


def shown(text: str) -> str:
    """The same on one line, for names and messages."""
    return printable(text).replace("\n", " ")


def _harmless(char: str) -> bool:
    return char == "\n" or (unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and char not in _BIDI)


_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They reorder what stands beside them, so that a line shows what it does not say."""


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()
