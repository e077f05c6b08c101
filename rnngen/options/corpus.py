"""What can be chosen about a model's parts, its text, and how it adapts to a prompt."""

from dataclasses import dataclass

from rnngen.options import require_range
from rnngen.options.model import EvaluationOptions


@dataclass(frozen=True)
class PartsOptions:
    """Which plugins a model is made of."""

    task: str = "continue"
    """What to learn: continue (free text), lines (every line an example of its own), or pairs (a text for a
    source)."""
    cell: str | None = None
    """The recurrent layer: lstm, gru, rnn, or a plugin's; for pairs a network of them, seq2seq. If not given,
    what suits the task."""
    tokenizer: str | None = None
    """What a token is: char, byte, bpe, word, unigram, wordpiece, or a plugin's. If not given char; for pairs
    bpe where most words come again, else char."""
    source_tokenizer: str | None = None
    """The same for the source of pairs."""
    shared_vocabulary: bool = False
    """Use one tokenizer for both sides of pairs, learnt from both."""
    vocab_size: int | None = None
    """How many tokens a tokenizer may have."""


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
    source_field: str | None = None
    """The key that holds the source in JSON lines of pairs."""
    source: str | None = None
    """Sources of pairs, a line each, where they lie in a file of their own."""
    val_source: str | None = None
    """Those of --val."""

    def __post_init__(self) -> None:
        require_range("val_fraction", self.val_fraction, 0, 1, above=True, below=True)


@dataclass(frozen=True)
class AdaptingOptions(EvaluationOptions):
    """How a model adapts to its prompt, and to what it writes."""

    dynamic: bool = False
    """Let the weights adapt to the prompt before the text begins (dynamic evaluation: Krause et al. 2017).
    What is on disk stays as it is."""
    dynamic_segment: int = 32
    """Tokens of the prompt that are read before the weights move."""
    cache: bool = False
    """Remember what followed in the prompt and in the text, and expect it again where the network is in a
    similar state (Grave et al. 2016)."""
    cache_size: int = 500
    """Tokens that the cache remembers."""
