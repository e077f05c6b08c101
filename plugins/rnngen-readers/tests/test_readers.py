"""What the readers promise: rnngen's contract, the text of each format, and errors that name file and mend."""

import io
import subprocess
import sys
import zipfile
from typing import Any

import docx
import pypdf
import pytest
from rnngen.contracts import imported
from rnngen.encodings import EncodingError
from rnngen.errors import CorpusError
from rnngen.testing import check_reader

from rnngen_readers import rnngen_readers

READERS = {spec.name: spec for spec in rnngen_readers()}
PAGE = """<!doctype html><html><head><meta charset="utf-8"><title>no text</title><style>p {}</style></head><body>
<h1>The  harbour</h1><p>It is <b>cold</b>,\n and wet.<script>let x = "<p>";</script><br>Old boats lie here.</p>
<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table><pre>  two\n  lines</pre>Šibenik 港</body></html>"""
SUBTITLES = "1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Who is</i>\r\nthere?\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,000\r\n{\\an8}Me.\r\n"
WIKI = """<mediawiki xmlns="http://www.mediawiki.org/xml/export-0.11/">
<page><title>Harbour</title><ns>0</ns><revision><text>A '''harbour''' is [[sea|water]]{{cite}} with walls.</text></revision></page>
<page><title>Port</title><ns>0</ns><redirect title="Harbour"/><revision><text>#REDIRECT</text></revision></page>
<page><title>Talk:Harbour</title><ns>1</ns><revision><text>Hello.</text></revision></page></mediawiki>"""


def read(name: str, data: bytes, **options: Any) -> list[str]:
    """The documents in the bytes of a file."""
    spec = READERS[name]
    documents: list[str] = []
    for chunk in imported(spec.load)(io.BytesIO(data), "the-file", spec.options(**options)):
        if chunk.starts_document:
            documents.append("")
        documents[-1] += chunk.text
    return documents


def epub(chapters: dict[str, str], **others: str) -> bytes:
    items = "".join(f'<item id="{key}" href="{key}.xhtml"/>' for key in chapters)
    order = "".join(f'<itemref idref="{key}"/>' for key in sorted(chapters))
    files = {
        "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="in/book.opf"/></rootfiles></container>',
        "in/book.opf": f'<package xmlns="http://www.idpf.org/2007/opf"><manifest>{items}</manifest>'
        f"<spine>{order}</spine></package>",
        **{f"in/{key}.xhtml": f"<html><body><p>{text}</p></body></html>" for key, text in chapters.items()},
        **others,
    }
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return data.getvalue()


def word() -> bytes:
    document, data = docx.Document(), io.BytesIO()
    document.add_paragraph("First.")
    table = document.add_table(1, 2)
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    document.add_paragraph("Last.")
    document.save(data)
    return data.getvalue()


def rewritten(old: str, new: str) -> bytes:
    """The Word document with other words in its XML."""
    data = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word())) as old_one, zipfile.ZipFile(data, "w") as archive:
        for path in old_one.namelist():
            text = old_one.read(path)
            archive.writestr(path, text.replace(old.encode(), new.encode()) if "document" in path else text)
    return data.getvalue()


def pdf(text: str = "", password: str = "") -> bytes:
    writer, data = pypdf.PdfWriter(), io.BytesIO()
    page = writer.add_blank_page(200, 200)
    if text:
        font = pypdf.generic.DictionaryObject(
            {
                pypdf.generic.NameObject(f"/{key}"): pypdf.generic.NameObject(f"/{value}")
                for key, value in (("Type", "Font"), ("Subtype", "Type1"), ("BaseFont", "Helvetica"))
            }
        )
        fonts = pypdf.generic.DictionaryObject({pypdf.generic.NameObject("/F"): font})
        page[pypdf.generic.NameObject("/Resources")] = pypdf.generic.DictionaryObject(
            {pypdf.generic.NameObject("/Font"): fonts}
        )
        content = pypdf.generic.DecodedStreamObject()
        content.set_data(f"BT /F 12 Tf 20 100 Td ({text}) Tj ET".encode())
        page[pypdf.generic.NameObject("/Contents")] = content
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(data)
    return data.getvalue()


