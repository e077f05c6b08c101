"""A manual page in the making, in the ``man`` macros of roff.

Text is plain and means itself, but for the terms and meanings of entries, which are roff already, made of
``escaped``, ``bold`` and ``italic``.
"""

import re
from collections.abc import Sequence


class Page:
    """One page.

    Args:
        name: what ``man`` finds it by.
        summary: one line on what it is.
        version: of the program.
    """

    def __init__(self, name: str, summary: str, *, version: str) -> None:
        title = escaped(name.upper())
        self.lines = [f'.TH "{title}" "1" "" "rnngen {escaped(version)}" "rnngen manual"', ".nh", ".ad l"]
        self.section("NAME")
        self.lines.append(f"{escaped(name)} \\- {escaped(summary.rstrip('.'))}")

    def section(self, title: str) -> None:
        """Open a section."""
        self.lines.append(f".SH {title}")

    def subsection(self, title: str) -> None:
        """Open a subsection."""
        self.lines.append(f".SS {_line(escaped(title))}")

    def usage(self, command: str, pieces: Sequence[str]) -> None:
        """A line of the synopsis: the command and what comes after it."""
        self.lines += [".PP", f"{bold(command)} {escaped(' '.join(pieces))}".rstrip()]

    def text(self, text: str) -> None:
        r"""Paragraphs as Click has them: a blank line between, and ``\b`` where lines stay as they are."""
        for paragraph in re.split(r"\n\s*\n", text.partition("\f")[0].strip()):
            if paragraph.startswith("\b"):
                self.verbatim(paragraph.splitlines()[1:])
            elif paragraph:
                self.lines += [".PP", _line(escaped(" ".join(paragraph.split())))]

    def entry(self, term: str, meaning: str) -> None:
        """A term, with its meaning indented below; both are roff."""
        self.lines += [".TP", _line(term), _line(" ".join(meaning.split()) or "\\&")]

    def names(self, names: Sequence[str]) -> None:
        """Names of other pages, as a list in the text."""
        self.lines += [".PP", ", ".join(f"{bold(name)}(1)" for name in names)]

    def verbatim(self, lines: Sequence[str]) -> None:
        """Lines that stay as they are."""
        self.lines += [".PP", ".nf", ".RS 4", *(_line(escaped(line)) for line in lines), ".RE", ".fi"]

    def roff(self) -> str:
        """The page's source."""
        return "\n".join(self.lines) + "\n"


def escaped(text: str) -> str:
    """The text so that roff shows it as it is: backslashes, hyphens that can be copied, and ASCII alone."""
    return "".join(
        _ESCAPES.get(char) or (char if char.isascii() else f"\\[u{ord(char):04X}]") for char in text
    )


_ESCAPES = {"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", '"': "\\(dq", "~": "\\(ti", "^": "\\(ha"}


def bold(text: str) -> str:
    """The text in bold: what is typed as it is."""
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    """The text in italics: what stands for something else."""
    return f"\\fI{escaped(text)}\\fR"


def _line(text: str) -> str:
    """A line that roff does not take for a request."""
    return f"\\&{text}" if text.startswith(".") else text
