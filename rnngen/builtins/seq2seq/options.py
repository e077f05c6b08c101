"""The options of the cell ``seq2seq``."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import Literal

from rnngen.contracts import Blueprint
from rnngen.errors import UsageError
from rnngen.options import COPIES, PENALTY, UNSMOOTHED, require_range


@dataclass(frozen=True)
class Seq2SeqOptions:
    """Options of the cell ``seq2seq``."""

    encoder: str = "lstm"
    """The cell that reads the source; ``-o "encoder=rnn;activation=relu"`` gives it options."""
    decoder: str = "lstm"
    """The cell that writes."""
    attention: str = "general"
    """The decoder's attention over the source: any that ``rnngen plugins list`` shows, or none."""
    bidirectional: bool = True
    """Let the encoder read in both directions, each with its own cells (Schuster, Paliwal 1997)."""
    encoder_layers: int | None = None
    """Layers of the encoder; as many as the decoder if not given."""
    bridge: Literal["dense", "copy", "none"] = "dense"
    """The first state of the decoder: tanh of a linear map of the encoder's last outputs (Bahdanau et al.
    2015), the encoder's last states themselves (Sutskever et al. 2014), or its cell's own state."""
    input_feeding: bool = False
    """Feed the decoder, with each token, its combined output for the last one (Luong et al. 2015).
    Training is then slower, a step at a time."""
    copying: bool = field(default=False, metadata={UNSMOOTHED: True, COPIES: True})
    """Let the decoder copy tokens of the source (pointer-generator, See et al. 2017); the vocabulary must be
    shared."""
    coverage_loss: float = field(default=0.0, metadata={PENALTY: True})
    """Penalty in training for attending twice to the same token (See et al. 2017)."""

    def __post_init__(self) -> None:
        require_range("encoder_layers", self.encoder_layers, 1)
        require_range("coverage_loss", self.coverage_loss, 0)

    def spans(self, prepared: int, attending: int, layers: Iterable[int]) -> list[slice]:
        """Return the span of each part in the state, given the numbers of arrays (see ``torch``)."""
        sizes = [prepared, int(self.copying), 1, attending, int(self.input_feeding), *layers]
        return [slice(*borders) for borders in pairwise(accumulate([0, *sizes]))]

    def check(self, blueprint: Blueprint, *, attends: bool) -> None:
        """Raise ``UsageError`` if options do not go together."""
        if self.copying and not blueprint.shared:
            raise UsageError("-o copying=true needs one vocabulary for both sides; add --shared-vocabulary")
        if self.copying and not attends:
            raise UsageError("-o copying=true needs attention weights; it cannot go with attention=none")
        if self.coverage_loss and not attends:
            raise UsageError("-o coverage_loss goes by attention weights; it cannot go with attention=none")
        if self.bridge == "none" and not attends:
            raise UsageError(
                "-o bridge=none and attention=none: nothing of the source would be known; leave one out"
            )
