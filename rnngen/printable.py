"""Text that is safe to show on a terminal, and numbers of things."""

import unicodedata


def printable(text: str) -> str:
    r"""Return the text with control characters spelled out, as ``\x1b``."""
    return "".join(
        char if _harmless(char) else char.encode("unicode_escape").decode() for char in text.expandtabs(4)
    )


def shown(text: str) -> str:
    """Return the same on one line, for names and messages."""
    return printable(text).replace("\n", " ")


def counted(count: int, things: str) -> str:
    """Return a number of things, named in the plural: ``1 example``, ``3,000 examples``."""
    return f"{count:,} {things.removesuffix('s') if count == 1 else things}"


def _harmless(char: str) -> bool:
    return char == "\n" or (unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp") and char not in _BIDI)


_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They reorder the text beside them, so that a line can look like another."""
