"""Attentions that multiply a query with keys, in torch."""

import torch
from torch import Tensor

from rnngen.builtins.attention.options import LocalOptions, MultiheadOptions, SizeOptions
from rnngen.builtins.attention.torch import SoftmaxAttention, linear, masked_softmax, to_float32, weighted_sum
from rnngen.contracts import State
from rnngen.errors import UsageError
from rnngen.options import NoOptions


class Dot(SoftmaxAttention):
    """``e = qᵀ m`` (Luong et al. 2015); without parameters, so that query and memory must be of one size.

    Raises:
        UsageError: if they are not.
    """

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        if query_size != memory_size:
            raise UsageError(
                f"attention 'dot' multiplies the decoder's {query_size} features with the encoder's "
                f"{memory_size}, which must be as many; use 'general', which maps one to the other, or an "
                "encoder of one direction (-o bidirectional=false)"
            )
        super().__init__(memory_size)

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), memory (B,S,H) → (B,T,S)."""
        return torch.matmul(query, keys.mT)


class General(SoftmaxAttention):
    """``e = qᵀ W m`` (Luong et al. 2015)."""

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        super().__init__(memory_size)
        self.memory = linear(memory_size, query_size)

    def keys(self, memory: Tensor) -> Tensor:
        """``W m``: (B,S,M) → (B,S,H)."""
        mapped: Tensor = self.memory(memory)
        return mapped

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,H) → (B,T,S)."""
        return torch.matmul(query, keys.mT)


class ScaledDot(SoftmaxAttention):
    """``e = (Q q)ᵀ (K m) / √A``, context ``Σ α V m`` of size A (Vaswani et al. 2017), with one head.

    The root keeps scores at the size of 1 however large A is, where the softmax is not yet flat.
    """

    def __init__(self, query_size: int, memory_size: int, options: SizeOptions) -> None:
        size = options.size or query_size
        super().__init__(size)
        self.query = linear(query_size, size)
        self.key = linear(memory_size, size)
        self.value = linear(memory_size, size)

    def keys(self, memory: Tensor) -> Tensor:
        """``K m``: (B,S,M) → (B,S,A)."""
        mapped: Tensor = self.key(memory)
        return mapped

    def values(self, memory: Tensor) -> Tensor:
        """``V m``: (B,S,M) → (B,S,A)."""
        mapped: Tensor = self.value(memory)
        return mapped

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,A) → (B,T,S)."""
        return torch.matmul(self.query(query) * self.size**-0.5, keys.mT)


class Multihead(ScaledDot):
    """Several heads, each a scaled dot in its own A/heads features (Vaswani et al. 2017).

    ::

        e_h = (Q_h q)ᵀ (K_h m) / √(A/heads)       for each head h
        context = O [Σ α_1 V_1 m; Σ α_2 V_2 m; …]

    The weights returned are the mean of the heads'.

    Raises:
        UsageError: if the features cannot be shared out evenly.
    """

    def __init__(self, query_size: int, memory_size: int, options: MultiheadOptions) -> None:
        super().__init__(query_size, memory_size, options)
        if self.size % options.heads:
            raise UsageError(
                f"attention 'multihead': {options.heads} heads cannot share {self.size} features evenly; "
                "take a number of heads that divides it, or set size"
            )
        self.heads = options.heads
        self.out = linear(self.size, self.size)

    def prepare(self, memory: Tensor, mask: Tensor) -> State:
        """Return keys and values (B,heads,S,A/heads), and the mask."""
        keys, values, mask = super().prepare(memory, mask)
        return self._split(keys), self._split(values), mask

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,A), weights (B,T,S), state."""
        keys, values, mask = prepared
        queries = self._split(self.query(query) * (self.size // self.heads) ** -0.5)
        weights = masked_softmax(torch.matmul(queries, keys.mT), mask[:, None, None])  # (B,heads,T,S)
        contexts = torch.matmul(weights.to(values.dtype), values).transpose(1, 2).flatten(2)
        return self.out(contexts), weights.mean(dim=1), state

    def _split(self, x: Tensor) -> Tensor:
        """(B,·,A) → (B,heads,·,A/heads)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class Local(General):
    """The predictive window, local-p of Luong et al. (2015), with scores ``eᵢ = qᵀ W mᵢ``.

    ::

        p = N·σ(vᵀ tanh(P q))                             a position, N the length of the row's own source
        αᵢ ∝ exp(eᵢ) · exp(−(i − p)² / 2σ²), σ = D/2      where |i − p| ≤ D, and 0 elsewhere

    Positions count from 0, tokens only. The paper leaves the product of softmax and Gaussian as it is; here
    it sums to 1 again, so that contexts are of one scale wherever the window lies, and weights remain a
    distribution to copy from.
    """

    def __init__(self, query_size: int, memory_size: int, options: LocalOptions) -> None:
        super().__init__(query_size, memory_size, NoOptions())
        self.window = options.window
        self.place = linear(query_size, query_size)
        self.v = linear(query_size, 1)

    def prepare(self, memory: Tensor, mask: Tensor) -> State:
        """Return keys, values, the mask, and each token's position (B,S); padding has the last token's."""
        positions = (mask.cumsum(dim=1) - 1).to(self.v.weight.dtype)
        return *super().prepare(memory, mask), positions

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask, positions = prepared
        length = positions[:, None, -1:] + 1
        centre = length * torch.sigmoid(to_float32(self.v(torch.tanh(self.place(query)))))  # (B,T,1)
        away = (positions.unsqueeze(1) - centre) / self.window  # (B,T,S), 1 at the window's edge
        scores = to_float32(self.scores(query, keys)) - 2 * away.square()
        weights = masked_softmax(scores, mask.unsqueeze(1) & (away.abs() <= 1))
        return weighted_sum(weights, values), weights, state
