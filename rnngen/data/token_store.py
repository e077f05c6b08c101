"""The token store: a text as token ids on disk, memory-mapped, so that a corpus need not fit in memory.

::

    tokens   end a b c … end d e f … end g h … end       every example behind the ``end`` token, one to close
    starts    0           4           8         11       int64: where each example's ``end`` is, and the last

``starts`` separates examples; the last ``end`` is the target of the last example's last prediction. Sources
are a store of their own, beside that of the targets, with as many examples.
"""

import hashlib
import io
import json
import os
import re
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Chunk, Tokenizer
from rnngen.errors import ModelError
from rnngen.registry.components import Tokenizers
from rnngen.store.checkpoint import read_sealed, sync_folder, write_sealed

VERSION = 1
"""Version of the layout on disk."""
HEADER = "store.json"
"""The file that names the others: replacing it is what makes a new store take effect."""
NAME = re.compile(r"(?:tokens|starts)-([0-9a-f]{16})\.npy")
"""The names of the others: nothing outside the folder, and a digest of their content."""
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

    def spread(self, length: int, *, whole: bool) -> Self:
        """Return about ``length`` tokens from all over as a store of their own.

        They are ``whole`` examples, one at least, drawn alike at each call; or the beginnings of all
        documents, the same share of each. Of a single document that is the prefix.
        """
        if length >= len(self) or (self.examples == 1 and self.source is None):
            return self.prefix(length)
        lengths = np.diff(self.starts)
        if not whole:
            cut = np.maximum(2, lengths * length // len(self))  # a token and the end before it
            return self._chosen(np.arange(self.examples), np.minimum(cut, lengths))
        order = np.random.default_rng(0).permutation(self.examples)
        fit = int(np.searchsorted(lengths[order].cumsum(), length, "right"))
        return self.part(np.sort(order[: max(1, fit)]))

    def part(self, numbers: NDArray[np.int64]) -> Self:
        """Return the examples of some numbers as a store of their own."""
        chosen = self._chosen(numbers, np.diff(self.starts)[numbers])
        return chosen if self.source is None else replace(chosen, source=self.source.part(numbers))

    def _chosen(self, numbers: NDArray[np.int64], lengths: NDArray[np.int64]) -> Self:
        """Return the beginnings of some examples; a length counts the end before the example."""
        spans = zip(self.starts[numbers], lengths, strict=True)
        tokens = np.concatenate([*(self.tokens[at : at + length] for at, length in spans), self.tokens[:1]])
        return self._part(tokens, np.concatenate([[0], lengths.cumsum()]))

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
        with _writing(folder, tokenizer) as writer:
            for text, starts_document, *_ in segments(chunks):
                writer.add(tokenizer.encode(text), len(text), starts_document=starts_document)
        return cls.open(folder)

    @classmethod
    def open(cls, folder: Path, *, verify: bool = False) -> Self:
        """Map a store into memory; ``verify`` reads all of it, and compares its digests.

        Raises:
            ModelError: if there is none, or a file is damaged or cut short; it is named.
        """
        header = _read_header(folder)
        kind = np.dtype(_id_type(header["vocabulary"]))
        columns = [(kind, header["tokens"]), (np.dtype("<i8"), header["examples"] + 1)]
        if verify:
            read_sealed(folder / HEADER)
            for name, column in zip(header["files"], columns, strict=True):
                _verify(folder / name, *column)
        tokens, starts = (
            _mapped(folder / name, *column) for name, column in zip(header["files"], columns, strict=True)
        )
        if starts[0] != 0 or starts[-1] != len(tokens) - 1:
            raise _damaged(folder / header["files"][1], "its borders do not fit the tokens")
        return cls(tokens, starts, header["chars"], header["vocabulary"], tally=_tally(header, folder))


class Written(NamedTuple):
    """A store of examples with sources, and what became of them."""

    store: TokenStore
    lengths: NDArray[np.int64]
    """Tokens on the longer side of every example, those included that were left out."""


def write_pairs(
    folder: Path, chunks: Iterable[Chunk], tokenizers: Tokenizers, limit: int | None = None
) -> Written:
    """Encode examples and their sources, these into another folder beside it, in one pass.

    Examples with more than ``limit`` tokens on a side are left out.
    """
    lengths, own, other = array("q"), _writing(folder, tokenizers.target), _source_folder(folder)
    with own as targets, _writing(other, tokenizers.source) as sources:
        for chunk in joined(chunks):
            text, source = tokenizers.target.encode(chunk.text), tokenizers.source.encode(chunk.source)
            lengths.append(max(len(text), len(source)))
            if limit is None or lengths[-1] <= limit:
                targets.add(text, len(chunk.text))
                sources.add(source, len(chunk.source))
    return Written(open_store(folder, has_source=True), np.array(lengths, np.int64))


def fitting(chunks: Iterable[Chunk], tokenizers: Tokenizers, limit: int) -> Iterator[Chunk]:
    """Yield the examples that ``write_pairs`` does not leave out."""
    for chunk in joined(chunks):
        sides = tokenizers.target.encode(chunk.text), tokenizers.source.encode(chunk.source)
        if max(map(len, sides)) <= limit:
            yield chunk


def joined(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield every example as one chunk."""
    held: Chunk | None = None
    for chunk in chunks:
        if held and not chunk.starts_document:
            held = held._replace(text=held.text + chunk.text)
            continue
        if held:
            yield held
        held = chunk
    if held:
        yield held


def open_store(folder: Path, *, has_source: bool, verify: bool = False) -> TokenStore:
    """Open what ``TokenStore.write`` or, with sources, ``write_pairs`` wrote."""
    store = TokenStore.open(folder, verify=verify)
    if not has_source:
        return store
    return replace(store, source=TokenStore.open(_source_folder(folder), verify=verify))


def sources_of(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield the sources of examples, as texts of their own."""
    return (Chunk(chunk.source, True) for chunk in chunks if chunk.starts_document)


def _source_folder(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-source")


# ── Writing ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Writer:
    """The arrays of a store while they grow."""

    tokens: "_Column"
    starts: "_Column"
    end: NDArray[np.int64]
    chars: int = 0

    def add(self, ids: "NDArray[np.integer[Any]]", chars: int, *, starts_document: bool = True) -> None:
        """Append tokens, to a new example or to the last."""
        if starts_document:
            self.close_example()
        self.tokens.append(ids)
        self.chars += chars

    def close_example(self) -> None:
        """Append an end, where the next example begins."""
        self.starts.append(np.array([self.tokens.length]))
        self.tokens.append(self.end)

    def header(self, vocabulary: int) -> dict[str, Any]:
        """Return the header that names the arrays, once they are closed."""
        return {
            "version": VERSION,
            "vocabulary": vocabulary,
            "tokens": self.tokens.length,
            "examples": self.starts.length - 1,
            "chars": self.chars,
            "files": [self.tokens.path.name, self.starts.path.name],
            "tally": _counts(np.load(self.tokens.path, mmap_mode="r"), vocabulary).tolist(),
        }


@contextmanager
def _writing(folder: Path, tokenizer: Tokenizer) -> Iterator[_Writer]:
    """Write a store into a folder.

    One that is already there stays readable until the new one is complete and on the disk; then it is
    replaced in one step. After an error nothing has changed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = len(tokenizer.pieces)
    with TemporaryDirectory(dir=folder, prefix=".writing-") as name:
        place = Path(name)
        with (
            _Column(place, "tokens", _id_type(vocabulary)) as tokens,
            _Column(place, "starts", "<i8") as starts,
        ):
            writer = _Writer(tokens, starts, np.array([tokenizer.eos_id]))
            yield writer
            writer.close_example()
        header, old = writer.header(vocabulary), set()
        with suppress(ModelError):  # none is there, or a damaged one
            old = set(_read_header(folder)["files"])
        for array_name in header["files"]:
            (place / array_name).replace(folder / array_name)
    sync_folder(folder)  # the arrays are there for good before the header names them
    write_sealed(folder / HEADER, header)
    for array_name in old.difference(header["files"]):
        (folder / array_name).unlink(missing_ok=True)


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

    HELD = 1 << 14
    """Values that are written at once: examples may be a few letters each."""

    def __init__(self, place: Path, name: str, kind: str) -> None:
        self.length, self.path = 0, place / name
        self._held: list[NDArray[np.integer[Any]]] = []
        self._written = 0
        self._kind, self._digest = np.dtype(kind), hashlib.sha256()

    def __enter__(self) -> Self:
        self._file = self.path.open("wb", buffering=1 << 20)
        self._write_header()
        return self

    def append(self, values: "NDArray[np.integer[Any]]") -> None:
        self._held.append(values)
        self.length += len(values)
        if self.length - self._written >= self.HELD:
            self._write_held()

    def _write_held(self) -> None:
        held = [np.empty(0, self._kind), *self._held]
        raw = np.concatenate(held, dtype=self._kind, casting="unsafe").tobytes()
        self._file.write(raw)
        self._digest.update(raw)
        self._held, self._written = [], self.length

    def _write_header(self) -> None:
        self._file.write(_npy_header(self._kind, self.length))

    def __exit__(self, kind: type[BaseException] | None, _: object, trace: TracebackType | None) -> None:
        with self._file as file:
            if kind is None:
                self._write_held()
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
        named = NAME.fullmatch(first) and NAME.fullmatch(second)
    except OSError as error:
        raise ModelError(
            f"{path}: no token store here ({error.strerror}); prepare the corpus again"
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if version != VERSION:
        raise ModelError(f"{path}: layout {version} of another rnngen; prepare the corpus again")
    if not all(isinstance(number, int) for number in numbers) or not named:
        raise _damaged(path, "an entry is not what it should be")
    return header


def _verify(path: Path, kind: "np.dtype[Any]", length: int) -> None:
    """Compare an array with its digest, its name; read as a file, it does not count as memory in use."""
    header = _npy_header(kind, length)
    try:
        with path.open("rb") as file:
            same = file.read(len(header)) == header
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _damaged(path, str(error)) from error
    found = NAME.fullmatch(path.name)
    if not same or not found or found[1] != digest[:16]:
        raise _damaged(path, "it is not what was written")


def _npy_header(kind: "np.dtype[Any]", length: int) -> bytes:
    """Return the header of an ``.npy`` file; it is padded to one size, whatever the length."""
    made = io.BytesIO()
    about = {"descr": kind.str, "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(made, about)
    return made.getvalue()


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
