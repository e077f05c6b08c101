"""Attentions that score query and memory with a small network, in torch.

They make (B,T,S,A) sums. Up to ``STORED_LIMIT`` features of these are stored for the backward pass, since
that is fastest; of more, a few queries' at a time are computed, dropped, and recomputed in the backward pass.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from rnngen.builtins.attention.options import LocationOptions, SizeOptions
from rnngen.builtins.attention.torch import SoftmaxAttention, linear, masked_softmax, weighted_sum
from rnngen.contracts import State
from rnngen.options import NoOptions

STORED_LIMIT = 2**25
"""Largest number of features that are stored: 128 MiB in float32."""
PIECE_LIMIT = 2**22
"""Features that are computed at a time above that."""


def additive_scores(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """``vᵀ tanh(query + key)`` of all pairs: (B,T,A), (B,S,A), ``v`` (1,A) → (B,T,S)."""
    if query.shape[1] * keys.numel() <= STORED_LIMIT:
        return _scores(query, keys, v)
    pieces = torch.split(query, max(1, PIECE_LIMIT // keys.numel()), dim=1)
    return torch.cat([recomputed(_scores, piece, keys, v) for piece in pieces], dim=1)


def _scores(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    sums = query.unsqueeze(2) + keys.unsqueeze(1)
    return torch.nn.functional.linear(torch.tanh(sums), v).squeeze(-1)


def recomputed(function: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
    """Call a function that draws no random numbers, and recompute its activations in the backward pass."""
    made: Tensor = checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
    return made


class Additive(SoftmaxAttention):
    """``e = vᵀ tanh(W q + U m)`` (Bahdanau et al. 2015), with a hidden layer of any size.

    It scores as ``concat`` does, ``W q + U m`` being ``[W U] [q; m]``; but W and U are matrices of their own,
    each with an initial scale of its own.
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

    The matrix has one initial scale for both. The papers differ besides in their decoders: Bahdanau's queries
    with its state before a token is read, Luong's with its output after.
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
        projected = torch.nn.functional.linear(query, self.both.weight[:, : -self.size])
        return additive_scores(projected, keys, self.v.weight)


class LocationAware(SoftmaxAttention):
    """``eᵢ = vᵀ tanh(W q + U mᵢ + F past[i−r … i+r] + b)``; a subclass defines F. State ``(past,)``.

    A weight depends on those before it, so queries go one by one; all else is done for all at once.
    """

    summed: bool
    """True if ``past`` is the sum of all weights so far, false if the last ones."""

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
        """Return past weights of zero: ``(past,)``, (B,S)."""
        return (self.v.weight.new_zeros(mask.shape),)

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        (past,) = state
        attend = self._attend if query.shape[1] * keys.numel() <= STORED_LIMIT else self._attend_again
        filters, rows = self.filters(), []
        for projected in self.query(query).unsqueeze(2).unbind(1):  # (B,1,A)
            rows.append(attend(projected, keys, past, filters, mask))
            past = past + rows[-1] if self.summed else rows[-1]
        weights = torch.stack(rows, dim=1)
        return weighted_sum(weights, values), weights, (past,)

    def _attend(self, projected: Tensor, keys: Tensor, past: Tensor, filters: Tensor, mask: Tensor) -> Tensor:
        """One query (B,1,A) → weights (B,S)."""
        width = filters.shape[1]
        near = nn.functional.pad(past, (width // 2, width // 2)).unfold(1, width, 1)  # (B,S,width)
        sums = keys + projected + nn.functional.linear(near, filters)
        return masked_softmax(self.v(torch.tanh(sums)).squeeze(-1), mask)

    def _attend_again(self, *arguments: Tensor) -> Tensor:
        return recomputed(self._attend, *arguments)


class Location(LocationAware):
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


class Coverage(LocationAware):
    """``eᵢ = vᵀ tanh(W q + U mᵢ + w cᵢ + b)`` with cᵢ the sum of token i's past weights.

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
