"""The options of tokenizers, tasks and readers, apart so that listing these imports nothing heavy."""

import re
from dataclasses import dataclass
from typing import Literal

from rnngen.options import require, require_range, unescape


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
    require(size is None or size <= 1 << 24, f"vocab_size={size}: no more than 16,777,216 expected")


@dataclass(frozen=True)
class TextReaderOptions:
    """Options of the reader ``text``."""

    encoding: str = "utf-8"
    """The encoding of the file, by Python's name for it."""


@dataclass(frozen=True)
class JSONLinesOptions:
    """Options of the readers ``jsonl`` and ``json``."""

    field: str = "text"
    """The key of each object that holds the text; dots reach into nested objects."""
    source_field: str | None = None
    """The key that holds the source, for the task ``pairs``, or the label, for ``labelled``."""
    encoding: str = "utf-8"
    """The encoding of the file, by Python's name for it."""


@dataclass(frozen=True)
class TableOptions:
    """Options of the readers ``csv`` and ``tsv``."""

    field: str | None = None
    """The column of the text: its name in the header, or its number from 1."""
    source_field: str | None = None
    """The column of the source, for the task ``pairs``, or of the label, for ``labelled``."""
    beside: Literal["source", "label"] | None = None
    """The kind of text that the task needs beside it; without names, it is the first of two columns."""
    header: bool | None = None
    """True if the first row names the columns; recognised if not given."""
    encoding: str = "utf-8"
    """The encoding of the file, by Python's name for it."""


@dataclass(frozen=True)
class DocumentsOptions:
    """Options of the task ``documents``."""

    separator: str | None = "blank"
    r"""The text between documents in a file: blank (blank lines), none (a file is one document), re: and a
    regular expression, or any other, with \n and \t."""

    def __post_init__(self) -> None:
        require(self.separator not in ("", "re:"), "separator: some text between documents expected, or none")
        try:
            self.pattern  # noqa: B018  # refuses what is no expression
        except re.error as error:
            raise ValueError(f"separator={self.separator}: no regular expression ({error})") from error

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """The expression that separators match; None where there are none."""
        if self.separator is None:
            return None
        if self.separator == "blank":
            return re.compile(r"\n(?:[^\S\n]*\n)+")
        if self.separator.startswith("re:"):
            return re.compile(self.separator.removeprefix("re:"), re.MULTILINE)
        return re.compile(_literal(unescape(self.separator).replace("\r\n", "\n")), re.MULTILINE)

    @property
    def written(self) -> str:
        """The text to write between documents; a blank line where it cannot be the separator."""
        if self.separator is None or self.separator == "blank" or self.separator.startswith("re:"):
            return "\n\n"
        return unescape(self.separator)


def _literal(text: str) -> str:
    r"""Return an expression for a text: its line ends match CRLF too, at its edges the borders of a file."""
    end, pattern = r"\r?\n", r"\r?\n".join(map(re.escape, text.split("\n")))
    if not text.strip("\n"):
        return pattern
    if text.startswith("\n"):
        pattern = f"(?:{end}|^){pattern.removeprefix(end)}"
    return rf"{pattern.removesuffix(end)}(?:{end}|\Z)" if text.endswith("\n") else pattern
