"""The text to train on: found on disk, decompressed, read and cut into examples, always as a stream.

A corpus may be larger than memory. Whatever must be known ahead (how long it is, where it splits) is learnt
in a pass of its own, and the text is read again.
"""

import hashlib
import io
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from rnngen.contracts import Chunk, Task
from rnngen.errors import CorpusError, NotFoundError

COMPRESSED = (".gz", ".zst")
"""Endings that say nothing about what is inside."""
BLOCK = 1 << 20


# ── Finding ────────────────────────────────────────────────────────────────────────────────────────────────


def find(arguments: Sequence[str], suffixes: Collection[str]) -> list[Path]:
    """The files that arguments of the command line stand for, in order.

    Args:
        arguments: each a file of any kind; a folder, searched through for ``suffixes``, hidden entries left
            out; or a pattern (``*``, ``?``, ``[…]``, ``**``).
        suffixes: the file endings that readers take, each with its dot, in lower case.

    Raises:
        NotFoundError: if an argument stands for nothing; the closest name is offered.
        CorpusError: if something is there that cannot be read.
    """
    return [_readable(path) for argument in arguments for path in _matches(argument, suffixes)]


def suffix_of(path: Path) -> str:
    """The ending that says how to read a file: in lower case, and that of ``notes.txt.gz`` is ``.txt``."""
    lower = Path(path.name.lower())
    return Path(lower.stem).suffix if lower.suffix in COMPRESSED else lower.suffix


def _matches(argument: str, suffixes: Collection[str]) -> list[Path]:
    path = Path(argument)
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return _globbed(argument)
    except OSError as error:
        raise _unreadable(path, error) from error
    if not path.is_dir():
        return [path]
    found = sorted(inside for inside in _walk(path) if suffix_of(inside) in suffixes)
    if not found:
        raise NotFoundError(
            f"{argument}: no corpus in this folder ({', '.join(sorted(suffixes))}); "
            "name files of other kinds one by one"
        )
    return found


def _walk(folder: Path) -> Iterator[Path]:
    """Every file below a folder that is not hidden, nor in a hidden folder."""

    def refuse(error: OSError) -> None:
        raise _unreadable(Path(error.filename), error) from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(place, name) for name in names if not name.startswith("."))
        yield from (path for path in paths if path.is_file())


def _globbed(argument: str) -> list[Path]:
    from glob import glob

    if not any(sign in argument for sign in "*?["):
        raise NotFoundError(f"{argument}: no such file or folder{_closest(Path(argument))}")
    matches = glob(argument, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    found = sorted(path for path in map(Path, matches) if path.is_file())
    if not found:
        raise NotFoundError(f"{argument}: no file matches this pattern; check it with ls")
    return found


def _closest(path: Path) -> str:
    from difflib import get_close_matches

    try:
        near = get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1)
    except OSError:
        return f"; there is no folder {str(path.parent)!r} either"
    return f"; did you mean {str(path.parent / near[0])!r}?" if near else ""


def _readable(path: Path) -> Path:
    if not path.is_file():
        raise CorpusError(f"{path}: neither a file nor a folder; pipe what it gives to a corpus of '-'")
    with _opened(path):
        return path


def _unreadable(path: Path, error: OSError) -> CorpusError:
    return CorpusError(f"{path}: cannot be read ({error.strerror or error}); check its permissions")


def spool(stream: BinaryIO, folder: Path) -> Path:
    """Keep a stream in a file, because training reads its corpus more than once.

    Args:
        stream: standard input, as bytes.
        folder: where to keep it; made if need be.

    Returns:
        The file, named by the SHA-256 of what is in it: the same text twice is kept once.

    Raises:
        CorpusError: if the folder cannot be written to, or the disk is full.
    """
    from tempfile import TemporaryDirectory

    digest = hashlib.sha256()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            TemporaryDirectory(dir=folder, prefix=".stdin-") as place,
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


