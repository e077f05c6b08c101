"""What can be chosen about a model's parts and its text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PartsOptions:
    """Which plugins a model is made of."""

    task: str = "continue"
    """What to learn: continue (free text) or lines (every line an example of its own)."""
    cell: str = "lstm"
    """The recurrent layer: lstm, gru, rnn, or a plugin's."""
    tokenizer: str = "char"
    """What a token is: char, byte, bpe, word, unigram, wordpiece, or a plugin's."""
    vocab_size: int | None = None
    """How many tokens the tokenizer may have."""


@dataclass(frozen=True)
class CorpusOptions:
    """How the text is read, and what of it is held out."""

    val: str | None = None
    """Text to validate on, in a file of its own; nothing of the corpus is then held out."""
    val_fraction: float = 0.1
    """How much of the end of the corpus is held out to validate on."""
    encoding: str | None = None
    """How bytes stand for characters, as Python names it; utf-8 if not given."""
    field: str | None = None
    """The key that holds the text in JSON lines; text if not given."""

    def __post_init__(self) -> None:
        if not 0 < self.val_fraction < 1:
            raise ValueError(f"val_fraction={self.val_fraction}: a number between 0 and 1 expected")
