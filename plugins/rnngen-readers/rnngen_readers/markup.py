"""Web pages, and books, which are web pages in a zip archive."""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

from lxml import etree, html
from rnngen.contracts import Chunk
from rnngen.errors import CorpusError

HIDDEN = {"script", "style", "template", "noscript", "head", "svg", "math"}
CELLS = {"td", "th"}
LINES = {
    "li",
    "tr",
    "div",
    "dt",
    "dd",
    "caption",
    "figcaption",
    "section",
    "article",
    "header",
    "footer",
}
PARAGRAPHS = {"p", "blockquote", "pre", "ul", "ol", "dl", "table", "figure", "hr"} | {
    f"h{n}" for n in range(1, 7)
}
MARK = "\0"
"""In place of the end of a line between two elements, of which any number make one."""
KEPT = str.maketrans(" \t\n", "\x01\x02\x03")
"""In place of white space that is kept as it is."""
LARGEST = 1 << 28
"""Bytes of a file in an archive, unpacked, at most."""
CONTAINER, PACKAGE = "{urn:oasis:names:tc:opendocument:xmlns:container}", "{http://www.idpf.org/2007/opf}"


def read_html(stream: BinaryIO, name: str, options: object) -> Iterator[Chunk]:  # noqa: ARG001
    """Read one document.

    Raises:
        CorpusError: if there is nothing in it.
    """
    yield Chunk(page_text(stream.read(), name), True)


def page_text(data: bytes, name: str) -> str:
    """Return the text of a page: blank lines between paragraphs, and a row of a table on a line.

    Lines of preformatted text stay as they are. Its encoding is what the page says, or UTF-8.
    """
    encoding = None
    if re.search(rb"charset\s*=|<\?xml[^>]*encoding", data[:4096], re.IGNORECASE) is None:
        encoding = "utf-8" if _is_utf8(data) else None
    try:
        root = html.document_fromstring(data, parser=html.HTMLParser(encoding=encoding))
    except (etree.LxmlError, ValueError) as error:
        raise CorpusError(f"{name}: not a web page ({error}); leave it out") from error
    pieces: list[str] = []
    depth = 0  # of elements that keep white space
    walk = etree.iterwalk(root, events=("start", "end", "comment", "pi"))
    for event, element in walk:
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            if tag in HIDDEN:
                walk.skip_subtree()
            else:
                depth += tag == "pre"
                pieces += _break(tag, event), _flowing(element.text, kept=depth > 0)
        else:
            depth -= tag == "pre"
            pieces += _break(tag, event), _flowing(element.tail, kept=depth > 0)
    text = re.sub(r" *\t[ \t]*", "\t", re.sub(r" +", " ", "".join(pieces)))
    text = re.sub(r"[ \t]*\n[ \t]*", "\n", text)
    text = re.sub(rf"\s*{MARK}[\s{MARK}]*", lambda found: "\n\n" if "\n\n" in found[0] else "\n", text)
    text = text.strip().translate({mark: sign for sign, mark in KEPT.items()})
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _break(tag: str, event: str) -> str:
    if tag in CELLS or tag == "br":  # they part what is beside them once
        return "\n" * (event == "start") if tag == "br" else "\t" * (event == "end")
    return "\n\n" if tag in PARAGRAPHS else MARK if tag in LINES else ""


def _flowing(text: str | None, *, kept: bool) -> str:
    if text is None:
        return ""
    return text.translate(KEPT) if kept else re.sub(r"\s+", " ", text)


def read_epub(stream: BinaryIO, name: str, options: object) -> Iterator[Chunk]:  # noqa: ARG001
    """Read one document: the chapters in the order of the book's spine.

    Raises:
        CorpusError: if it is no book, is locked, or a part is missing or too large.
    """
    starts = True
    try:
        with zipfile.ZipFile(io.BytesIO(stream.read())) as archive:
            if "META-INF/rights.xml" in archive.namelist():
                raise CorpusError(f"{name}: the book is locked (DRM); leave it out")
            for path in _spine(archive, name):
                yield Chunk(page_text(_member(archive, path, name), f"{name}: {path}"), starts)
                starts = False
    except (zipfile.BadZipFile, etree.LxmlError, EOFError, NotImplementedError, RuntimeError) as error:
        raise CorpusError(f"{name}: not an epub that can be read ({error}); leave it out") from error
    if starts:
        raise CorpusError(f"{name}: the book has no chapters; leave it out")


def _spine(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    """Yield the paths of the chapters within the archive."""
    rootfile = _xml(_member(archive, "META-INF/container.xml", name)).find(f".//{CONTAINER}rootfile")
    package_path = "" if rootfile is None else rootfile.get("full-path", "")
    package = _xml(_member(archive, package_path, name))
    items = {item.get("id"): item.get("href", "") for item in package.iter(f"{PACKAGE}item")}
    for reference in package.iter(f"{PACKAGE}itemref"):
        if href := items.get(reference.get("idref")):
            yield posixpath.normpath(posixpath.join(posixpath.dirname(package_path), unquote(href)))


def _xml(data: bytes) -> Any:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))


def _member(archive: zipfile.ZipFile, path: str, name: str) -> bytes:
    try:
        if archive.getinfo(path).file_size > LARGEST:
            raise CorpusError(f"{name}: {path} has more than {LARGEST >> 20} MiB; leave it out")
        return archive.read(path)
    except KeyError:
        raise CorpusError(f"{name}: there is no {path or 'package'} in it: no epub; leave it out") from None
