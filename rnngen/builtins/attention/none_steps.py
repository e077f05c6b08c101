"""No attention, the face that generates."""

import numpy as np

from rnngen.builtins.attention.softmax_steps import Mask
from rnngen.contracts import Floats, State, Weights
from rnngen.options import NoOptions


class NoAttentionStep:
    """The twin of ``none.NoAttention``."""

    def __init__(self, weights: Weights, options: NoOptions) -> None: ...

    def prepare(self, memory: Floats, mask: Mask) -> State:  # noqa: ARG002
        """The mask, which says how long the sources are."""
        return (mask,)

    def initial_state(self, mask: Mask) -> State:  # noqa: ARG002
        """It remembers nothing."""
        return ()

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,0), weights (B,S) of 0, state."""
        (mask,) = prepared
        return np.zeros((len(query), 0), np.float32), np.zeros(mask.shape, np.float32), state
