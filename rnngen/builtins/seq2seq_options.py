"""The options of the cell ``seq2seq``."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Seq2SeqOptions:
    """Options of the cell ``seq2seq``."""

    encoder: str = "lstm"
    """The cell that reads the source; ``-o "encoder=rnn;activation=relu"`` gives it options."""
    decoder: str = "lstm"
    """The cell that writes."""
    attention: str = "general"
    """How the decoder looks at the source: any attention that ``rnngen plugins list`` shows, or none."""
    bidirectional: bool = True
    """Whether the encoder reads in both directions, each with cells of its own (Schuster, Paliwal 1997)."""
    encoder_layers: int | None = None
    """How many layers the encoder has; as many as the decoder if not given."""
    bridge: Literal["dense", "copy", "none"] = "dense"
    """What the decoder starts from: tanh of a linear map of the encoder's last outputs (Bahdanau et al.
    2015), the encoder's last states themselves (Sutskever et al. 2014), or its cell's own state."""
    input_feeding: bool = False
    """Give the decoder, besides a token, what it made of the last one and its context (Luong et al. 2015).
    Training is then slower, a step at a time."""
    copying: bool = False
    """Let the decoder copy tokens of the source (pointer-generator, See et al. 2017); the vocabulary must be
    shared."""
    coverage_loss: float = 0.0
    """How strongly looking twice at the same place is punished in training (See et al. 2017)."""

    def __post_init__(self) -> None:
        if self.encoder_layers is not None and self.encoder_layers < 1:
            raise ValueError(f"encoder_layers={self.encoder_layers}: at least 1 expected")
        if not 0 <= self.coverage_loss < float("inf"):
            raise ValueError(f"coverage_loss={self.coverage_loss}: 0 or more expected")
