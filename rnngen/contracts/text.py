"""Text on its way to the network and back: readers, tasks, tokenizers."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Chunk(NamedTuple):
    """A piece of text on its way from a reader to the token store; a document is one chunk or more."""

    text: str
    starts_document: bool
    """True if a new document (or example) begins with this chunk."""
    source: str = ""
    """The source of the text, where examples are pairs, or its label; it comes with the chunk that begins
    one."""
    is_record: bool = False
    """True if a reader gives the whole of a record, as a cell of a table, and not a part of a file's text."""
    line: int = 0
    """The line of its file in which a record begins, for messages; 0 where a reader does not say."""


class Tokenizer(Protocol):
    """Text ↔ token ids.

    **Every token stands for fixed bytes**, ``pieces[id]``, and a text is the concatenation of its tokens'
    bytes in UTF-8: ``b"".join(pieces[i] for i in encode(text)) == text.encode()`` for *any* text. From that
    one law follow exact decoding, streaming that never breaks a character, and constraints at byte level.
    """

    pieces: Sequence[bytes]
    """The bytes of each id, V of them; the end token's are empty."""
    eos_id: int
    """The end token, between examples. ``encode`` never returns it, whatever the text."""

    def encode(self, text: str) -> "NDArray[np.integer[Any]]":
        """Return the ids of a text, as a one-dimensional integer array.

        Raises:
            CorpusError: at a lone surrogate, which has no bytes, with its offset (``rnngen.encodings.utf8``).
        """

    def to_json(self) -> str:
        """Return all that is needed to build it again, as the text of ``tokenizer.json``."""

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build it again.

        Raises:
            ValueError: if the text is not what ``to_json`` wrote.
        """

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: Any) -> Self:
        """Learn a vocabulary. The same chunks and options always give the same one.

        Args:
            chunks: the training text; it is read once, and may be larger than memory.
            options: an instance of the spec's options dataclass; ``--vocab-size`` sets its ``vocab_size``.
        """


@runtime_checkable
class ExtendableTokenizer(Tokenizer, Protocol):
    """A tokenizer whose vocabulary can grow when a model is trained further on another text.

    One without this keeps its vocabulary, and spells what is new in the tokens that it has.
    """

    def extended(self, chunks: Iterable[Chunk], options: Any) -> Self:
        """Return a tokenizer that also has tokens for what a text has and this one lacks.

        They are appended: ``pieces`` begins with the pieces of this one, and ``eos_id`` stays what it is. A
        text that this one spells without the new tokens' pieces keeps its ids.

        Args:
            chunks: the text that training goes on with; it is read once, and may be larger than memory.
            options: an instance of the spec's options dataclass, those that this one was learnt with.
        """


class Task(Protocol):
    """A learning task: how text becomes examples, and when one is finished.

    It is built as ``Task(options)``.

    ``has_eos`` decides how batches are made::

        False  free text: documents are read in parallel streams, the state carried from window to
               window and reset where a document begins; generation goes on for ever
        True   every example is read from its first token to its end token, from a fresh state;
               generation stops by itself
    """

    has_eos: bool
    """True if an example ends by itself."""
    separator: str
    """Printed between generated examples."""

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Cut a file's chunks into examples, each beginning with a chunk that ``starts_document``.

        Between examples white space may go; everything else of the text stays, in its order.

        Raises:
            ValueError: if the text is not as the task needs it; the message names the place in the file, the
                error, and the mend.
        """


@runtime_checkable
class SourceTask(Task, Protocol):
    """A task whose sources have a form of their own, as trees in brackets have.

    Sources are checked before training, evaluation and generation. Of a line that ``examples`` cuts in two it
    is the task that checks the source and names the line; everywhere else rnngen does.
    """

    def check_source(self, source: str) -> None:
        """Check a source.

        Raises:
            ValueError: if it has another form; the message names the error and the mend, and no file or line.
        """


Reader: TypeAlias = Callable[[BinaryIO, str, Any], Iterator[Chunk]]
"""``read(stream, name, options)`` yields what is in one file, without holding all of it.

``stream`` is binary and already decompressed; ``name`` is for messages. It raises ``CorpusError`` that names
the file, the byte offset or the line, and the mend.
"""
