"""An attention that only ever goes on, the face that trains."""

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import normalize, pad

from rnngen.builtins.attention.additive import additive_scores
from rnngen.builtins.attention.softmax import SoftmaxAttention, linear, weighted, widened
from rnngen.builtins.attention_options import MonotonicOptions
from rnngen.contracts import State


class Monotonic(SoftmaxAttention):
    """Where a reader stands that stops at token i with the chance pᵢ, or else goes on (Raffel et al. 2017).

    ::

        pᵢ = σ(g·vᵀ tanh(W q + U mᵢ + b) / ‖v‖ + r)       the chance to stop at token i
        αᵢ = pᵢ · qᵢ,  qᵢ = (1 − pᵢ₋₁) qᵢ₋₁ + α'ᵢ           α' where the reader stood at the query before

    It begins at the first token. State ``(α',)``, (B,S).

    In the paper a reader that stops nowhere falls off the end, and weights sum to less than 1. Here the last
    token stops whoever comes to it, ``p = 1``: what would have been lost is its own, for good, since there is
    no way back. Weights are then a distribution at every query, as they must be for contexts of one scale.

    Generation uses this same expectation, where the paper draws or decides, so that both faces are one
    function; ``noise`` in training makes chances near 0 and 1, and the two nearly agree.
    """

    def __init__(self, query_size: int, memory_size: int, options: MonotonicOptions) -> None:
        super().__init__(memory_size)
        size = options.size or query_size
        self.noise = options.noise
        self.query = linear(query_size, size)
        self.memory = linear(memory_size, size, bias=True)
        self.v = linear(size, 1)
        self.gain = Parameter(torch.tensor([size**-0.5]))
        self.bias = Parameter(torch.tensor([options.bias]))

    def keys(self, memory: Tensor) -> Tensor:
        """``U m + b``: (B,S,M) → (B,S,A)."""
        mapped: Tensor = self.memory(memory)
        return mapped

    def initial_state(self, mask: Tensor) -> State:
        """The reader stands at the first token: ``(α',)``, (B,S)."""
        first = mask & (mask.cumsum(dim=1) == 1)
        return (first.to(self.v.weight.dtype),)

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        weights = expected(self.chances(query, keys, mask), *state)
        return weighted(weights, values), weights, (weights[:, -1],)

    def chances(self, query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,A), mask (B,S) → p (B,T,S)."""
        v = self.gain * normalize(self.v.weight, dim=1)
        energies = widened(additive_scores(self.query(query), keys, v)) + self.bias
        if self.training and self.noise:
            energies = energies + self.noise * torch.randn_like(energies)
        last = mask & (mask.flip(1).cumsum(dim=1).flip(1) == 1)
        return energies.sigmoid().masked_fill(~mask.unsqueeze(1), 0).masked_fill(last.unsqueeze(1), 1)


def expected(p: Tensor, before: Tensor) -> Tensor:
    """The weights of T queries: chances ``p`` (B,T,S), weights before them (B,S) → (B,T,S).

    qᵢ of query t needs its left neighbour and its upper one alone, so a diagonal of t + i can be had at
    once::

        t ↓ i →   0 1 2 3      T+S−1 steps instead of T·S, and no quotient of cumulative products, which
                  1 2 3 4      the paper's own parallel form has and which loses all digits where many
                  2 3 4 5      chances are near 1
    """
    batch, queries, length = p.shape
    entering = pad(before, (0, queries)).unsqueeze(2).unbind(1)  # into the first query, (B,1) at a time
    stopped = passed = p.new_zeros(batch, queries)
    diagonals = []
    for chance, enters in zip(_skewed(p).unbind(2), entering, strict=False):
        arriving = passed + torch.cat([enters, stopped[:, :-1]], dim=1)
        stopped = chance * arriving
        passed = arriving - stopped
        diagonals.append(stopped)
    return _straightened(torch.stack(diagonals, dim=2), length)


def _skewed(x: Tensor) -> Tensor:
    """(B,T,S) → (B,T,T+S−1), row t moved t to the right, zeros elsewhere."""
    batch, rows, length = x.shape
    return pad(x, (0, rows)).view(batch, -1)[:, :-rows].reshape(batch, rows, rows + length - 1)


def _straightened(x: Tensor, length: int) -> Tensor:
    """The way back: (B,T,T+S−1) → (B,T,S)."""
    batch, rows, _ = x.shape
    return pad(x.flatten(1), (0, rows)).view(batch, rows, rows + length)[:, :, :length]