# ── Reading ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Corpus:
    """Files, how each is read, and what an example is."""

    paths: Sequence[Path]
    """The files, in order."""
    task: Task
    """Cuts what is read into examples."""
    reader_for: Callable[[str], Callable[[BinaryIO, str], Iterator[Chunk]]]
    """From a file ending (``suffix_of``) to its reader, options already bound."""

    def chunks(self) -> Iterator[Chunk]:
        """The examples of all files in order, each file beginning a new document.

        Raises:
            CorpusError: if a file cannot be read, decompressed or decoded.
        """
        return self.task.examples(self._documents())

    def _documents(self) -> Iterator[Chunk]:
        for path in self.paths:
            read, opens = self.reader_for(suffix_of(path)), True
            with _opened(path) as raw:
                for chunk in read(_decompressed(raw), str(path)):
                    yield Chunk(chunk.text, opens or chunk.opens)
                    opens = False

    def sha256(self) -> str:
        """The digest of the files' digests: it knows bytes, order and file borders, but not names.

        Raises:
            CorpusError: if a file cannot be read.
        """
        whole = hashlib.sha256()
        for path in self.paths:
            with _opened(path) as raw:
                whole.update(hashlib.file_digest(raw, "sha256").digest())
        return whole.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    """A file's bytes; what goes wrong while they are read and decompressed is told with the file's name."""
    import zlib
    from gzip import BadGzipFile

    try:
        with path.open("rb") as raw:
            yield raw
    except (BadGzipFile, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: the compressed data is damaged ({error}); fetch it again") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _decompressed(raw: BinaryIO) -> BinaryIO:
    """What a file holds, whatever it is called: compression shows in the first bytes."""
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


# ── Measuring and splitting ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Survey:
    """What one pass over the text tells."""

    chars: int
    """Characters; where examples end by themselves, each end counts as one more."""
    examples: int
    """Documents, or whatever the task takes for an example."""
    newline: bool
    r"""Whether there is a ``\n`` within an example."""
    ends: bool = False
    """Whether examples end by themselves."""
    last: int = 0
    """The position, in ``chars``, at which the last example opens."""


def survey(chunks: Iterable[Chunk], ends: bool = False, name: str = "the corpus") -> Survey:
    """Measure a text in one pass, keeping nothing of it.

    Args:
        chunks: the examples.
        ends: whether they end by themselves.
        name: what the text is called, for messages.

    Raises:
        CorpusError: if there is not one character.
    """
    chars = examples = last = 0
    newline = False
    for chunk in chunks:
        if chunk.opens:
            examples, last, chars = examples + 1, chars, chars + ends
        chars += len(chunk.text)
        newline = newline or "\n" in chunk.text
    if chars == examples * ends:
        raise CorpusError(f"{name} is empty: not one character was read; check that this is the text")
    return Survey(chars, examples, newline, ends, last)


def split_at(survey: Survey, fraction: float) -> int:
    """Where the held-out part begins, in the survey's characters.

    Where examples end by themselves and there are two or more, each part gets one at least.

    Args:
        survey: of the whole text.
        fraction: how much of its end to hold out, from 0 to 1.
    """
    cut = int(survey.chars * (1 - fraction))
    if not survey.ends:
        return cut
    # an example goes where it opens: one opens at 0, the last at ``last``
    return max(1, min(cut, survey.last) if fraction > 0 and survey.examples > 1 else cut)


def head(chunks: Iterable[Chunk], cut: int, ends: bool) -> Iterator[Chunk]:
    """The text before ``cut``; where examples end by themselves, whole ones, all that open before it."""
    for position, chunk in _placed(chunks, ends):
        if position >= cut:
            return
        yield chunk if ends else Chunk(chunk.text[: cut - position], chunk.opens)


def tail(chunks: Iterable[Chunk], cut: int, ends: bool) -> Iterator[Chunk]:
    """The rest of what ``head`` gives; where it begins, a document opens."""
    first = True
    for position, chunk in _placed(chunks, ends):
        text = chunk.text if ends else chunk.text[max(0, cut - position) :]
        if text and (position >= cut or not ends):
            yield Chunk(text, chunk.opens or first)
            first = False


def _placed(chunks: Iterable[Chunk], ends: bool) -> Iterator[tuple[int, Chunk]]:
    """Chunks with the position that decides for them: their own or, with ``ends``, their example's."""
    position = opened = 0
    for chunk in chunks:
        if chunk.opens:
            opened, position = position, position + ends
        yield opened if ends else position, chunk
        position += len(chunk.text)
