"""The options of the built-ins, apart from them so that listing what there is imports nothing heavy."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VocabularyOptions:
    """Options of the tokenizers that learn a vocabulary."""

    vocab_size: int = 4096
    """How many tokens there are at most; the 256 single bytes and the end token count too."""

    def __post_init__(self) -> None:
        if self.vocab_size < 257:
            raise ValueError(f"vocab_size={self.vocab_size}: at least 257 are needed (256 bytes and the end)")


@dataclass(frozen=True)
class CharOptions:
    """Options of the tokenizer ``char``."""

    vocab_size: int | None = None
    """How many tokens at most, bytes and end included: rarer characters go by their bytes."""
    min_count: int | None = None
    """How often a character must occur to have a token of its own; others go by their bytes. If not given,
    twice in scripts of many characters, so that training learns to spell what it has not met; else once."""

    def __post_init__(self) -> None:
        if self.vocab_size is not None and self.vocab_size < 257:
            raise ValueError(f"vocab_size={self.vocab_size}: at least 257 are needed (256 bytes and the end)")
        if self.min_count is not None and self.min_count < 1:
            raise ValueError(f"min_count={self.min_count}: 1 or more expected")


@dataclass(frozen=True)
class TextReaderOptions:
    """Options of the reader ``text``."""

    encoding: str = "utf-8"
    """How the bytes of the file stand for characters, as Python names it."""


@dataclass(frozen=True)
class JSONLinesOptions:
    """Options of the reader ``jsonl``."""

    field: str = "text"
    """The key of each line's object that holds the text; dots reach into nested objects."""
    source_field: str | None = None
    """The key that holds what the text is about, for the task ``pairs``."""
    encoding: str = "utf-8"
    """How the bytes of the file stand for characters, as Python names it."""


@dataclass(frozen=True)
class TemperatureOptions:
    """Options of the filter ``temp``."""

    temperature: float = 1.0
    """Logits are divided by it: below 1 is safer, above 1 is wilder, 0 is greedy."""

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < float("inf"):
            raise ValueError(f"temperature={self.temperature}: a number of 0 or more expected")


@dataclass(frozen=True)
class TopKOptions:
    """Options of the filter ``top_k``."""

    k: int = 40
    """Keep the k most probable tokens."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"k={self.k}: at least 1 expected")


@dataclass(frozen=True)
class TopPOptions:
    """Options of the filter ``top_p``."""

    p: float = 0.95
    """Keep the smallest set of tokens whose probabilities sum to p or more."""

    def __post_init__(self) -> None:
        if not 0 < self.p <= 1:
            raise ValueError(f"p={self.p}: a number above 0 and up to 1 expected")


@dataclass(frozen=True)
class MinPOptions:
    """Options of the filter ``min_p``."""

    p: float = 0.05
    """Keep tokens at least p times as probable as the most probable one."""

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"p={self.p}: a number from 0 to 1 expected")


@dataclass(frozen=True)
class RepetitionOptions:
    """Options of the filter ``repetition``."""

    penalty: float = 1.1
    """Above 1 makes tokens that have occurred less probable; 1 does nothing."""
    window: int = 64
    """How many of the latest tokens count; 0 is all of them."""

    def __post_init__(self) -> None:
        if not 0 < self.penalty < float("inf"):
            raise ValueError(f"penalty={self.penalty}: a number above 0 expected")
        if self.window < 0:
            raise ValueError(f"window={self.window}: 0 or more expected")