SAMPLES = {
    "html": PAGE.encode(),
    "epub": epub({"a": "One.", "b": "Two."}),
    "docx": word(),
    "pdf": pdf("A harbour"),
    "subtitles": SUBTITLES.encode(),
    "wiki": WIKI.encode(),
}


@pytest.mark.parametrize("name", READERS)
def test_contract(name: str) -> None:
    check_reader(READERS[name], SAMPLES[name])


def test_a_page_is_its_visible_text() -> None:
    (text,) = read("html", PAGE.encode())
    assert text == (
        "The harbour\n\nIt is cold, and wet.\nOld boats lie here.\n\na\tb\nc\n\n  two\n  lines\n\nŠibenik 港\n"
    )


def test_lines_of_code_are_kept_whatever_marks_them() -> None:
    page = "<p>So:</p><pre><code>def <b>f</b>(x):\n    if x:\n\treturn  1\n</code></pre><p>Well  done.</p>"
    (text,) = read("html", page.encode())
    assert text == "So:\n\ndef f(x):\n    if x:\n\treturn  1\n\nWell done.\n"


@pytest.mark.parametrize(
    ("declared", "encoding"), [("utf-8", "utf-8"), ("iso-8859-2", "iso-8859-2"), ("", "utf-8")]
)
def test_a_page_is_read_in_its_encoding(declared: str, encoding: str) -> None:
    page = (
        f'<html><meta charset="{declared}"><p>Šibenik</p></html>'
        if declared
        else "<html><p>Šibenik</p></html>"
    )
    assert read("html", page.encode(encoding)) == ["Šibenik\n"]


@pytest.mark.parametrize(
    "head", ["", '<script src="a.js" charset="utf-8"></script>', '<meta charset="x-odd">']
)
def test_a_page_that_declares_no_encoding_is_in_that_of_the_option(head: str) -> None:
    page = f"<html>{head}<p>It’s déjà vu, he said, naïve as ever.</p></html>"
    assert read("html", page.encode()) == ["It’s déjà vu, he said, naïve as ever.\n"]
    assert read("html", page.encode("utf-16")) == ["It’s déjà vu, he said, naïve as ever.\n"]
    assert read("html", page.encode("cp1252"), encoding="cp1252") == [
        "It’s déjà vu, he said, naïve as ever.\n"
    ]
    with pytest.raises(EncodingError, match=r"the-file: line 1: byte 0x92 .* pass `encoding=cp1252`.*It’s"):
        read("html", page.encode("cp1252"))


def test_a_declaration_of_xml_counts_and_one_far_down_in_a_page_that_is_no_utf8() -> None:
    xml = '<?xml version="1.0" encoding="iso-8859-2"?>\n<html><p>Šibenik</p></html>'
    late = f'<html><!-- {"x" * 5000} --><meta charset="iso-8859-2"><p>Šibenik</p></html>'
    assert read("html", xml.encode("iso-8859-2")) == read("html", late.encode("iso-8859-2")) == ["Šibenik\n"]


def test_spaces_that_html_does_not_know_are_text() -> None:
    page = "<p>\u3000天地\u3000玄黃</p><p>100\xa0km,\n\t5\u202f%</p><p>\xa0</p>"
    assert read("html", page.encode()) == ["\u3000天地\u3000玄黃\n\n100\xa0km, 5\u202f%\n\n\xa0\n"]
    subtitles = SUBTITLES.replace("there?", "there\xa0?\r\n\xa0\r\n\u3000No one\u3000!")
    assert read("subtitles", subtitles.encode()) == ["Who is there\xa0? \xa0 \u3000No one\u3000!\nMe.\n"]


@pytest.mark.parametrize("tag", ["main", "nav", "aside", "address", "center", "details", "form", "fieldset"])
def test_blocks_are_on_lines_of_their_own(tag: str) -> None:
    page = f"<body>One<{tag}>two</{tag}>three<select><option>a<option>b</select></body>"
    assert read("html", page.encode()) == ["One\ntwo\nthree\na\nb\n"]


def test_a_chapter_that_is_no_utf8_is_named_with_its_book() -> None:
    book = epub({"a": "One.", "b": "It’s déjà vu."})
    old = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book)) as archive, zipfile.ZipFile(old, "w") as copy:
        for path in archive.namelist():
            copy.writestr(path, archive.read(path).decode().encode("cp1252"))
    assert read("epub", old.getvalue(), encoding="cp1252") == ["One.\nIt’s déjà vu.\n"]
    with pytest.raises(EncodingError, match=r"the-file: in/b\.xhtml: line 1: byte 0x92") as error:
        read("epub", old.getvalue())
    assert error.value.name == "the-file"


