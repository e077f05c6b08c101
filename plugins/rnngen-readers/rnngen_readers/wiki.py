"""MediaWiki dumps (pages-articles.xml): read as a stream, a page at a time, since they have gigabytes."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import mwparserfromhell
from lxml import etree
from rnngen.contracts import Chunk
from rnngen.errors import CorpusError

from rnngen_readers import WikiOptions


def read_wiki(stream: BinaryIO, name: str, options: WikiOptions) -> Iterator[Chunk]:
    """Read a document a page, its title first; redirects are left out.

    Raises:
        CorpusError: where the file is no XML, with the line; or if it has no page of the namespace.
    """
    found = False
    try:
        pages = etree.iterparse(stream, tag="{*}page", resolve_entities=False, no_network=True)
        for _, page in pages:
            if _part(page, "ns") == options.namespace and page.find("{*}redirect") is None:
                found = True
                markup = mwparserfromhell.parse(_part(page, "revision/{*}text"))
                text = f"{_part(page, 'title')}\n\n{markup.strip_code().strip()}\n"
                yield Chunk(text, True, is_record=True)
            page.clear()
            while page.getprevious() is not None:
                del page.getparent()[0]
    except etree.XMLSyntaxError as error:
        raise CorpusError(f"{name}: not a MediaWiki dump: {error}; leave it out") from error
    if not found:
        raise CorpusError(
            f"{name}: no page of namespace {options.namespace}: no MediaWiki dump, or another one"
        )


def _part(page: Any, path: str) -> str:
    return page.findtext(f"{{*}}{path}") or ""
