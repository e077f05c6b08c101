"""A corpus: files decompressed, read and cut into examples, as a stream: they may exceed memory."""

import hashlib
import io
import os
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

from rnngen.builtins.line_ends import whole_lines
from rnngen.contracts import Chunk, LabelColumn, SourceTask, Task, WholeText
from rnngen.data import shipped_corpora
from rnngen.data.file_encodings import UTF8, FileEncodings, all_wrong
from rnngen.data.normalization import normalized
from rnngen.encodings import EncodingError
from rnngen.errors import CorpusError, NotFoundError, RnngenError
from rnngen.options.corpus import NormalForm
from rnngen.paths import name_of
from rnngen.store import locks


class _Line(NamedTuple):
    text: str
    place: str
    """The file and the number of the line or of the record, for messages."""


@dataclass(frozen=True)
class Corpus:
    """Files in order, the reader of each, and the task that cuts them into examples."""

    paths: Sequence[Path]
    task: Task
    reader_for: Callable[[Path], Callable[[BinaryIO, str], Iterator[Chunk]]]
    """Returns the reader for a file, options already bound."""
    sources: Sequence[Path] = ()
    """Files with the sources of ``paths``, line by line; none where examples have no sources, or where these
    are in the same files."""
    encodings: FileEncodings = UTF8
    """The encodings of the files, for messages."""
    normalize: NormalForm | None = None
    """The Unicode normal form that text and sources are brought to."""
    watch: Callable[[Path, int, int], None] | None = None
    """Called while files are read: with the file, the characters of a part, and the bytes read up to it."""
    label_column: LabelColumn = field(default_factory=LabelColumn)
    """The column of labels in tables, the same in all files."""

    def chunks(self) -> Iterator[Chunk]:
        """Yield the examples of all files in order, each file beginning a new document.

        Raises:
            CorpusError: if a file cannot be read, decompressed or decoded, or is not as the task needs it.
        """
        try:
            yield from self._chunks()
        except EncodingError as error:
            raise self._all_wrong(error) from error

    def _chunks(self) -> Iterator[Chunk]:
        if self.sources:
            both = self._checked(_side_by_side(self._lines(self.sources), self._lines(self.paths)))
            try:
                yield from self.task.examples(both)
            except ValueError as error:
                names = ", ".join(map(name_of, (*self.sources, *self.paths)))
                raise CorpusError(f"{names}: {error}") from error
            return
        for path in self.paths:
            try:
                yield from self.task.examples(self._document(path))
            except ValueError as error:
                raise CorpusError(f"{name_of(path)}: {error}") from error

    def _lines(self, paths: Sequence[Path]) -> Iterator[_Line]:
        r"""Yield every line of some files, empty ones too; a file's last one with or without its ``\n``."""
        for path in paths:
            name = name_of(path)
            try:
                found = whole_lines(self._document(path), lambda chunk: chunk.is_record)
                for number, line in enumerate(found, start=1):
                    noun, text = ("line", line) if isinstance(line, str) else ("record", line.text)
                    yield _Line(text.removesuffix("\r"), f"{name}: {noun} {number}")
            except ValueError as error:
                raise CorpusError(f"{name}: {error}") from error

    def _document(self, path: Path) -> Iterator[Chunk]:
        read, starts_document, records = self.reader_for(path), True, 0
        whole = WholeText(self.label_column, by_line=bool(self.sources))
        with opened(path) as raw:
            chunks = whole.read(read(decompressed(raw), name_of(path)))
            for chunk in normalized(chunks, self.normalize):
                if chunk.source:
                    records += 1
                    self._check(chunk.source, f"line {chunk.line}" if chunk.line else f"record {records}")
                _check_characters(chunk, name_of(path))
                yield chunk._replace(starts_document=starts_document or chunk.starts_document)
                starts_document = False
                if self.watch:
                    self.watch(path, len(chunk.text), raw.tell())

    def _checked(self, pairs: Iterable[tuple[str, Chunk]]) -> Iterator[Chunk]:
        """Yield pairs, each with the place of its source, whose sources have the form that the task needs."""
        for place, pair in pairs:
            try:
                self._check(pair.source, place)
            except ValueError as error:
                raise CorpusError(str(error)) from error
            yield pair

    def _check(self, source: str, place: str) -> None:
        """Check a source that came with its text; ``ValueError`` that names the place."""
        if isinstance(self.task, SourceTask):
            try:
                self.task.check_source(source)
            except ValueError as error:
                raise ValueError(f"{place}: {error}") from error

    def _all_wrong(self, error: EncodingError) -> CorpusError:
        """Read the other files to their end, too, and return one error for all that are wrong."""
        files = [*self.sources, *self.paths]
        errors = []
        for path in files if len(files) > 1 else []:
            try:
                deque(self._document(path), maxlen=0)
            except EncodingError as another:
                errors.append(another)
            except (RnngenError, ValueError):  # of what is reported when the encodings are right
                pass
        return all_wrong(errors or [error], files, self.encodings)

    def sha256(self) -> str:
        """Digest bytes, order and borders of the files, not names; ``CorpusError`` if one cannot be read."""
        whole = hashlib.sha256()
        for path in (*self.sources, *self.paths):
            with opened(path) as raw:
                whole.update(hashlib.file_digest(raw, "sha256").digest())
        return whole.hexdigest()