def test_a_book_is_its_chapters_in_the_order_of_its_spine() -> None:
    assert read("epub", epub({"b": "Two.", "a": "One."})) == ["One.\nTwo.\n"]


def test_a_word_document_is_its_paragraphs_and_tables_in_order() -> None:
    assert read("docx", word()) == ["First.\na\tb\nLast.\n"]
    document, data = docx.Document(), io.BytesIO()
    table = document.add_table(2, 3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "wide"
    table.cell(0, 2).merge(table.cell(1, 2)).text = "tall"
    table.cell(1, 0).text, table.cell(1, 1).text = "a", "b"
    document.save(data)
    assert read("docx", data.getvalue()) == ["wide\ttall\na\tb\n"]


def body(xml: str) -> bytes:
    """A Word document of this content."""
    document, data = docx.Document(), io.BytesIO()
    document.save(data)
    made = io.BytesIO()
    with zipfile.ZipFile(data) as archive, zipfile.ZipFile(made, "w") as copy:
        for path in archive.namelist():
            own = f"<w:document {SPACES}><w:body>{xml}<w:sectPr/></w:body></w:document>"
            copy.writestr(path, own if path == "word/document.xml" else archive.read(path))
    return made.getvalue()


SPACES = (
    'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
)
BOX = "<w:drawing><w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent></w:drawing>"


def runs(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f"<w:ins>{runs('new')}</w:ins>", "a new b"),
        (f"<w:del><w:r><w:delText>old</w:delText><w:tab/></w:r></w:del>{runs('new')}", "a new b"),
        (f"<w:moveFrom>{runs('old')}</w:moveFrom><w:moveTo>{runs('new')}</w:moveTo>", "a new b"),
        (f"<w:sdt><w:sdtPr/><w:sdtContent>{runs('new')}</w:sdtContent></w:sdt>", "a new b"),
        (f"<w:smartTag>{runs('ne')}<w:smartTag>{runs('w')}</w:smartTag></w:smartTag>", "a new b"),
        (f'<w:fldSimple w:instr="PAGE">{runs("new")}</w:fldSimple>', "a new b"),
        (f"<w:hyperlink>{runs('new')}</w:hyperlink>", "a new b"),
        (
            f"<w:r><w:ruby><w:rt>{runs('x')}</w:rt><w:rubyBase>{runs('new')}</w:rubyBase></w:ruby></w:r>",
            "a new b",
        ),
        ('<w:r><w:tab/><w:noBreakHyphen/><w:br/><w:br w:type="page"/></w:r>', "a \t-\n b"),
        (
            f"<w:r><mc:AlternateContent><mc:Choice>{BOX}</mc:Choice><mc:Fallback>{BOX}</mc:Fallback>"
            "</mc:AlternateContent></w:r>",
            "a  b\nbox",
        ),
    ],
)
def test_words_are_text_whatever_wraps_them_and_deletions_are_none(content: str, text: str) -> None:
    tabs = '<w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>'
    space = '<w:r><w:t xml:space="preserve">{}</w:t></w:r>'.format
    paragraph = f"<w:p>{tabs}{space('a ')}{content}{space(' b')}</w:p>"
    assert read("docx", body(paragraph)) == [f"{text}\n"]


