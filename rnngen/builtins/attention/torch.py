"""The attentions in torch: keys made once, scores, a masked softmax, a weighted sum.

Weights are computed in float32 at least, also under autocast to bf16, whose steps of 1/256 are too coarse
for them; the big products, of keys and of contexts, stay in bf16.

Additive attentions make (B,T,S,A) sums. Up to ``STORED_LIMIT`` features are stored for the backward pass,
which is fastest; of more, a few queries' at a time are computed, dropped, and recomputed in it.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad
from torch.utils.checkpoint import checkpoint

from rnngen.builtins.attention.options import (
    LocalOptions,
    LocationOptions,
    MonotonicOptions,
    MultiheadOptions,
    SizeOptions,
)
from rnngen.contracts import State
from rnngen.errors import UsageError
from rnngen.options import NoOptions

STORED_LIMIT = 2**25
"""Largest number of features that are stored: 128 MiB in float32."""
PIECE_LIMIT = 2**22
"""Features that are computed at a time above that."""


def linear(inputs: int, outputs: int, *, bias: bool = False) -> nn.Linear:
    """Return a linear map with a Glorot matrix (Glorot and Bengio 2010), and a bias of zero if any."""
    made = nn.Linear(inputs, outputs, bias=bias)
    nn.init.xavier_uniform_(made.weight)
    if bias:
        nn.init.zeros_(made.bias)
    return made


def to_float32(x: Tensor) -> Tensor:
    """Convert to float32, unless it is float64."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def masked_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the last axis of ``scores`` (…,S), where ``mask`` is true; exactly 0 elsewhere."""
    scores = to_float32(scores)
    lowest = torch.finfo(scores.dtype).min  # not −∞, which makes NaN where all are masked
    return scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0)


def weighted_sum(weights: Tensor, values: Tensor) -> Tensor:
    """``weights`` (B,T,S), ``values`` (B,S,C) → contexts (B,T,C)."""
    return torch.matmul(weights.to(values.dtype), values)


class SoftmaxAttention(nn.Module):
    """An attention whose weights are the softmax of scores, by default of dot products of query and keys."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size  # C, of the values

    def keys(self, memory: Tensor) -> Tensor:
        """Map ``memory`` (B,S,M) to the keys (B,S,·) that queries are compared with."""
        return memory

    def values(self, memory: Tensor) -> Tensor:
        """Map ``memory`` (B,S,M) to the values (B,S,C) that contexts are sums of."""
        return memory

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,·) → (B,T,S)."""
        return torch.matmul(query, keys.mT)

    def prepare(self, memory: Tensor, mask: Tensor) -> State:
        """``memory`` (B,S,M), ``mask`` (B,S) → keys, values, mask; padding counts as 0, even if NaN."""
        memory, device = memory.masked_fill(~mask.unsqueeze(-1), 0), memory.device.type
        if not memory.is_meta and torch.is_autocast_enabled(device) and memory.dtype == torch.float32:
            memory = memory.to(torch.get_autocast_dtype(device))  # once, where autocast would at every call
        return self.keys(memory), self.values(memory), mask

    def initial_state(self, mask: Tensor) -> State:  # noqa: ARG002
        """Return an empty state."""
        return ()

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        weights = masked_softmax(self.scores(query, keys), mask.unsqueeze(1))
        return weighted_sum(weights, values), weights, state


