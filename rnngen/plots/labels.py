"""How a token is written beside a picture: on one line, all visible, nothing that commands a terminal."""

from collections.abc import Iterable
from unicodedata import category

from rnngen.printable import printable

END = "∎"
MEANINGS = {END: "end", "␣": "space", "⏎": "new line", "⇥": "tab", "\ufffd": "part of a character"}
SIGNS = str.maketrans({"\n": "⏎", "\r": "␍", "\t": "⇥", "\u2028": "⏎", "\u2029": "⏎"})


def label(text: str) -> str:
    """A token's text as its label; the end token, which has none, is ``∎``.

    Spaces around a word are left out, as they would set it off its place; where there is nothing else they
    show as ``␣``. An accent without its letter rides on ``◌``.
    """
    if not text:
        return END
    shown = one_line(text.translate(SIGNS)).strip() or "␣" * len(text)
    if all(category(char) == "Cf" for char in shown):
        return shown.encode("unicode_escape").decode()
    return "◌" + shown if category(shown[0]).startswith("M") else shown


def legend(labels: Iterable[str]) -> list[str]:
    """What each of the signs among some labels stands for."""
    used = set("".join(labels))
    return [f"{sign} {meaning}" for sign, meaning in MEANINGS.items() if sign in used]


def one_line(text: str) -> str:
    """A text of any kind without what neither a terminal nor XML can hold."""
    return printable(text).translate({0xFFFE: "�", 0xFFFF: "�"}).replace("\n", " ")