def test_tables_and_paragraphs_are_text_wherever_they_stand() -> None:
    def cell(content: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{content}</w:tc>"

    def table(*rows: str) -> str:
        return f"<w:tbl>{''.join(rows)}</w:tbl>"

    one, two = (f"<w:p>{runs(text)}</w:p>" for text in ("one", "two"))
    inner = table(f"<w:tr>{cell(one)}{cell(two)}</w:tr>")
    row = f"<w:tr>{cell(inner + one)}<w:sdt><w:sdtContent>{cell(two)}</w:sdtContent></w:sdt></w:tr>"
    deleted = f"<w:tr><w:trPr><w:del/></w:trPr>{cell(one)}</w:tr>"
    wrapped = f"<w:sdt><w:sdtContent>{two}{table(row, deleted)}</w:sdtContent></w:sdt>"
    assert read("docx", body(wrapped + one)) == ["two\none two one\ttwo\none\n"]
    odd = table(*[f"<w:tr>{cell(one, '<w:vMerge/><w:gridSpan/>')}</w:tr>"] * 2)
    assert read("docx", body(odd)) == ["one\n\n"]  # a cell that goes on where there is none above


def test_a_pdf_is_its_text_layer() -> None:
    assert read("pdf", pdf("A harbour")) == ["A harbour\n"]


def test_encryption_that_needs_another_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(*_: Any) -> None:
        raise pypdf.errors.DependencyError("cryptography>=3.1 is required for AES algorithm")

    monkeypatch.setattr(pypdf, "PdfReader", lacking)
    with pytest.raises(CorpusError, match=r"the-file: cryptography.*AES.*pip install 'pypdf\[crypto\]'"):
        read("pdf", pdf("A harbour"))


def test_subtitles_are_what_is_said() -> None:
    assert read("subtitles", SUBTITLES.encode()) == ["Who is there?\nMe.\n"]
    vtt = "WEBVTT\n\nintro\n00:01.000 --> 00:02.000 align:start\n<v Ann>Hello,\nall.\n\nNOTE none\n"
    assert read("subtitles", vtt.encode()) == ["Hello, all.\n"]
    escaped = vtt.replace("Hello", "Tom &amp; &lt;Jerry&gt;&nbsp;")
    assert read("subtitles", escaped.encode()) == ["Tom & <Jerry>\xa0, all.\n"]
    assert read("subtitles", SUBTITLES.replace("Me", "R&amp;B").encode()) == ["Who is there?\nR&amp;B.\n"]
    assert read("subtitles", SUBTITLES.replace("Me", "Señor").encode("cp1252"), encoding="cp1252") == [
        "Who is there?\nSeñor.\n"
    ]


def test_a_dump_is_its_articles_without_markup_and_redirects() -> None:
    assert read("wiki", WIKI.encode()) == ["Harbour\n\nA harbour is water with walls.\n"]
    assert read("wiki", WIKI.encode(), namespace="1") == ["Talk:Harbour\n\nHello.\n"]


def test_an_article_is_a_record_which_no_blank_line_divides() -> None:
    chunks = imported(READERS["wiki"].load)(io.BytesIO(WIKI.encode()), "the-file", READERS["wiki"].options())
    assert [chunk.is_record for chunk in chunks] == [True]


BAD = {
    "a book that is locked": ("epub", epub({"a": "One."}, **{"META-INF/rights.xml": "<x/>"}), "locked"),
    "a book whose chapter is missing": (
        "epub",
        epub({"a": "One."}).replace(b"in/a.xhtml", b"in/z.xhtml"),
        "in/a.xhtml",
    ),
    "a cut archive": ("epub", SAMPLES["epub"][:200], "not an epub"),
    "a cut document": ("docx", SAMPLES["docx"][:500], "save it anew"),
    "a document without a body": ("docx", rewritten("w:body>", "w:nobody>"), "save it anew"),
    "an archive that is no document": ("docx", SAMPLES["epub"], "Word document"),
    "a pdf with pictures alone": ("pdf", pdf(), "OCR"),
    "a pdf with a password": ("pdf", pdf("x", "secret"), "password"),
    "text that is no pdf": ("pdf", b"just text", "not a PDF"),
    "text without times": ("subtitles", b"just text\n", "no subtitles"),
    "xml of another kind": ("wiki", b"<a><b/></a>", "no page of namespace 0"),
    "a cut dump": ("wiki", WIKI.encode()[:250], "not a MediaWiki dump"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_read_is_an_error_that_names_file_and_mend(kind: str) -> None:
    name, data, words = BAD[kind]
    with pytest.raises(CorpusError, match=words) as caught:
        read(name, data)
    assert str(caught.value).startswith("the-file")


def test_xml_reads_no_other_file_and_no_bomb(tmp_path: Any) -> None:
    (tmp_path / "secret").write_text("secret")
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    (text,) = read("wiki", (entity + WIKI.replace("with walls", "with &e;")).encode())
    assert "secret" not in text


def test_import_needs_no_library() -> None:
    code = "import sys, rnngen_readers; sys.exit(bool({'lxml', 'docx', 'pypdf', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
