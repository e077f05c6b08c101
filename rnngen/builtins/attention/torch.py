"""Shared by the attentions in torch: keys made once, a masked softmax, a weighted sum; and no attention.

Weights are computed in float32 at least, also under autocast to bf16, whose steps of 1/256 are too coarse
for them; the big products, of keys and of contexts, stay in bf16.
"""

import torch
from torch import Tensor, nn

from rnngen.contracts import State
from rnngen.options import NoOptions


def linear(inputs: int, outputs: int, *, bias: bool = False) -> nn.Linear:
    """Return a linear map with a Glorot matrix (Glorot and Bengio 2010), and a bias of zero if any."""
    made = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(made.weight)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def zero_padding(memory: Tensor, mask: Tensor) -> Tensor:
    """Set ``memory`` (B,S,M) to 0 where ``mask`` (B,S) is false, also where it is NaN."""
    return memory.masked_fill(~mask.unsqueeze(-1), 0)


def to_autocast(x: Tensor) -> Tensor:
    """Convert to the type that autocast would convert to at every call; without autocast do nothing."""
    device = x.device.type
    cast = torch.is_autocast_enabled(device) and x.dtype == torch.float32
    return x.to(torch.get_autocast_dtype(device)) if cast else x


def to_float32(x: Tensor) -> Tensor:
    """Convert to float32, unless it is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis of ``scores`` (…,S), where ``mask`` is true; exactly 0 elsewhere.

    Where the mask is false throughout all weights are 0.
    """
    scores = to_float32(scores)
    lowest = torch.finfo(scores.dtype).min  # not −∞, which makes NaN where all are masked
    return scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0)


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """``weights`` (B,T,S), ``values`` (B,S,C) → contexts (B,T,C)."""
    return torch.matmul(weights.to(values.dtype), values)


class SoftmaxAttention(nn.Module):
    """An attention whose weights are the softmax of scores of keys, which a subclass defines.

    Args:
        size: C, of the values.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def keys(self, memory: Tensor) -> Tensor:
        """Map ``memory`` (B,S,M) to the keys (B,S,·) that queries are compared with."""
        return memory

    def values(self, memory: Tensor) -> Tensor:
        """Map ``memory`` (B,S,M) to the values (B,S,C) that contexts are sums of."""
        return memory

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,·) → (B,T,S)."""
        raise NotImplementedError

    def prepare(self, memory: Tensor, mask: Tensor) -> State:
        """``memory`` (B,S,M), ``mask`` (B,S) → keys, values and the mask."""
        memory = to_autocast(zero_padding(memory, mask))
        return self.keys(memory), self.values(memory), mask

    def initial_state(self, mask: Tensor) -> State:  # noqa: ARG002
        """Return an empty state."""
        return ()

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        weights = masked_softmax(self.scores(query, keys), mask.unsqueeze(1))
        return weighted_sum(weights, values), weights, state


class NoAttention(nn.Module):
    """The plain encoder-decoder (Sutskever et al. 2014, Cho et al. 2014): α = 0, contexts of size 0."""

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        super().__init__()
        self.size = 0

    def prepare(self, memory: Tensor, mask: Tensor) -> State:  # noqa: ARG002
        """Keep the mask, for the lengths of the sources."""
        return (mask,)

    def initial_state(self, mask: Tensor) -> State:  # noqa: ARG002
        """Return an empty state."""
        return ()

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,0), weights (B,T,S) of 0, state."""
        (mask,) = prepared
        nothing = to_float32(query[:, :, :0])
        weights = torch.zeros(*query.shape[:2], mask.shape[1], dtype=nothing.dtype, device=query.device)
        return nothing.to(query.dtype), weights, state
