"""Labels of tokens beside a picture: on one line, all visible, without control characters."""

from collections.abc import Iterable
from unicodedata import category

from rnngen.generation.alignment import Alignment
from rnngen.printable import printable

END = "∎"
MEANINGS = {END: "end", "␣": "space", "⏎": "new line", "⇥": "tab", "\ufffd": "part of a character"}
SIGNS = str.maketrans({"\n": "⏎", "\r": "␍", "\t": "⇥", "\u2028": "⏎", "\u2029": "⏎"})


def label(text: str) -> str:
    """Return a token's text as its label; the end token, which has none, is ``∎``.

    Spaces around a word are left out, as they would shift it from its place; where there is nothing else they
    show as ``␣``. A combining accent without its letter gets ``◌``.
    """
    if not text:
        return END
    shown = one_line(text.translate(SIGNS)).strip() or "␣" * len(text)
    if all(category(char) == "Cf" for char in shown):
        return shown.encode("unicode_escape").decode()
    return "◌" + shown if category(shown[0]).startswith("M") else shown


def legend(labels: Iterable[str]) -> list[str]:
    """Explain each of the signs that occur in some labels."""
    used = set("".join(labels))
    return [f"{sign} {meaning}" for sign, meaning in MEANINGS.items() if sign in used]


def legend_of(alignments: Iterable[Alignment]) -> list[str]:
    """Explain the signs in the labels of alignments."""
    return legend(label(text) for one in alignments for text in (*one.source, *one.target))


def one_line(text: str) -> str:
    """Return a text on one line without the characters that a terminal or XML cannot hold."""
    return printable(text).translate({0xFFFE: "�", 0xFFFF: "�"}).replace("\n", " ")
