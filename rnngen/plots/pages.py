"""HTML pages around pictures."""

from html import escape
from importlib.resources import files

from rnngen.plots.sheet import Picture, one_line
from rnngen.plots.svg import draw


def plain_page(title: str, body: str) -> str:
    """Write a page with nothing outside it."""
    page = files(__package__).joinpath("plain.html").read_text(encoding="utf-8")
    return page.replace("<!--title-->", escape(one_line(title))).replace("<!--body-->", body)


def figure(picture: Picture) -> str:
    """Return a picture as a part of a page: an SVG in it."""
    return f'<figure class="scroll">{draw(picture)}</figure>'
