"""An attention that predicts a place and looks around it, the face that generates; equations in ``local``."""

import numpy as np

from rnngen.builtins.attention.product_steps import GeneralStep
from rnngen.builtins.attention.softmax_steps import Mask, columns, masked_softmax, weighted
from rnngen.builtins.attention_options import LocalOptions
from rnngen.contracts import Floats, State, Weights
from rnngen.options import NoOptions

_HALF = np.float32(0.5)


class LocalStep(GeneralStep):
    """The twin of ``local.Local``."""

    matrices = (*GeneralStep.matrices, "place")

    def __init__(self, weights: Weights, options: LocalOptions) -> None:
        super().__init__(weights, NoOptions())
        self.window = np.float32(options.window)
        self.place = columns(weights, "place.weight")  # (H,H)
        self.v = columns(weights, "v.weight") * _HALF  # (H,1), halved for σ(a) = ½·tanh(½·a) + ½

    def prepare(self, memory: Floats, mask: Mask) -> State:
        """Keys, values, the mask, and each token's place (B,S); that of padding is the last token's."""
        places = np.cumsum(mask, axis=1, dtype=np.float32) - 1
        return *super().prepare(memory, mask), places

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), state."""
        keys, values, mask, places = prepared
        share = np.tanh(np.tanh(query @ self.place) @ self.v) * _HALF + _HALF  # (B,1)
        away = (places - (places[:, -1:] + 1) * share) / self.window
        scores = self.scores(query, keys) - 2 * np.square(away)
        weights = masked_softmax(scores, mask & (np.abs(away) <= 1))
        return weighted(weights, values), weights, state
