"""Web pages, and books, which are web pages in a zip archive."""

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO
from urllib.parse import unquote

from lxml import etree, html
from rnngen import encodings
from rnngen.contracts import Chunk
from rnngen.errors import CorpusError

from rnngen_readers import PageOptions

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
    "main",
    "nav",
    "aside",
    "address",
    "center",
    "option",
    "summary",
    "details",
    "form",
    "fieldset",
    "legend",
}
PARAGRAPHS = {"p", "blockquote", "pre", "ul", "ol", "dl", "table", "figure", "hr"} | {
    f"h{n}" for n in range(1, 7)
}
SPACE = " \t\n\r\f"
"""White space of HTML, which flows; any other, as an ideographic or a no-break space, is text."""
META = re.compile(rb"<meta[^>]*\bcharset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
XML = re.compile(rb"\s*<\?xml[^>]*\bencoding\s*=\s*[\"'](?!utf-?(?:16|32))([\w.:-]+)", re.IGNORECASE)
HEAD = 4096
"""Bytes within which a page in UTF-8 declares another encoding, if it does."""
MARK = "\0"
"""In place of the end of a line between two elements, of which any number make one."""
KEPT = str.maketrans(" \t\n", "\x01\x02\x03")
"""In place of white space that is kept as it is."""
LARGEST = 1 << 28
"""Bytes of a file in an archive, unpacked, at most."""
CONTAINER, PACKAGE = "{urn:oasis:names:tc:opendocument:xmlns:container}", "{http://www.idpf.org/2007/opf}"


def read_html(stream: BinaryIO, name: str, options: PageOptions) -> Iterator[Chunk]:
    """Read one document.

    Raises:
        CorpusError: if there is nothing in it.
        EncodingError: at a byte that the encoding does not allow, if the page declares none.
        UsageError: if there is no such encoding.
    """
    yield Chunk(page_text(stream.read(), name, options.encoding), True)


def page_text(data: bytes, name: str, encoding: str) -> str:
    """Return the text of a page: blank lines between paragraphs, and a row of a table on a line.

    Lines of preformatted text stay as they are. The page is in ``encoding``, unless it declares another.
    """
    data, declared = _with_encoding(data, name, encoding)
    try:
        root = html.document_fromstring(data, parser=html.HTMLParser(encoding=declared))
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
    mark = rf"[{SPACE}]*{MARK}[{SPACE}{MARK}]*"
    text = re.sub(mark, lambda found: "\n\n" if "\n\n" in found[0] else "\n", text)
    text = text.strip(SPACE).translate({mark: sign for sign, mark in KEPT.items()})
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


def _with_encoding(data: bytes, name: str, encoding: str) -> tuple[bytes, str | None]:
    """Return a page, in UTF-8 if it declares nothing, and its encoding, None where the parser finds that."""
    head = data[:HEAD] if _is_utf8(data) else data
    meta, xml = META.search(head), XML.match(head)
    if meta and _is_known(meta[1].decode()):
        return data, None
    if xml and _is_known(xml[1].decode()):
        return data, xml[1].decode()
    return "".join(encodings.read(io.BytesIO(data), name, encoding)).encode(), "utf-8"


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_known(encoding: str) -> bool:
    try:
        html.HTMLParser(encoding=encoding)
    except LookupError:
        return False
    return True


def _break(tag: str, event: str) -> str:
    if tag in CELLS or tag == "br":  # they part what is beside them once
        return "\n" * (event == "start") if tag == "br" else "\t" * (event == "end")
    return "\n\n" if tag in PARAGRAPHS else MARK if tag in LINES else ""


def _flowing(text: str | None, *, kept: bool) -> str:
    if text is None:
        return ""
    return text.translate(KEPT) if kept else re.sub(f"[{SPACE}]+", " ", text)


def read_epub(stream: BinaryIO, name: str, options: PageOptions) -> Iterator[Chunk]:
    """Read one document: the chapters in the order of the book's spine.

    Raises:
        CorpusError: if it is no book, is locked, or a part is missing or too large.
        EncodingError: as ``read_html`` does.
        UsageError: if there is no such encoding.
    """
    starts = True
    try:
        with zipfile.ZipFile(io.BytesIO(stream.read())) as archive:
            if "META-INF/rights.xml" in archive.namelist():
                raise CorpusError(f"{name}: the book is locked (DRM); leave it out")
            for path in _spine(archive, name):
                yield Chunk(_chapter(archive, path, name, options.encoding), starts)
                starts = False
    except (zipfile.BadZipFile, etree.LxmlError, EOFError, NotImplementedError, RuntimeError) as error:
        raise CorpusError(f"{name}: not an epub that can be read ({error}); leave it out") from error
    if starts:
        raise CorpusError(f"{name}: the book has no chapters; leave it out")


def _chapter(archive: zipfile.ZipFile, path: str, name: str, encoding: str) -> str:
    data = _member(archive, path, name)
    try:
        return page_text(data, f"{name}: {path}", encoding)
    except encodings.EncodingError as error:  # the name is that of the file, to which encodings are given
        raise encodings.EncodingError(name, f"{path}: {error.fault}", error.mend, error.candidates) from error


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
