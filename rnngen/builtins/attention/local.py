"""An attention that predicts a place and looks around it, the face that trains."""

import torch
from torch import Tensor

from rnngen.builtins.attention.products import General
from rnngen.builtins.attention.softmax import linear, masked_softmax, weighted, widened
from rnngen.builtins.attention_options import LocalOptions
from rnngen.contracts import State
from rnngen.options import NoOptions


class Local(General):
    """The predictive window, local-p of Luong et al. (2015), with scores ``eᵢ = qᵀ W mᵢ``.

    ::

        p = N·σ(vᵀ tanh(P q))                             a place, N the length of the row's own source
        αᵢ ∝ exp(eᵢ) · exp(−(i − p)² / 2σ²), σ = D/2      where |i − p| ≤ D, and 0 elsewhere

    Places count from 0, tokens only. The paper leaves the product of softmax and Gaussian as it is; here it
    is made to sum to 1 again, so that contexts are of one scale wherever the window lies, and weights remain
    a distribution to copy from.
    """

    def __init__(self, query_size: int, memory_size: int, options: LocalOptions) -> None:
        super().__init__(query_size, memory_size, NoOptions())
        self.window = options.window
        self.place = linear(query_size, query_size)
        self.v = linear(query_size, 1)

    def prepare(self, memory: Tensor, mask: Tensor) -> State:
        """Keys, values, the mask, and each token's place (B,S); that of padding is the last token's."""
        places = (mask.cumsum(dim=1) - 1).to(self.v.weight.dtype)
        return *super().prepare(memory, mask), places

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask, places = prepared
        length = places[:, None, -1:] + 1
        centre = length * torch.sigmoid(widened(self.v(torch.tanh(self.place(query)))))  # (B,T,1)
        away = (places.unsqueeze(1) - centre) / self.window  # (B,T,S), 1 at the window's edge
        scores = widened(self.scores(query, keys)) - 2 * away.square()
        weights = masked_softmax(scores, mask.unsqueeze(1) & (away.abs() <= 1))
        return weighted(weights, values), weights, state
