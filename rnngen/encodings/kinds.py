"""The kinds of files that are no plain text, by their first bytes."""

ARCHIVES = {
    b"word/": "a Word document (a zip archive)",
    b"xl/": "a spreadsheet (a zip archive)",
    b"ppt/": "a presentation (a zip archive)",
    b"application/epub+zip": "an e-book (EPUB, a zip archive)",
    b"opendocument.text": "a text document (OpenDocument, a zip archive)",
    b"opendocument.spreadsheet": "a spreadsheet (OpenDocument, a zip archive)",
    b"opendocument": "an OpenDocument file (a zip archive)",
    b"index/document.iwa": "a Pages document (a zip archive)",
    b"meta-inf/": "a Java archive (a zip archive)",
}
"""Kinds of zip archives, by names within them, in lower case."""
DOCUMENTS = {b"%PDF-": "a PDF document", b"{\\rtf": "a Rich Text document (RTF)"}
"""Kinds that are made of characters, and yet are not the text that they show."""
BINARIES = {
    b"PK\x05\x06": "an empty zip archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document (.doc, .xls or .ppt)",
    b"\x1f\x8b": "data that is compressed with gzip",
    b"BZh": "data that is compressed with bzip2",
    b"\xfd7zXZ\0": "data that is compressed with xz",
    b"\x28\xb5\x2f\xfd": "data that is compressed with Zstandard",
    b"\x04\x22\x4d\x18": "data that is compressed with LZ4",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"II*\0": "a TIFF picture",
    b"MM\0*": "a TIFF picture",
    b"RIFF": "sound, a picture or a film (RIFF)",
    b"OggS": "sound (Ogg)",
    b"fLaC": "sound (FLAC)",
    b"ID3": "sound (MP3)",
    b"\xff\xfb": "sound (MP3)",
    b"MThd": "music (MIDI)",
    b"SQLite format 3": "an SQLite database",
    b"\x7fELF": "a program (ELF)",
    b"MZ": "a program (Windows)",
    b"\xca\xfe\xba\xbe": "a compiled Java class or a program (macOS)",
    b"\xcf\xfa\xed\xfe": "a program (macOS)",
    b"\0asm": "a program (WebAssembly)",
    b"wOFF": "a font",
    b"wOF2": "a font",
    b"OTTO": "a font",
    b"\0\x01\0\0\0": "a font",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"bplist": "a property list (macOS)",
    b"ITOLITLS": "an e-book (Microsoft Reader)",
    b"%!PS": "a PostScript document",
}
"""Kinds that hold bytes of no text; such a beginning alone, as ``BM``, can also be that of a text."""
WORDS = (b"BM", b"MZ", b"ID3", b"RIFF")
"""Those among them that a text may well begin with."""
PLACED = {
    (257, b"ustar"): "a tar archive",
    (4, b"ftyp"): "a film or sound (MP4)",
    (60, b"BOOKMOBI"): "an e-book (MOBI)",
}


def document(head: bytes) -> str | None:
    """Return the kind of document that a file begins as, where it cannot be plain text whatever follows."""
    return next((kind for magic, kind in DOCUMENTS.items() if head.startswith(magic)), None)


def binary(head: bytes) -> str | None:
    """Return the kind of a file that holds bytes of no text, by its beginning; None for an unknown one."""
    if head.startswith(b"PK\x03\x04"):
        names = head.lower()
        return next((kind for name, kind in ARCHIVES.items() if name in names), "a zip archive")
    placed = (kind for (place, magic), kind in PLACED.items() if head[place:].startswith(magic))
    known = (kind for magic, kind in BINARIES.items() if head.startswith(magic))
    return document(head) or next(known, None) or next(placed, None)


def like_text(head: bytes) -> bool:
    """Return whether a file may be a text though it begins as a binary: binaries of these kinds hold NULs."""
    return head.startswith(WORDS) and b"\0" not in head
