"""Word documents and PDF."""

import io
import logging
import zipfile
from collections.abc import Collection, Iterable, Iterator
from typing import Any, BinaryIO

from rnngen.contracts import Chunk
from rnngen.errors import CorpusError

WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
PARAGRAPH, TABLE, ROW, CELL, BOX = (f"{WORD}{name}" for name in ("p", "tbl", "tr", "tc", "txbxContent"))
LEFT_OUT = {
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",  # the same once more
    *(f"{WORD}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "rt")),
}
"""Elements whose content is no text: what was deleted or moved away, properties, and ruby."""
SIGNS = {f"{WORD}{name}": sign for name, sign in (("tab", "\t"), ("ptab", "\t"), ("cr", "\n"))} | {
    f"{WORD}noBreakHyphen": "-"
}
"""Characters that are elements."""


def read_docx(stream: BinaryIO, name: str, options: object) -> Iterator[Chunk]:  # noqa: ARG001
    """Read one document: a paragraph on a line, a row of a table on a line.

    Insertions are text and deletions are none. A text box follows the paragraph that it belongs to.

    Raises:
        CorpusError: if it is no Word document.
    """
    import docx
    from docx.opc.exceptions import PackageNotFoundError
    from docx.oxml.exceptions import InvalidXmlError
    from lxml.etree import LxmlError

    package = (PackageNotFoundError, zipfile.BadZipFile, KeyError)
    content = (LxmlError, InvalidXmlError, ValueError, AttributeError)  # the last where there is no body

    try:
        document = docx.Document(io.BytesIO(stream.read()))
        lines = [*_lines(document.element.body.iterchildren())]
    except (*package, *content) as error:
        raise CorpusError(f"{name}: not a Word document (.docx) that can be read; save it anew") from error
    yield Chunk("".join(f"{line}\n" for line in lines), True)


def _lines(blocks: Iterable[Any], between: str = "\t") -> Iterator[str]:
    """Yield the paragraphs and the rows of tables among some elements, whatever is around them."""
    for block in _nearest(blocks, {PARAGRAPH, TABLE}):
        if block.tag == TABLE:
            yield from (between.join(row) for row in _rows(block))
            continue
        yield "".join(map(_sign, _nearest(block, {f"{WORD}t", f"{WORD}br", *SIGNS}, {BOX})))
        for box in _nearest(block, {BOX}):
            yield from _lines(box)


def _rows(table: Any) -> Iterator[list[str]]:
    """Yield the cells of each row, those that a cell above goes on in left out; lines in them are words."""
    for number, row in enumerate(_nearest(table, {ROW})):
        if row.find(f"{WORD}trPr/{WORD}del") is None:
            cells = (cell for cell in _nearest(row, {CELL}) if not (number and _goes_on(cell)))
            yield [" ".join(_lines(cell, " ")).replace("\n", " ") for cell in cells]


def _goes_on(cell: Any) -> bool:
    merged = cell.find(f"{WORD}tcPr/{WORD}vMerge")
    return merged is not None and merged.get(f"{WORD}val") != "restart"


def _nearest(elements: Iterable[Any], tags: Collection[str], without: Collection[str] = ()) -> Iterator[Any]:
    """Yield the outermost elements of some kinds, in order, which others may wrap."""
    for element in elements:
        if element.tag in tags:
            yield element
        elif element.tag not in LEFT_OUT and element.tag not in without:
            yield from _nearest(element, tags, without)


def _sign(element: Any) -> str:
    if element.tag == f"{WORD}br":
        return "" if element.get(f"{WORD}type") in ("page", "column") else "\n"
    return SIGNS.get(element.tag) or element.text or ""


def read_pdf(stream: BinaryIO, name: str, options: object) -> Iterator[Chunk]:  # noqa: ARG001
    """Read one document, page by page.

    Raises:
        CorpusError: if it is no PDF, needs a password, or has pictures of text alone.
    """
    import pypdf
    from pypdf.errors import DependencyError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # no word of what it mends by itself
    try:
        file = pypdf.PdfReader(io.BytesIO(stream.read()))
        if file.is_encrypted and not file.decrypt(""):
            raise CorpusError(f"{name}: the file needs a password; save it without one")
        texts = [page.extract_text() for page in file.pages]
    except DependencyError as error:
        mend = "for an encrypted file pip install 'pypdf[crypto]', or save it without encryption"
        raise CorpusError(f"{name}: {error}; {mend}") from error
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorpusError(f"{name}: not a PDF that can be read ({error}); save it anew") from error
    if not any(text.strip() for text in texts):
        raise CorpusError(f"{name}: {len(texts)} pages without text, pictures perhaps: run OCR on it first")
    for number, text in enumerate(texts):
        yield Chunk(f"{text.rstrip()}\n", not number)