def _check_characters(chunk: Chunk, name: str) -> None:
    """Refuse halves of surrogate pairs, which stand for no character, with ``CorpusError``."""
    for text in (chunk.text, chunk.source):
        try:
            _ = text.isascii() or text.encode()
        except UnicodeEncodeError as error:
            sign, before = text[error.start], text[max(0, error.start - CONTEXT) : error.start]
            raise CorpusError(
                f"{name}: after {before!r} the text holds U+{ord(sign):04X}, half of a surrogate pair, which "
                "is no character; mend the file there, or the plugin that reads it"
            ) from error


def _side_by_side(sources: Iterator[_Line], texts: Iterator[_Line]) -> Iterator[tuple[str, Chunk]]:
    """Join line k of both, with the source's place, lines blank in both skipped.

    Raises:
        CorpusError: at the first line without a partner.
    """
    for source, text in zip_longest(sources, texts):
        if source is None or text is None:
            line, ended = (source, "texts") if source else (text, "sources")
            reason = f"has no line beside it: the {ended} end before; make both as long"
            raise CorpusError(f"{line.place} {reason}")
        blank = not source.text.strip(), not text.text.strip()
        if blank == (True, True):
            continue
        if any(blank):
            empty, other = (source, text) if blank[0] else (text, source)
            raise CorpusError(f"{empty.place} is empty, but {other.place} is not; remove both or fill it in")
        yield source.place, Chunk(text.text, True, source.text)


# ── Sources of text: files, folders and patterns, and standard input ───────────────────────────────────

COMPRESSED = (".gz", ".zst")
"""Endings of compressed files; the one before says what is inside."""
BLOCK = 1 << 20
"""Bytes that are read at a time."""
CONTEXT = 30
"""Characters before a place that a message shows."""


def find(arguments: Sequence[str], suffixes: Collection[str]) -> list[Path]:
    """Return the files that arguments of the command line stand for, in order.

    Args:
        arguments: each a file of any kind; a folder, searched through for ``suffixes``, hidden entries left
            out; a pattern (``*``, ``?``, ``[…]``, ``**``); or, where there is no such file, the name of a
            corpus that ships. Links are followed, and a file to which several lead counts once an argument.
        suffixes: the file endings that readers take, each with its dot, in lower case.

    Raises:
        NotFoundError: if an argument stands for nothing; the closest name is offered.
        CorpusError: if something is there that cannot be read.
    """
    return [_readable(path) for argument in arguments for path in _matches(argument, suffixes)]


def not_read(arguments: Sequence[str], suffixes: Collection[str]) -> dict[str, int]:
    """Return how many files in the folders among some arguments no reader takes, by their endings."""
    folders = [path for path in map(Path, arguments) if path.is_dir()]
    endings = Counter(suffix_of(inside) for folder in folders for inside in _walk(folder))
    return {ending: count for ending, count in sorted(endings.items()) if ending not in suffixes}


def suffix_of(path: Path) -> str:
    """Return the ending by which a reader is chosen: in lower case, and ``.txt`` for ``notes.txt.gz``."""
    lower = Path(path.name.lower())
    return Path(lower.stem).suffix if lower.suffix in COMPRESSED else lower.suffix


def _matches(argument: str, suffixes: Collection[str]) -> list[Path]:
    path = Path(argument)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        corpus = shipped_corpora.known().get(argument)
        return [corpus.built()] if corpus else _globbed(argument)
    except OSError as error:
        raise unreadable(path, error) from error
    if not path.is_dir():
        return [path]
    found = _once(inside for inside in _walk(path) if suffix_of(inside) in suffixes)
    if not found:
        raise NotFoundError(
            f"{argument}: no corpus in this folder ({', '.join(sorted(suffixes))}); "
            "name files of other kinds one by one"
        )
    return found


def _walk(top: Path) -> Iterator[Path]:
    """Yield every file below a folder that is not hidden, nor in a hidden folder."""
    for _, paths in _folders(top):
        yield from (path for path in paths if path.is_file())


