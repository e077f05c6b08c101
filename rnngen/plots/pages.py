"""HTML pages around pictures."""

from html import escape
from importlib.resources import files

from rnngen.plots.sheet import Picture, one_line
from rnngen.plots.svg import draw


def plain_page(title: str, body: str) -> str:
    """Write a page with nothing outside it."""
    page = files(__package__).joinpath("plain.html").read_text(encoding="utf-8")
    return page.replace("<!--title-->", escape(one_line(title))).replace("<!--body-->", body)


class Figure(Picture):
    """A picture for any kind of file: on a page it is an SVG, unless its class writes something better."""

    def body(self) -> str:
        """Write its part of a page."""
        return f'<figure class="scroll">{draw(self)}</figure>'

    def page(self) -> str:
        """Write it as one HTML page."""
        return plain_page(self.title, self.body())
