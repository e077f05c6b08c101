"""The token store: a text as token ids on disk, memory-mapped, so that a corpus need not fit in memory.

::

    tokens   end a b c … end d e f … end g h … end       every example behind the ``end`` token, one to close
    starts    0           4           8         11       int64: where each example's ``end`` is, and the last

``starts`` separates examples; the last ``end`` is the target of the last example's last prediction. Sources
are a store of their own, beside that of the targets, with as many examples.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Chunk, Tokenizer
from rnngen.errors import ModelError
from rnngen.registry.components import Tokenizers
from rnngen.store.checkpoint import sync_folder, write_text

VERSION = 1
"""Version of the layout on disk."""
HEADER = "store.json"
"""The file that names the others: replacing it is what makes a new store take effect."""
SEGMENT = 1 << 20
"""Characters that are encoded at once, if there is a good place to cut."""
LIMIT = 4 * SEGMENT
"""Characters after which a text is cut, good place or not."""


@dataclass(frozen=True)
class TokenStore:
    """Token ids on disk, with the borders of the examples."""

    tokens: NDArray[np.unsignedinteger[Any]]
    """(N,) memory-mapped ids, uint16 or uint32."""
    starts: NDArray[np.int64]
    """(examples + 1,) memory-mapped: the index of each example's opening ``end``, and of the closing one."""
    chars: int
    """Characters of the text; ends are not counted."""
    vocabulary: int
    """V, of the tokenizer that made the ids."""
    source: "TokenStore | None" = None
    """The sources, one an example; None where examples have none."""
    tally: NDArray[np.int64] | None = None
    """(V,) occurrences of each token, where the header holds them."""

    def __len__(self) -> int:
        """Return the number of tokens, ends included."""
        return len(self.tokens)

    @property
    def examples(self) -> int:
        """Number of examples (documents, lines …)."""
        return len(self.starts) - 1

    @property
    def text_tokens(self) -> int:
        """Number of tokens that stand for text: all but the ends."""
        return len(self.tokens) - len(self.starts)

    def prefix(self, length: int) -> Self:
        """Return the first ``length`` tokens as a store of their own; its ``chars`` are in proportion.

        Where examples have sources only whole ones are taken, at least one.
        """
        if length >= len(self):
            return self
        if self.source is not None:
            examples = max(1, int(np.searchsorted(self.starts, length, "right")) - 1)
            return replace(self._first(examples), source=self.source._first(examples))
        inside = self.starts[: int(np.searchsorted(self.starts, length, "left"))]
        tokens = np.concatenate([self.tokens[:length], self.tokens[:1]])
        return self._part(tokens, np.append(inside, length))

    def _first(self, examples: int) -> Self:
        starts = self.starts[: examples + 1]
        return self._part(self.tokens[: int(starts[-1]) + 1], starts)

    def _part(self, tokens: NDArray[Any], starts: NDArray[np.int64]) -> Self:
        text = len(tokens) - len(starts)
        chars = round(self.chars * text / max(1, self.text_tokens))
        return replace(self, tokens=tokens, starts=starts, chars=chars, tally=None)

    def counts(self, vocabulary: int) -> NDArray[np.int64]:
        """Return the occurrences of each token, (V,)."""
        if self.tally is not None and len(self.tally) == vocabulary:
            return self.tally.copy()
        return _counts(self.tokens, vocabulary)

    def example(self, number: int) -> NDArray[np.unsignedinteger[Any]]:
        """Return the tokens of one example, without the ends around them."""
        return self.tokens[self.starts[number] + 1 : self.starts[number + 1]]

    @classmethod
    def write(cls, folder: Path, chunks: Iterable[Chunk], tokenizer: Tokenizer) -> Self:
        """Encode a text into a folder, holding a few million characters at a time.

        A store that is already there stays readable until the new one is complete and on the disk; then it
        is replaced in one step. The tokenizer's V decides between uint16 and uint32.
        """
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=folder, prefix=".writing-") as place:
            header, old = _encode_into(Path(place), chunks, tokenizer), set()
            with suppress(ModelError):  # none is there, or a damaged one
                old = set(_read_header(folder)["files"])
            for name in header["files"]:
                Path(place, name).replace(folder / name)
        sync_folder(folder)  # the arrays are there for good before the header names them
        write_text(folder / HEADER, json.dumps(header))
        for name in old.difference(header["files"]):
            (folder / name).unlink(missing_ok=True)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map a store into memory.

        Raises:
            ModelError: if there is none, or a file is damaged or cut short; it is named.
        """
        header = _read_header(folder)
        kind = np.dtype(_id_type(header["vocabulary"]))
        tokens = _mapped(folder / header["files"][0], kind, header["tokens"])
        starts = _mapped(folder / header["files"][1], np.dtype("<i8"), header["examples"] + 1)
        if starts[0] != 0 or starts[-1] != len(tokens) - 1:
            raise _damaged(folder / header["files"][1], "its borders do not fit the tokens")
        return cls(tokens, starts, header["chars"], header["vocabulary"], tally=_tally(header, folder))


def write_store(
    folder: Path, read: Callable[[], Iterable[Chunk]], tokenizers: Tokenizers, *, has_source: bool
) -> TokenStore:
    """Encode a text, and its sources into another folder beside it; ``read`` is called once for each."""
    TokenStore.write(folder, read(), tokenizers.target)
    if has_source:
        TokenStore.write(_source_folder(folder), sources_of(read()), tokenizers.source)
    return open_store(folder, has_source=has_source)


def open_store(folder: Path, *, has_source: bool) -> TokenStore:
    """Open what ``write_store`` wrote."""
    store = TokenStore.open(folder)
    return replace(store, source=TokenStore.open(_source_folder(folder))) if has_source else store


def sources_of(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the sources of examples, as texts of their own."""
    return (Chunk(chunk.source, True) for chunk in chunks)


