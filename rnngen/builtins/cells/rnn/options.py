"""The options of the cell ``rnn``."""

from dataclasses import dataclass, field
from typing import Literal

from rnngen.builtins.cells.options import RegularizedOptions
from rnngen.options import SEARCH, OneOf


@dataclass(frozen=True)
class RNNOptions(RegularizedOptions):
    """Options of the cell ``rnn``."""

    activation: Literal["tanh", "relu", "sigmoid"] = field(
        default="tanh", metadata={SEARCH: OneOf(("tanh", "relu"))}
    )
    """The nonlinearity of the recurrence."""
