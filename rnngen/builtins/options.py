"""The options of tokenizers and readers, apart from them so that listing them imports nothing heavy."""

from dataclasses import dataclass

from rnngen.options import require, require_range


@dataclass(frozen=True)
class VocabularyOptions:
    """Options of the tokenizers that learn a vocabulary."""

    vocab_size: int = 4096
    """Largest number of tokens; the 256 single bytes and the end token count too."""

    def __post_init__(self) -> None:
        _require_room(self.vocab_size)


@dataclass(frozen=True)
class CharOptions:
    """Options of the tokenizer ``char``."""

    vocab_size: int | None = None
    """Largest number of tokens, bytes and end included: rarer characters are spelt in bytes."""
    min_count: int | None = None
    """Occurrences that a character needs to be a token; others are spelt in bytes. If not given, 2 in scripts
    of many characters, so that training learns to spell what it has not met; else 1."""

    def __post_init__(self) -> None:
        _require_room(self.vocab_size)
        require_range("min_count", self.min_count, 1)


def _require_room(size: int | None) -> None:
    enough = size is None or size >= 257
    require(enough, f"vocab_size={size}: at least 257 are needed (256 bytes and the end)")


@dataclass(frozen=True)
class TextReaderOptions:
    """Options of the reader ``text``."""

    encoding: str = "utf-8"
    """The encoding of the file, by Python's name for it."""


@dataclass(frozen=True)
class JSONLinesOptions:
    """Options of the reader ``jsonl``."""

    field: str = "text"
    """The key of each line's object that holds the text; dots reach into nested objects."""
    source_field: str | None = None
    """The key that holds the source, for the task ``pairs``."""
    encoding: str = "utf-8"
    """The encoding of the file, by Python's name for it."""
