"""Alignments as one HTML page, with nothing outside it: point at a word, and see its weights.

``page.html`` is the page without them. Its script reads the weights from the table, which can be read without
the script too.
"""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from rnngen.plots.sheet import Grid, label, legend_of, one_line

STRONG, FAINT = 0.65, 0.05
"""The weight from which the ink of a cell is inverted, and that below which it is muted."""


def draw(alignments: Sequence[Grid], title: str) -> str:
    """Write a page that shows every alignment: both sentences, and the grid of their weights."""
    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    page = page.replace("<!--title-->", escape(one_line(title)))
    page = page.replace("<!--signs-->", escape(", ".join(legend_of(alignments))))
    sections = "".join(_section(one, number) + "\n" for number, one in enumerate(alignments, 1))
    return page.replace("<!--sections-->", sections)


def _section(alignment: Grid, number: int) -> str:
    lines = [
        f'<section aria-label="Sentence {number}">',
        _line(alignment.source, "source"),
        _line(alignment.target, "target"),
        '<output aria-live="polite"></output>',
        "<details open><summary>All weights, in percent</summary>",
        *_table(alignment),
        "</details></section>",
    ]
    return "\n".join(lines)


def _line(texts: Sequence[str], side: str) -> str:
    """Write a sentence as buttons, a word each."""
    words = (
        f'<button type="button" dir="auto" aria-pressed="false">{escape(label(text))}<span></span></button>'
        for text in texts
    )
    return (
        f'<div class="line {side}" role="group" aria-label="{side}"><b>{side}</b>'
        f'<div class="words">{" ".join(words)}</div></div>'
    )


def _table(alignment: Grid) -> Iterator[str]:
    # The box scrolls by itself where the table is too wide, so keys must be able to reach it.
    yield '<div class="scroll" tabindex="0" role="region" aria-label="Weights">'
    yield '<table aria-label="Weights in percent: a row a target word, a column a source word">'
    heads = "".join(f'<th scope="col">{escape(label(text))}</th>' for text in alignment.source)
    yield f"<thead><tr><td></td>{heads}</tr></thead><tbody>"
    for text, weights in zip(alignment.target, alignment.weights.tolist(), strict=True):
        cells = "".join(map(_cell, weights))
        yield f'<tr><th scope="row">{escape(label(text))}</th>{cells}</tr>'
    yield "</tbody></table></div>"


def _cell(weight: float) -> str:
    kind = ' class="strong"' if weight >= STRONG else ' class="faint"' if weight < FAINT else ""
    return f'<td{kind} style="--weight:{min(weight, 1.0):.3f}">{100 * weight:.0f}</td>'
