"""Alignments as one HTML page, with nothing outside it: point at a word, and see its weights.

The script reads the weights from the table, which can be read without the script too.
"""

from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files

from rnngen.generation.alignment import Alignment
from rnngen.plots.labels import label, legend_of, one_line

POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""Forbids the browser to load anything for the page."""
STRONG, FAINT = 0.65, 0.05
"""The weight from which the ink of a cell is inverted, and that below which it is muted."""


def draw(alignments: Sequence[Alignment], title: str) -> str:
    """Write a page that shows every alignment: both sentences, and the grid of their weights."""
    shown, signs = escape(one_line(title)), escape(", ".join(legend_of(alignments)))
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            f'<head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{shown}</title>",
            f"<style>\n{_part('page.css')}</style></head>",
            f"<body><header><h1>{shown}</h1>",
            "<p>Point at a word, tap it, or reach it with the Tab key, to see what it looks at, "
            f"in percent. A click holds it; Escape lets it go.</p>\n<p>{signs}</p></header>",
            "<main>",
            *(_section(one, number) for number, one in enumerate(alignments, 1)),
            "</main>",
            f"<script>\n{_part('page.js')}</script>",
            "</body></html>\n",
        ]
    )


def _part(name: str) -> str:
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _section(alignment: Alignment, number: int) -> str:
    return "\n".join(
        [
            f'<section aria-label="Sentence {number}">',
            _line(alignment.source, "source"),
            _line(alignment.target, "target"),
            '<output aria-live="polite"></output>',
            "<details open><summary>All weights, in percent</summary>",
            *_table(alignment),
            "</details></section>",
        ]
    )


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


def _table(alignment: Alignment) -> Iterator[str]:
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