def _source_folder(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-source")


# ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────


def _encode_into(place: Path, chunks: Iterable[Chunk], tokenizer: Tokenizer) -> dict[str, Any]:
    """Write the arrays, and return the header that names them."""
    vocabulary, chars = len(tokenizer.pieces), 0
    end = np.array([tokenizer.eos_id])
    with _Column(place, "tokens", _id_type(vocabulary)) as tokens, _Column(place, "starts", "<i8") as starts:
        for text, starts_document, *_ in segments(chunks):
            if starts_document:
                starts.append(np.array([tokens.length]))
                tokens.append(end)
            tokens.append(tokenizer.encode(text))
            chars += len(text)
        starts.append(np.array([tokens.length]))
        tokens.append(end)
    return {
        "version": VERSION,
        "vocabulary": vocabulary,
        "tokens": tokens.length,
        "examples": starts.length - 1,
        "chars": chars,
        "files": [tokens.path.name, starts.path.name],
        "tally": _counts(np.load(tokens.path, mmap_mode="r"), vocabulary).tolist(),
    }


def _id_type(vocabulary: int) -> str:
    return "<u2" if vocabulary <= 1 << 16 else "<u4"


def _counts(tokens: NDArray[np.unsignedinteger[Any]], vocabulary: int) -> NDArray[np.int64]:
    """Count tokens in blocks, since the text may be larger than memory."""
    total = np.zeros(vocabulary, np.int64)
    for start in range(0, len(tokens), SEGMENT):
        total += np.bincount(tokens[start : start + SEGMENT], minlength=vocabulary)
    return total


class _Column:
    """An ``.npy`` file that grows: its header is written again at the end, when the length is known.

    Its name holds a digest of its content, so that a new store never writes over a file in use.
    """

    def __init__(self, place: Path, name: str, kind: str) -> None:
        self.length, self.path = 0, place / name
        self._kind, self._digest = np.dtype(kind), hashlib.sha256()

    def __enter__(self) -> Self:
        self._file = self.path.open("wb", buffering=1 << 20)
        self._write_header()
        return self

    def append(self, values: "NDArray[np.integer[Any]]") -> None:
        raw = values.astype(self._kind).tobytes()
        self._file.write(raw)
        self._digest.update(raw)
        self.length += len(values)

    def _write_header(self) -> None:
        about = {"descr": self._kind.str, "fortran_order": False, "shape": (self.length,)}
        np.lib.format.write_array_header_1_0(self._file, about)  # padded: of one size, whatever the length

    def __exit__(self, kind: type[BaseException] | None, _: object, trace: TracebackType | None) -> None:
        with self._file as file:
            if kind is None:
                file.seek(0)
                self._write_header()
                file.flush()
                os.fsync(file.fileno())
        if kind is None:
            name = f"{self.path.name}-{self._digest.hexdigest()[:16]}.npy"
            self.path = self.path.rename(self.path.with_name(name))


# ── Segments ───────────────────────────────────────────────────────────────────────────────────────────────


def segments(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Join chunks and cut them anew, so that the tokens are nearly those of the uncut text.

    A segment is about ``SEGMENT`` characters, or a whole example where that is shorter.
    """
    held, starts_document, goal = "", True, SEGMENT
    for piece in _pieces(chunks):
        if piece.starts_document:
            if held:
                yield Chunk(held, starts_document)
            held, starts_document, goal = "", True, SEGMENT
        held += piece.text
        while len(held) >= goal:
            if cut := _cut(held):
                yield Chunk(held[:cut], starts_document)
                held, starts_document, goal = held[cut:], False, SEGMENT
            else:
                goal += SEGMENT  # look again when there is that much more
    if held:
        yield Chunk(held, starts_document)


def _pieces(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the same text with no chunk longer than a segment."""
    for text, starts_document, *_ in chunks:
        for at in range(0, len(text), SEGMENT):
            yield Chunk(text[at : at + SEGMENT], starts_document and at == 0)


def _cut(text: str) -> int:
    r"""Return where to cut, 0 for not yet: after a ``\n`` that is all the white space between two words.

    Byte-level pre-tokenizers split there anyway, so that the tokens are those of the uncut text.
    """
    at = text.rfind("\n", 1, len(text) - 1)
    while at > 0 and (text[at - 1].isspace() or text[at + 1].isspace()):
        at = text.rfind("\n", 1, at)
    if at > 0:
        return at + 1
    return LIMIT if len(text) >= LIMIT else 0


# ── Opening ────────────────────────────────────────────────────────────────────────────────────────────────


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER
    try:
        header: dict[str, Any] = json.loads(path.read_bytes())
        version = header["version"]
        numbers = [header[name] for name in ("tokens", "examples", "chars", "vocabulary")]
        first, second = header["files"]
    except OSError as error:
        raise ModelError(
            f"{path}: no token store here ({error.strerror}); prepare the corpus again"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if version != VERSION:
        raise ModelError(f"{path}: layout {version} of another rnngen; prepare the corpus again")
    if not all(isinstance(number, int) for number in numbers) or not isinstance(first + second, str):
        raise _damaged(path, "an entry is not what it should be")
    return header


def _tally(header: dict[str, Any], folder: Path) -> NDArray[np.int64] | None:
    """Return the counts of a header; older ones have none."""
    if header.get("tally") is None:
        return None
    try:
        counts = np.array(header["tally"], np.int64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _damaged(folder / HEADER, str(error)) from error
    if counts.shape != (header["vocabulary"],) or counts.sum() != header["tokens"] or counts.min() < 0:
        raise _damaged(folder / HEADER, "its counts do not fit the tokens")
    return counts


def _mapped(path: Path, kind: "np.dtype[Any]", length: int) -> NDArray[Any]:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise _damaged(path, str(error)) from error
    if array.dtype != kind or array.shape != (length,):
        raise _damaged(path, f"{array.dtype}{list(array.shape)} where {kind}[{length}] belongs")
    return np.asarray(array)  # slices of a memmap are slow to make


def _damaged(path: Path, reason: str) -> ModelError:
    return ModelError(f"{path}: the token store is damaged ({reason}); prepare the corpus again")
