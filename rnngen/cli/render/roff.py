"""Manual pages in the ``man`` macros of roff: written piece by piece, or from the Markdown of a guide.

Text is plain and means itself, but for the terms and meanings of entries, which are roff already, made of
``escaped``, ``bold``, ``italic`` and ``_inline``.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it.tree import SyntaxTreeNode


class Page:
    """One page.

    Args:
        name: what ``man`` finds it by.
        summary: a line that describes it.
        version: of the program.
        section: 1 for commands, 7 for guides.
    """

    def __init__(self, name: str, summary: str, *, version: str, section: int = 1) -> None:
        title = escaped(name.upper())
        self.lines = [
            f'.TH "{title}" "{section}" "" "rnngen {escaped(version)}" "rnngen manual"',
            ".nh",
            ".ad l",
        ]
        self.section("NAME")
        self.lines.append(f"{escaped(name)} \\- {escaped(summary.rstrip('.'))}")

    def section(self, title: str) -> None:
        """Open a section."""
        self.lines.append(f".SH {_line(escaped(title))}")

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

    def pages(self, names: Sequence[str]) -> None:
        """Other pages, each as ``name(section)``, as a list in the text."""
        self.lines += [".PP", ", ".join(map(reference, names))]

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


def reference(page: str) -> str:
    """The name of another page, ``name(section)``, its name in bold."""
    name, bracket, section = page.partition("(")
    return bold(name) + bracket + section


def _line(text: str) -> str:
    """A line that roff does not take for a request."""
    return f"\\&{text}" if text.startswith(".") else text


# ── From Markdown ──────────────────────────────────────────────────────────────────────────────────────────


def add_markdown(page: Page, markdown: str) -> None:
    """Append Markdown to a page: headings, paragraphs, lists, code and tables.

    A table of two columns becomes a list of terms and meanings; a wider one stays a table, its lines uncut.

    Raises:
        KeyError: for any other kind of block.
    """
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

    for node in SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(markdown)).children:
        _BLOCKS[node.type](page, node)


def _heading(page: Page, node: "SyntaxTreeNode") -> None:
    title = _plain(node)
    page.section(title.upper()) if node.tag == "h2" else page.subsection(title)


def _paragraph(page: Page, node: "SyntaxTreeNode") -> None:
    page.lines += [".PP", _line(_inline(node))]


def _code(page: Page, node: "SyntaxTreeNode") -> None:
    page.verbatim(node.content.splitlines())


def _list(page: Page, node: "SyntaxTreeNode") -> None:
    ordered = node.type == "ordered_list"
    for number, item in enumerate(node.children, start=1):
        page.lines += [f".IP {number}. 4" if ordered else ".IP \\(bu 2", _line(_inline(item.children[0]))]
        for block in item.children[1:]:
            page.lines.append(".RS")
            _BLOCKS[block.type](page, block)
            page.lines.append(".RE")


def _table(page: Page, node: "SyntaxTreeNode") -> None:
    head, *body = [row.children for part in node.children for row in part.children]
    if len(head) == 2:
        for term, meaning in body:
            page.entry(_inline(term), _inline(meaning))
        return
    cells = [[_plain(cell) for cell in row] for row in (head, *body)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    padded = [[text.ljust(width) for text, width in zip(row, widths, strict=True)] for row in cells]
    page.verbatim(["  ".join(row).rstrip() for row in padded])


_BLOCKS: "dict[str, Callable[[Page, SyntaxTreeNode], None]]" = {
    "heading": _heading,
    "paragraph": _paragraph,
    "fence": _code,
    "code_block": _code,
    "bullet_list": _list,
    "ordered_list": _list,
    "table": _table,
}


def _inline(node: "SyntaxTreeNode") -> str:
    """Roff of the text in a node: code and strong text bold, emphasis in italics, other guides as pages."""
    if node.type in _MARKS:
        return _MARKS[node.type](_plain(node))
    target = PurePath(str(node.attrs.get("href", "")))
    if target.suffix == ".md":
        return reference(f"rnngen-{target.stem}(7)")
    return "".join(map(_inline, node.children))


_MARKS: dict[str, Callable[[str], str]] = {
    "text": escaped,
    "softbreak": escaped,
    "code_inline": bold,
    "strong": bold,
    "em": italic,
}


def _plain(node: "SyntaxTreeNode") -> str:
    if node.type == "softbreak":
        return " "
    return "".join(map(_plain, node.children)) if node.children else node.content
