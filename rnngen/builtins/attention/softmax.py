"""What the attentions share, the face that trains: keys made once, a masked softmax, a weighted sum.

Weights are computed in float32 at least, also under autocast to bf16, whose steps of 1/256 are too coarse
for them; the big products, of keys and of contexts, stay in bf16.
"""

import torch
from torch import Tensor, nn

from rnngen.contracts import State


def linear(inputs: int, outputs: int, *, bias: bool = False) -> nn.Linear:
    """A linear map with a Glorot matrix (Glorot and Bengio 2010), and a bias of zero if any."""
    made = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(made.weight)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def sanitised(memory: Tensor, mask: Tensor) -> Tensor:
    """``memory`` (B,S,M) with zeros where ``mask`` (B,S) is false, whatever stood there, NaN too."""
    return memory.masked_fill(~mask.unsqueeze(-1), 0)


def narrowed(x: Tensor) -> Tensor:
    """In the type that autocast would give it at every call; without autocast as it is."""
    device = x.device.type
    cast = torch.is_autocast_enabled(device) and x.dtype == torch.float32
    return x.to(torch.get_autocast_dtype(device)) if cast else x


def widened(x: Tensor) -> Tensor:
    """In float32, or in float64 if it is that already."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis of ``scores`` (…,S), where ``mask`` is true; exactly 0 elsewhere.

    Where the mask is false throughout all weights are 0.
    """
    scores = widened(scores)
    lowest = torch.finfo(scores.dtype).min  # not −∞, which makes NaN where all are masked
    return scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0)


def weighted(weights: Tensor, values: Tensor) -> Tensor:
    """The contexts (B,T,C) that ``weights`` (B,T,S) make of ``values`` (B,S,C)."""
    return torch.matmul(weights.to(values.dtype), values)


class SoftmaxAttention(nn.Module):
    """An attention whose weights are the softmax of scores of keys; a subclass says what these are.

    Args:
        size: C, of the values.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def keys(self, memory: Tensor) -> Tensor:
        """What is compared with queries: ``memory`` (B,S,M) → (B,S,·)."""
        return memory

    def values(self, memory: Tensor) -> Tensor:
        """What contexts are made of: ``memory`` (B,S,M) → (B,S,C)."""
        return memory

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,·) → (B,T,S)."""
        raise NotImplementedError

    def prepare(self, memory: Tensor, mask: Tensor) -> State:
        """``memory`` (B,S,M), ``mask`` (B,S) → keys, values and the mask."""
        memory = narrowed(sanitised(memory, mask))
        return self.keys(memory), self.values(memory), mask

    def initial_state(self, mask: Tensor) -> State:  # noqa: ARG002
        """It remembers nothing."""
        return ()

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        weights = masked_softmax(self.scores(query, keys), mask.unsqueeze(1))
        return weighted(weights, values), weights, state
