"""Token stores of texts and of their sources, and which side of the split an example lies on."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from rnngen.contracts import Chunk
from rnngen.data.token_store import TokenStore
from rnngen.registry.components import Tokenizers
from rnngen.store.config import CorpusRecord


@dataclass(frozen=True)
class Split:
    """Where the held-out text lies."""

    cut: int
    """In free text and lines: where it begins, in characters."""
    fraction: float
    """In pairs: how many are held out; their sources decide which."""

    @classmethod
    def of(cls, record: CorpusRecord) -> "Split":
        """As a model's record says."""
        return cls(record.cut, record.val_fraction)


def write_store(
    folder: Path, read: Callable[[], Iterable[Chunk]], tokenizers: Tokenizers, *, pairs: bool
) -> TokenStore:
    """Encode a text, and its sources beside it where there are any.

    Args:
        folder: that of the text; the sources' lies beside it.
        read: gives the examples, from the first each time.
        tokenizers: of both sides.
        pairs: whether there are sources.
    """
    TokenStore.write(folder, read(), tokenizers.target)
    if pairs:
        TokenStore.write(_beside(folder), sources_of(read()), tokenizers.source)
    return open_store(folder, pairs=pairs)


def open_store(folder: Path, *, pairs: bool) -> TokenStore:
    """What ``write_store`` wrote."""
    store = TokenStore.open(folder)
    return replace(store, source=TokenStore.open(_beside(folder))) if pairs else store


def _beside(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}-source")


def sources_of(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The sources of pairs, as texts of their own."""
    return (Chunk(chunk.source, True) for chunk in chunks)