class NoAttention(SoftmaxAttention):
    """The plain encoder-decoder (Sutskever et al. 2014, Cho et al. 2014): α = 0, contexts of size 0."""

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        super().__init__(0)

    def prepare(self, memory: Tensor, mask: Tensor) -> State:  # noqa: ARG002
        """Keep the mask, for the lengths of the sources."""
        return (mask,)

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,0), weights (B,T,S) of 0, state."""
        (mask,) = prepared
        nothing = to_float32(query[:, :, :0])
        weights = torch.zeros(*query.shape[:2], mask.shape[1], dtype=nothing.dtype, device=query.device)
        return nothing.to(query.dtype), weights, state


# ── Products of query and keys ─────────────────────────────────────────────────────────────────────────────


class Dot(SoftmaxAttention):
    """``e = qᵀ m`` (Luong et al. 2015); without parameters, so that query and memory must be of one size."""

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        if query_size != memory_size:
            raise UsageError(
                f"attention 'dot' multiplies the decoder's {query_size} features with the encoder's "
                f"{memory_size}, which must be as many; use 'general', which maps one to the other, or an "
                "encoder of one direction (-o bidirectional=false)"
            )
        super().__init__(memory_size)


class General(SoftmaxAttention):
    """``e = qᵀ W m`` (Luong et al. 2015)."""

    def __init__(self, query_size: int, memory_size: int, options: NoOptions) -> None:  # noqa: ARG002
        super().__init__(memory_size)
        self.memory = linear(memory_size, query_size)

    def keys(self, memory: Tensor) -> Tensor:
        """``W m``: (B,S,M) → (B,S,H)."""
        mapped: Tensor = self.memory(memory)
        return mapped


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


# ── A small network over query and memory ──────────────────────────────────────────────────────────────────


def additive_scores(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    """``vᵀ tanh(query + key)`` of all pairs: (B,T,A), (B,S,A), ``v`` (1,A) → (B,T,S)."""
    if query.shape[1] * keys.numel() <= STORED_LIMIT:
        return _scores(query, keys, v)
    pieces = torch.split(query, max(1, PIECE_LIMIT // keys.numel()), dim=1)
    return torch.cat([recomputed(_scores, piece, keys, v) for piece in pieces], dim=1)


def _scores(query: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    sums = query.unsqueeze(2) + keys.unsqueeze(1)
    return nn.functional.linear(torch.tanh(sums), v).squeeze(-1)


def recomputed(function: Callable[..., Tensor], *arguments: Tensor) -> Tensor:
    """Call a function that draws no random numbers, and recompute its activations in the backward pass."""
    made: Tensor = checkpoint(function, *arguments, use_reentrant=False, preserve_rng_state=False)
    return made


class Additive(SoftmaxAttention):
    """``e = vᵀ tanh(W q + U m)`` (Bahdanau et al. 2015), with a hidden layer of any size.

    It scores as ``concat`` does, ``W q + U m`` being ``[W U] [q; m]``; but W and U are matrices of their own,
    each with an initial scale of its own.
    """

    def __init__(
        self, query_size: int, memory_size: int, options: SizeOptions, *, bias: bool = False
    ) -> None:
        super().__init__(memory_size)
        size = options.size or query_size
        self.query = linear(query_size, size)
        self.memory = linear(memory_size, size, bias=bias)
        self.v = linear(size, 1)

    def keys(self, memory: Tensor) -> Tensor:
        """``U m``, plus b if there is one: (B,S,M) → (B,S,A)."""
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
        return nn.functional.linear(memory, self.both.weight[:, -self.size :])

    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """``query`` (B,T,H), keys (B,S,H) → (B,T,S)."""
        projected = nn.functional.linear(query, self.both.weight[:, : -self.size])
        return additive_scores(projected, keys, self.v.weight)


class LocationAware(Additive):
    """``eᵢ = vᵀ tanh(W q + U mᵢ + F past[i−r … i+r] + b)``; a subclass defines F. State ``(past,)``.

    A weight depends on those before it, so queries go one by one; all else is done for all at once.
    """

    summed: bool
    """True if ``past`` is the sum of all weights so far, false if the last ones."""

    def filters(self) -> Tensor:
        """F, (A,width)."""
        raise NotImplementedError

    def initial_state(self, mask: Tensor) -> State:
        """Return past weights of zero: ``(past,)``, (B,S)."""
        return (self.v.weight.new_zeros(mask.shape),)

    def forward(self, query: Tensor, prepared: State, state: State) -> tuple[Tensor, Tensor, State]:
        """``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), state."""
        keys, values, mask = prepared
        (past,) = state
        stored = query.shape[1] * keys.numel() <= STORED_LIMIT
        filters, rows = self.filters(), []
        for projected in self.query(query).unsqueeze(2).unbind(1):  # (B,1,A)
            given = (projected, keys, past, filters, mask)
            rows.append(self._attend(*given) if stored else recomputed(self._attend, *given))
            past = past + rows[-1] if self.summed else rows[-1]
        weights = torch.stack(rows, dim=1)
        return weighted_sum(weights, values), weights, (past,)

    def _attend(self, projected: Tensor, keys: Tensor, past: Tensor, filters: Tensor, mask: Tensor) -> Tensor:
        """One query (B,1,A) → weights (B,S)."""
        width = filters.shape[1]
        near = pad(past, (width // 2, width // 2)).unfold(1, width, 1)  # (B,S,width)
        sums = keys + projected + nn.functional.linear(near, filters)
        return masked_softmax(self.v(torch.tanh(sums)).squeeze(-1), mask)


class Location(LocationAware):
    """``eᵢ = vᵀ tanh(W q + U mᵢ + P fᵢ + b)`` with ``f = F * past``, a convolution (Chorowski et al. 2015).

    Two linear maps in a row, P after F, are applied as one.
    """

    def __init__(self, query_size: int, memory_size: int, options: LocationOptions) -> None:
        super().__init__(query_size, memory_size, options, bias=True)
        self.summed = options.past == "sum"
        self.convolution = linear(options.width, options.filters)
        self.place = linear(options.filters, self.v.in_features)

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
        super().__init__(query_size, memory_size, options, bias=True)
        self.cover = linear(1, self.v.in_features)

    def filters(self) -> Tensor:
        """w, (A,1)."""
        return self.cover.weight


class Monotonic(Additive):
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
        super().__init__(query_size, memory_size, options, bias=True)
        self.noise = options.noise
        self.gain = nn.Parameter(torch.tensor([self.v.in_features**-0.5]))
        self.bias = nn.Parameter(torch.tensor([options.bias]))

    def initial_state(self, mask: Tensor) -> State:
        """Return a weight of 1 on the first token: ``(α',)``, (B,S)."""
        return ((mask & (mask.cumsum(dim=1) == 1)).to(self.v.weight.dtype),)

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
    # (B,T,S) → (B,T,T+S−1): row t moved t to the right, zeros elsewhere
    skewed = pad(p, (0, queries)).view(batch, -1)[:, :-queries].reshape(batch, queries, queries + length - 1)
    entering = pad(before, (0, queries)).unsqueeze(2).unbind(1)  # into the first query, (B,1) at a time
    stopped = passed = p.new_zeros(batch, queries)
    diagonals = []
    for probability, enters in zip(skewed.unbind(2), entering, strict=False):
        arriving = passed + torch.cat([enters, stopped[:, :-1]], dim=1)
        stopped = probability * arriving
        passed = arriving - stopped
        diagonals.append(stopped)
    weights = torch.stack(diagonals, dim=2).flatten(1)
    return pad(weights, (0, queries)).view(batch, queries, queries + length)[:, :, :length]  # moved back
