"""No attention, the face that trains: the decoder has nothing but the state that it starts from."""

import torch
from torch import Tensor, nn

from rnngen.builtins.attention.softmax import widened
from rnngen.contracts import State
from rnngen.options import NoOptions


class NoAttention(nn.Module):
    """The plain encoder-decoder (Sutskever et al. 2014, Cho et al. 2014): α = 0, contexts of size 0."""

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        super().__init__()
        self.size = 0

    def prepare(self, memory: Tensor, mask: Tensor) -> State:  # noqa: ARG002
        """The mask, which says how long the sources are."""
        return (mask,)

    def initial_state(self, mask: Tensor) -> State:  # noqa: ARG002
        """It remembers nothing."""
        return ()

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,0), weights (B,T,S) of 0, state."""
        (mask,) = prepared
        nothing = widened(query[:, :, :0])
        weights = torch.zeros(*query.shape[:2], mask.shape[1], dtype=nothing.dtype, device=query.device)
        return nothing.to(query.dtype), weights, state
