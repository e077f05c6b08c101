"""A child-sum Tree-LSTM (Tai et al. 2015, arXiv:1503.00075) for pairs whose sources are trees in brackets.

Listings import this module: it names network, task and tokenizer and imports neither torch nor NumPy.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from rnngen import hookimpl
from rnngen.contracts import CellSpec, NetworkSpec, TaskSpec, TokenizerSpec
from rnngen.options import require_range

rnngen_api = "1.2"

BASE = 10_000.0
"""Of the wavelengths of places (Vaswani et al. 2017)."""


@dataclass(frozen=True)
class TreeOptions:
    """The options of the network ``treelstm``."""

    decoder: str = "lstm"
    """The cell that writes; ``-o "decoder=gru;layer_norm=true"`` gives it options."""
    attention: str = "additive"
    """The decoder's attention over the nodes of the tree, or none."""
    ordered: bool = True
    """Tell siblings apart by their places; without it a node knows its children as a set, as in the paper."""


@dataclass(frozen=True)
class BracketsOptions:
    """The options of the tokenizer ``brackets``."""

    vocab_size: int = 4000
    """Tokens at most: the 256 bytes, the end, brackets, and the most frequent words."""

    def __post_init__(self) -> None:
        require_range("vocab_size", self.vocab_size, 257)


@hookimpl
def rnngen_cells() -> Iterable[CellSpec]:
    """Return the network ``treelstm``."""
    return [
        NetworkSpec(
            name="treelstm",
            summary="child-sum Tree-LSTM that reads bracketed sources (Tai et al. 2015), with attention",
            load="rnngen_treelstm.torch:TreeSeq2Seq",
            numpy="rnngen_treelstm.numpy:TreeSeq2SeqStep",
            options=TreeOptions,
            parts={"decoder": "cell", "attention": "attention"},
        )
    ]


@hookimpl
def rnngen_tasks() -> Iterable[TaskSpec]:
    """Return the task ``trees``."""
    return [
        TaskSpec(
            name="trees",
            summary="pairs whose sources are trees in brackets: (S (NP the dog) (VP barks)) TAB text",
            load="rnngen_treelstm.task:Trees",
            has_source=True,
            cell="treelstm",
            strategy="greedy",
        )
    ]


@hookimpl
def rnngen_tokenizers() -> Iterable[TokenizerSpec]:
    """Return the tokenizer ``brackets``."""
    return [
        TokenizerSpec(
            name="brackets",
            summary="a token a bracket and a frequent word, bytes for other words",
            load="rnngen_treelstm.tokenizer:Brackets",
            options=BracketsOptions,
        )
    ]
