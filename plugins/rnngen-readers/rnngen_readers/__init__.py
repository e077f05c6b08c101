"""Readers of documents for rnngen: epub, html, docx, pdf, srt and vtt subtitles, and Wikipedia dumps.

Each hands the work to a library made for the format, which is imported when such a file is read. Listings
import this module: it names the readers and imports none of that.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import ReaderSpec


@dataclass(frozen=True)
class PageOptions:
    """The options of the readers ``html`` and ``epub``."""

    encoding: str = "utf-8"
    """The encoding of pages that declare none, by Python's name for it."""


@dataclass(frozen=True)
class SubtitleOptions:
    """The options of the reader ``subtitles``."""

    encoding: str = "utf-8"
    """The encoding of the file, by Python's name for it."""


@dataclass(frozen=True)
class WikiOptions:
    """The options of the reader ``wiki``."""

    namespace: str = "0"
    """The number of the namespace whose pages are read; 0 are the articles."""


@hookimpl
def rnngen_readers() -> Iterable[ReaderSpec]:
    """Return the readers."""
    return [
        ReaderSpec(
            name="html",
            summary="web pages: the text without scripts and styles",
            load="rnngen_readers.markup:read_html",
            options=PageOptions,
            suffixes=(".html", ".htm", ".xhtml"),
        ),
        ReaderSpec(
            name="epub",
            summary="books: the chapters in reading order",
            load="rnngen_readers.markup:read_epub",
            options=PageOptions,
            suffixes=(".epub",),
        ),
        ReaderSpec(
            name="docx",
            summary="Word documents: paragraphs, and tables row by row",
            load="rnngen_readers.office:read_docx",
            suffixes=(".docx",),
        ),
        ReaderSpec(
            name="pdf",
            summary="PDF: the text layer, page by page",
            load="rnngen_readers.office:read_pdf",
            suffixes=(".pdf",),
        ),
        ReaderSpec(
            name="subtitles",
            summary="SubRip and WebVTT: what is said, a line each",
            load="rnngen_readers.subtitles:read_subtitles",
            options=SubtitleOptions,
            suffixes=(".srt", ".vtt"),
        ),
        ReaderSpec(
            name="wiki",
            summary="MediaWiki dumps: the text of each article, a document each",
            load="rnngen_readers.wiki:read_wiki",
            options=WikiOptions,
            suffixes=(".xml",),
        ),
    ]
