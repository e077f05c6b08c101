"""An attention that only moves forward, in torch."""

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import normalize, pad

from rnngen.builtins.attention.additive.torch import additive_scores
from rnngen.builtins.attention.options import MonotonicOptions
from rnngen.builtins.attention.torch import SoftmaxAttention, linear, to_float32, weighted_sum
from rnngen.contracts import State


class Monotonic(SoftmaxAttention):
    """The expected position of a reader that stops at token i with probability pᵢ (Raffel et al. 2017).

    ::

        pᵢ = σ(g·vᵀ tanh(W q + U mᵢ + b) / ‖v‖ + r)       probability to stop at token i
        αᵢ = pᵢ · qᵢ,  qᵢ = (1 − pᵢ₋₁) qᵢ₋₁ + α'ᵢ           α' the weights of the query before

    It begins at the first token. State ``(α',)``, (B,S).

    In the paper a reader that stops nowhere leaves the source, and weights sum to less than 1. Here it stops
    at the last token, ``p = 1``. Weights are then a distribution at every query, as they must be for contexts
    of one scale.

    Generation uses this same expectation, where the paper draws or decides; ``noise`` in training pushes
    probabilities to 0 and 1, where the two nearly agree.
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
        """Return a weight of 1 on the first token: ``(α',)``, (B,S)."""
        first = mask & (mask.cumsum(dim=1) == 1)
        return (first.to(self.v.weight.dtype),)

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        weights = expected_weights(self.stop_probabilities(query, keys, mask), *state)
        return weighted_sum(weights, values), weights, (weights[:, -1],)

    def stop_probabilities(self, query: Tensor, keys: Tensor, mask: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,A), mask (B,S) → p (B,T,S)."""
        v = self.gain * normalize(self.v.weight, dim=1)
        energies = to_float32(additive_scores(self.query(query), keys, v)) + self.bias
        if self.training and self.noise:
            energies = energies + self.noise * torch.randn_like(energies)
        last = mask & (mask.flip(1).cumsum(dim=1).flip(1) == 1)
        return energies.sigmoid().masked_fill(~mask.unsqueeze(1), 0).masked_fill(last.unsqueeze(1), 1)


def expected_weights(p: Tensor, before: Tensor) -> Tensor:
    """Return the weights of T queries: probabilities ``p`` (B,T,S), weights before them (B,S) → (B,T,S).

    qᵢ of query t needs its left neighbour and its upper one alone, so a diagonal of t + i can be had at
    once::

        t ↓ i →   0 1 2 3      T+S−1 steps instead of T·S, and no quotient of cumulative dot_products, which
                  1 2 3 4      the paper's own parallel form has and which loses all digits where many
                  2 3 4 5      probabilities are near 1
    """
    batch, queries, length = p.shape
    entering = pad(before, (0, queries)).unsqueeze(2).unbind(1)  # into the first query, (B,1) at a time
    stopped = passed = p.new_zeros(batch, queries)
    diagonals = []
    for probability, enters in zip(_skewed(p).unbind(2), entering, strict=False):
        arriving = passed + torch.cat([enters, stopped[:, :-1]], dim=1)
        stopped = probability * arriving
        passed = arriving - stopped
        diagonals.append(stopped)
    return _straightened(torch.stack(diagonals, dim=2), length)


def _skewed(x: Tensor) -> Tensor:
    """(B,T,S) → (B,T,T+S−1), row t moved t to the right, zeros elsewhere."""
    batch, rows, length = x.shape
    return pad(x, (0, rows)).view(batch, -1)[:, :-rows].reshape(batch, rows, rows + length - 1)


def _straightened(x: Tensor, length: int) -> Tensor:
    """Undo ``_skewed``: (B,T,T+S−1) → (B,T,S)."""
    batch, rows, _ = x.shape
    return pad(x.flatten(1), (0, rows)).view(batch, rows, rows + length)[:, :, :length]
