"""Attentions that ask a small network about query and memory together, the face that trains.

They look at (B,T,S,A) sums. Up to ``KEPT`` of these are kept for the way back, since that is fastest; of
more, a few queries' at a time are made, forgotten, and made again on the way back.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from rnngen.builtins.attention.softmax import SoftmaxAttention, linear
from rnngen.builtins.attention_options import SizeOptions
from rnngen.options import NoOptions

KEPT = 2**25
"""Features that are kept at most: 128 MiB in float32."""
PIECE = 2**22
"""Features that are made at a time where there are more."""


def additive_scores(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """``vᵀ tanh(query + key)`` of all pairs: (B,T,A), (B,S,A), ``v`` (1,A) → (B,T,S)."""
    if query.shape[1] * keys.numel() <= KEPT:
        return _pair(query, keys, v)
    pieces = torch.split(query, max(1, PIECE // keys.numel()), dim=1)
    return torch.cat([remade(_pair, piece, keys, v) for piece in pieces], dim=1)


def _pair(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    sums = query.unsqueeze(2) + keys.unsqueeze(1)
    return torch.nn.functional.linear(torch.tanh(sums), v).squeeze(-1)


def remade(function: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
    """Call a function that draws no random numbers; what it makes on its way is made again for gradients."""
    made: Tensor = checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
    return made


class Additive(SoftmaxAttention):
    """``e = vᵀ tanh(W q + U m)`` (Bahdanau et al. 2015), with a hidden layer of any size.

    It scores as ``concat`` does, ``W q + U m`` being ``[W U] [q; m]``; but W and U are matrices of their own,
    each started at its own scale.
    """

    def __init__(self, query_size: int, memory_size: int, options: SizeOptions) -> None:
        super().__init__(memory_size)
        size = options.size or query_size
        self.query = linear(query_size, size)
        self.memory = linear(memory_size, size)
        self.v = linear(size, 1)

    def keys(self, memory: Tensor) -> Tensor:
        """``U m``: (B,S,M) → (B,S,A)."""
        mapped: Tensor = self.memory(memory)
        return mapped

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,A) → (B,T,S)."""
        return additive_scores(self.query(query), keys, self.v.weight)


class Concat(SoftmaxAttention):
    """``e = vᵀ tanh(W [q; m])`` (Luong et al. 2015), with one matrix, and a hidden layer of the query's size.

    The matrix is started at one scale for both. What else differs between the papers is the decoder's affair:
    Bahdanau's asks with its state before a token is read, Luong's with its output after.
    """

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        super().__init__(memory_size)
        self.both = linear(query_size + memory_size, query_size)
        self.v = linear(query_size, 1)

    def keys(self, memory: Tensor) -> Tensor:
        """The memory's columns of W: (B,S,M) → (B,S,H)."""
        return torch.nn.functional.linear(memory, self.both.weight[:, -self.size :])

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,H) → (B,T,S)."""
        asked = torch.nn.functional.linear(query, self.both.weight[:, : -self.size])
        return additive_scores(asked, keys, self.v.weight)