def _folders(top: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield a folder and all below it that are not hidden, each with the paths in it that are not.

    Links are followed last, so that a folder comes once, by its own name where it has one here.
    """

    def refuse(error: OSError) -> None:
        raise unreadable(Path(error.filename), error) from error

    waiting, seen = deque([top]), set[str]()
    while waiting:
        for place, folders, names in os.walk(waiting.popleft(), onerror=refuse):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            real = os.path.realpath(place)
            if real in seen:
                folders.clear()
                continue
            seen.add(real)
            waiting += (path for name in folders if (path := Path(place, name)).is_symlink())
            yield Path(place), [Path(place, name) for name in names if not name.startswith(".")]


def _once(paths: Iterable[Path]) -> list[Path]:
    """Return files in order, each once: of several paths to a file, the one with the fewest links."""
    same: dict[tuple[int, int], list[Path]] = {}
    for path in paths:
        found = path.stat()
        same.setdefault((found.st_dev, found.st_ino), []).append(path)
    return sorted(path for group in same.values() for path in _without_links(group))


def _without_links(paths: list[Path]) -> Iterable[Path]:
    """Return one path for each file among some that may be one; hard links are files of their own."""
    if len(paths) == 1:
        return paths
    found: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (_links(path), path)):
        found.setdefault(os.path.realpath(path), path)
    return found.values()


def _links(path: Path) -> int:
    return sum(part.is_symlink() for part in (path, *path.parents))


def _globbed(argument: str) -> list[Path]:
    if not any(sign in argument for sign in "*?["):
        raise NotFoundError(f"{argument}: no such file or folder{_closest(Path(argument))}")
    found = _once(path for path in _expanded(Path(argument).parts) if path.is_file())
    if not found:
        raise NotFoundError(f"{argument}: no file matches this pattern; check it with ls")
    return found


def _expanded(parts: tuple[str, ...]) -> Iterator[Path]:
    """Yield what the parts of a pattern match, ``**`` being a folder and all below it."""
    from glob import escape, glob

    if "**" not in parts:
        yield from map(Path, glob(str(Path(*parts))))  # noqa: PTH207 - Path.glob takes no absolute patterns
        return
    depth = parts.index("**")
    for top in _expanded(parts[:depth]):
        for folder, inside in _folders(top) if top.is_dir() else ():
            rest = parts[depth + 1 :]
            yield from _expanded((escape(str(folder)), *rest)) if rest else inside


def _closest(path: Path) -> str:
    from difflib import get_close_matches

    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return f"; there is no folder {str(path.parent)!r} either"
    names += shipped_corpora.known() if path.parent == Path() else []
    near = get_close_matches(path.name, names, n=1)
    return f"; did you mean {str(path.parent / near[0])!r}?" if near else ""


def _readable(path: Path) -> Path:
    if not path.is_file():
        raise CorpusError(f"{path}: neither a file nor a folder; pipe what it gives to a corpus of '-'")
    with opened(path):
        return path


def unreadable(path: Path, error: OSError) -> CorpusError:
    """Return the error for a file that the system does not let be read."""
    return CorpusError(f"{path}: cannot be read ({error.strerror or error}); check its permissions")


def spool(stream: BinaryIO, folder: Path) -> Path:
    """Keep a stream in a file, because training reads its corpus more than once.

    The file is named by the SHA-256 of its content: the same text twice is kept once.

    Raises:
        CorpusError: if the folder cannot be written to, or the disk is full.
    """
    from tempfile import TemporaryDirectory

    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(dir=folder, prefix=".stdin-") as place,
            locks.hold(Path(place, "lock")),  # without it, the folder is swept as that of a dead process
            Path(place, "text").open("wb") as file,
        ):
            while block := stream.read(BLOCK):
                digest.update(block)
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            return Path(place, "text").replace(folder / f"stdin-{digest.hexdigest()}.txt")
    except OSError as error:
        reason = error.strerror or error
        raise CorpusError(f"{folder}: standard input cannot be kept here ({reason}); make room") from error


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file's bytes; errors while they are read and decompressed name the file."""
    import zlib
    from gzip import BadGzipFile

    try:
        with path.open("rb") as raw:
            yield raw
    except (BadGzipFile, EOFError, zlib.error) as error:
        name = name_of(path)
        raise CorpusError(f"{name}: the compressed data is damaged ({error}); fetch it again") from error
    except OSError as error:
        raise unreadable(path, error) from error


def decompressed(raw: BinaryIO) -> BinaryIO:
    """Undo a file's compression, whatever its name: it shows in the first bytes."""
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        from gzip import GzipFile

        return cast(BinaryIO, GzipFile(fileobj=raw, mode="rb"))
    if magic == b"\x28\xb5\x2f\xfd":
        return cast(BinaryIO, io.BufferedReader(_Pieces(_zstandard(raw)), BLOCK))
    return raw


def _zstandard(raw: BinaryIO) -> Iterator[bytes]:
    """Undo Zstandard. Its own reader takes a file that was cut short for a complete one; this does not."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=1 << 31)  # what zstd --long=31 writes
    frame, block = decompressor.decompressobj(), b""
    try:
        while block := frame.unused_data or raw.read(BLOCK >> 10):
            frame = decompressor.decompressobj() if frame.eof else frame
            yield frame.decompress(block)
    except zstandard.ZstdError as error:
        raise EOFError(error) from error
    if not frame.eof:
        raise EOFError("it ends within a frame")


class _Pieces(io.RawIOBase):
    """A stream of bytes that come in pieces of any size."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._ready = pieces, memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # the stub asks for any Buffer
        while not self._ready and (piece := next(self._pieces, None)) is not None:
            self._ready = memoryview(piece)
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size
