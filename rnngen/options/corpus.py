"""Options of a model's parts, of its text, and of adapting to a prompt."""

from dataclasses import dataclass
from typing import Literal

from rnngen.options import require_range
from rnngen.options.model import EvaluationOptions

NormalForm = Literal["nfc", "nfkc", "nfd", "nfkd"]


@dataclass(frozen=True)
class PartsOptions:
    """Plugins that a model is made of."""

    task: str = "continue"
    """Task: continue (free text), lines (each line is an example), documents (records, or texts between
    separators), pairs (each source has a target), or labelled (each text has a label)."""
    separator: str | None = None
    r"""Text between documents in a file: blank (blank lines; the default), none (a file is one document), re:
    and a regular expression, or any other, with \n and \t."""
    cell: str | None = None
    """Recurrent layer: lstm, gru, rnn, or a plugin's; for pairs seq2seq, a network of such layers. By default
    that of the task."""
    tokenizer: str | None = None
    """Tokenizer: char, byte, bpe, word, unigram, wordpiece, or a plugin's. By default char; for pairs bpe
    where most words recur, else char."""
    source_tokenizer: str | None = None
    """Tokenizer of the source of pairs."""
    shared_vocabulary: bool = False
    """Use one tokenizer for both sides of pairs, trained on both."""
    vocab_size: int | None = None
    """Size of the vocabulary, for tokenizers that learn one."""


@dataclass(frozen=True)
class CorpusOptions:
    """Reading of the text, and what of it is validation text."""

    val: str | None = None
    """Validation text in a file of its own; all of the corpus is then training text."""
    val_fraction: float = 0.1
    """Share of the corpus that is validation text."""
    reader: str | None = None
    """Reader of the files, by name, with options as NAME;key=value; by default that of each file's ending."""
    encoding: str | None = None
    """Encoding of the text, by Python's name, utf-8 by default; "utf-8;old/*.txt=cp1251" for files with their
    own; bytes learns what is no text, byte by byte."""
    normalize: NormalForm | None = None
    """Unicode normal form of the text and of all that the model is given: one spelling for letters that can
    be composed in several ways."""
    field: str | None = None
    """Key of the text in JSON, text by default; column of the text in CSV and TSV, by name or number."""
    source_field: str | None = None
    """Key or column of the source of pairs."""
    label_field: str | None = None
    """Key or column of the label, for the task labelled."""
    header: bool | None = None
    """The first row of CSV and TSV names the columns; recognised by default."""
    source: str | None = None
    """File of the sources of pairs, one on each line."""
    val_source: str | None = None
    """File of the sources of the validation text."""

    def __post_init__(self) -> None:
        require_range("val_fraction", self.val_fraction, 0, 1, above=True, below=True)


@dataclass(frozen=True)
class AdaptingOptions(EvaluationOptions):
    """Adapting of a model to its prompt, and to what it generates."""

    adapt: bool = False
    """Let the n-gram of the model go on counting what it reads and what it writes, so that names and turns
    that occurred are expected again."""
    dynamic: bool = False
    """Adapt the weights to the prompt before the text begins (dynamic evaluation: Krause et al. 2017); the
    model on disk stays unchanged."""
    dynamic_segment: int = 32
    """Tokens of the prompt between two updates of the weights."""
    cache: bool = False
    """Neural cache: expect what followed similar states in the prompt and in the text (Grave et al. 2016)."""
    cache_size: int = 500
    """Tokens in the cache."""
