"""Attentions that see where they have looked before, the face that trains.

A weight depends on those before it, so queries are answered one by one; all else is done for all at once.
"""

import torch
from torch import Tensor, nn

from rnngen.builtins.attention import additive
from rnngen.builtins.attention.softmax import SoftmaxAttention, linear, masked_softmax, weighted
from rnngen.builtins.attention_options import LocationOptions, SizeOptions
from rnngen.contracts import State


class _Recalling(SoftmaxAttention):
    """``eᵢ = vᵀ tanh(W q + U mᵢ + F past[i−r … i+r] + b)``; a subclass says what F is. State ``(past,)``."""

    summed: bool
    """Whether ``past`` is the sum of all weights so far, or the last ones."""

    def __init__(self, query_size: int, memory_size: int, size: int) -> None:
        super().__init__(memory_size)
        self.query = linear(query_size, size)
        self.memory = linear(memory_size, size, bias=True)
        self.v = linear(size, 1)

    def filters(self) -> Tensor:
        """F, (A,width)."""
        raise NotImplementedError

    def keys(self, memory: Tensor) -> Tensor:
        """``U m + b``: (B,S,M) → (B,S,A)."""
        mapped: Tensor = self.memory(memory)
        return mapped

    def initial_state(self, mask: Tensor) -> State:
        """It has looked nowhere: ``(past,)`` of (B,S) zeros."""
        return (self.v.weight.new_zeros(mask.shape),)

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        (past,) = state
        look = self._look if query.shape[1] * keys.numel() <= additive.KEPT else self._look_again
        filters, rows = self.filters(), []
        for asked in self.query(query).unsqueeze(2).unbind(1):  # (B,1,A)
            rows.append(look(asked, keys, past, filters, mask))
            past = past + rows[-1] if self.summed else rows[-1]
        weights = torch.stack(rows, dim=1)
        return weighted(weights, values), weights, (past,)

    def _look(self, asked: Tensor, keys: Tensor, past: Tensor, filters: Tensor, mask: Tensor) -> Tensor:
        """One query (B,1,A) → weights (B,S)."""
        width = filters.shape[1]
        near = nn.functional.pad(past, (width // 2, width // 2)).unfold(1, width, 1)  # (B,S,width)
        sums = keys + asked + nn.functional.linear(near, filters)
        return masked_softmax(self.v(torch.tanh(sums)).squeeze(-1), mask)

    def _look_again(self, *arguments: Tensor) -> Tensor:
        return additive.remade(self._look, *arguments)


class Location(_Recalling):
    """``eᵢ = vᵀ tanh(W q + U mᵢ + P fᵢ + b)`` with ``f = F * past``, a convolution (Chorowski et al. 2015).

    Two linear maps in a row, P after F, are applied as one.
    """

    def __init__(self, query_size: int, memory_size: int, options: LocationOptions) -> None:
        size = options.size or query_size
        super().__init__(query_size, memory_size, size)
        self.summed = options.past == "sum"
        self.convolution = linear(options.width, options.filters)
        self.place = linear(options.filters, size)

    def filters(self) -> Tensor:
        """P F, (A,width)."""
        return self.place.weight @ self.convolution.weight


class Coverage(_Recalling):
    """``eᵢ = vᵀ tanh(W q + U mᵢ + w cᵢ + b)`` with cᵢ all the weight that token i has had so far.

    The coverage vector of Tu et al. (2016) in the form of See et al. (2017), eq. 11; their coverage loss is
    the network's.
    """

    summed = True

    def __init__(self, query_size: int, memory_size: int, options: SizeOptions) -> None:
        size = options.size or query_size
        super().__init__(query_size, memory_size, size)
        self.cover = linear(1, size)

    def filters(self) -> Tensor:
        """w, (A,1)."""
        return self.cover.weight
