"""Word documents and PDF."""

import io
import logging
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

from rnngen.contracts import Chunk
from rnngen.errors import CorpusError


def read_docx(stream: BinaryIO, name: str, options: object) -> Iterator[Chunk]:  # noqa: ARG001
    """Read one document: a paragraph on a line, a row of a table on a line.

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
        lines = [line for part in document.iter_inner_content() for line in _lines(part)]
    except (*package, *content) as error:
        raise CorpusError(f"{name}: not a Word document (.docx) that can be read; save it anew") from error
    yield Chunk("".join(f"{line}\n" for line in lines), True)


def _lines(part: Any) -> Iterator[str]:
    if hasattr(part, "rows"):
        met = set[Any]()
        for row in part.rows:
            cells = {cell._tc: cell for cell in row.cells if cell._tc not in met}  # merged ones come again
            met |= cells.keys()
            yield "\t".join(cell.text.replace("\n", " ") for cell in cells.values())
    else:
        yield part.text


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
