"""A step with a neural cache: what followed when the network was in a similar state (Grave et al. 2016).

::

    p(w) = (1 − λ)·p_network(w) + λ·Σᵢ αᵢ·[w = xᵢ₊₁],    α = softmax over the last N places i of θ·hᵢ·hₜ

    state    the network's, fixed first │ settled keys, tokens │ recent keys, tokens │ pending │ count
             entry n of a stream lies in ring slot n mod N′, and before that in slot n mod R:

             settled  ▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪  N′ = N rounded up to blocks of R, touched once a block
             recent   ▪▪▪▪▫▫                    R, copied at every token

``rnngen.evaluation.perplexity`` measures the same on a text; here the cache is part of the state, so that
streams fork, are saved and go on as without it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import FeatureStep, Floats, State, TokenIds
from rnngen.inference.build import identity
from rnngen.numerics import log_softmax

BLOCK = 64
"""R, at most: a compromise between copying the whole cache at every token and copying blocks."""
ARRAYS = 6
"""Arrays that the cache adds at the end of a state."""


class CachedStep:
    """A network's step whose predictions are mixed with those of a cache.

    Args:
        step: of the network.
        size: N, the tokens that the cache holds.
        weight: λ, the share of the cache, from 0 to below 1; it has none while it is empty.
        flatness: θ.
    """

    def __init__(self, step: FeatureStep, *, size: int, weight: float, flatness: float) -> None:
        self.step, self.size, self.weight, self.flatness = step, size, weight, flatness
        self.fixed = step.fixed
        self.block = min(BLOCK, size)
        self.slots = -(-size // self.block) * self.block
        self.identity = f"cache {size} {weight} {flatness} of {identity(step)}"

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        inner, width = self.step.start(about), self.step.feature_size
        batch = about if isinstance(about, int) else len(about)
        empty = Entries(
            np.zeros((batch, self.slots, width), np.float32),
            np.zeros((batch, self.slots), np.int64),
            np.zeros((batch, self.block, width), np.float32),
            np.zeros((batch, self.block), np.int64),
            np.zeros((batch, width), np.float32),
            np.full(batch, -1, np.int64),
        )
        return (*inner, *empty.state)

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → the mixture's log-probabilities (B,V), state."""
        features, after = self.step.features(tokens, state[:-ARRAYS])
        cache = Entries(*state[-ARRAYS:]).after(tokens, features)
        logits = self._mixed(log_softmax(self.step.logits(features, after)), cache)
        return logits, (*after, *cache.state)

    def attended(self, state: State) -> "Floats | None":
        """Return the network's attention weights of the last token (B,S)."""
        return self.step.attended(state[:-ARRAYS])

    def _mixed(self, network: NDArray[np.float64], cache: "Entries") -> Floats:
        probabilities, filled = self._predict(network.shape[1], cache)
        weight = np.where(filled, self.weight, 0.0)[:, None]
        with np.errstate(divide="ignore"):  # most tokens are not in the cache
            mixed = np.logaddexp(network + np.log1p(-weight), np.log(weight * probabilities))
        return mixed.astype(np.float32)

    def _predict(self, vocabulary: int, cache: "Entries") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the cache's probabilities (B,V), and which streams (B,) have any entry."""
        settled, recent = cache.within(self.size)
        kinds = (settled, cache.keys), (recent, cache.recent)
        found = [np.where(there, self._scores(keys, cache.pending), -np.inf) for there, keys in kinds]
        scores = np.concatenate(found, axis=1)
        top = scores.max(axis=1, keepdims=True)
        filled = top > -np.inf
        weights = np.exp(scores - np.where(filled, top, 0), dtype=np.float64)
        weights /= np.where(filled, weights.sum(axis=1, keepdims=True), 1)
        tokens = np.concatenate([cache.tokens, cache.recent_tokens], axis=1)
        places = tokens + vocabulary * np.arange(len(tokens))[:, None]
        sums = np.bincount(places.ravel(), weights.ravel(), minlength=vocabulary * len(tokens))
        return sums.astype(np.float64).reshape(-1, vocabulary), filled[:, 0]

    def _scores(self, keys: Floats, features: Floats) -> Floats:
        """Keys (B,n,H) and features (B,H) → θ times their products (B,n)."""
        scores: Floats = np.float32(self.flatness) * (keys @ features[:, :, None])[:, :, 0]
        return scores


@dataclass(frozen=True, eq=False)
class Entries:
    """The entries of B streams: features and the tokens that followed them; never written to."""

    keys: Floats
    """(B,N′,H) settled features, in a ring."""
    tokens: TokenIds
    """(B,N′) the tokens after them."""
    recent: Floats
    """(B,R,H) the features since the last whole block."""
    recent_tokens: TokenIds
    """(B,R) the tokens after them."""
    pending: Floats
    """(B,H) the last features, whose token is still to come."""
    count: TokenIds
    """(B,) the number of entries so far, -1 before the first features."""

    @property
    def state(self) -> State:
        """The arrays, in their order."""
        return self.keys, self.tokens, self.recent, self.recent_tokens, self.pending, self.count

    def after(self, tokens: TokenIds, features: Floats) -> "Entries":
        """Add ``tokens`` (B,) after the pending features; ``features`` (B,H) are pending now."""
        recent, recent_tokens = self.recent.copy(), self.recent_tokens.copy()
        rows = np.flatnonzero(self.count >= 0)
        places = self.count[rows] % recent.shape[1]
        recent[rows, places], recent_tokens[rows, places] = self.pending[rows], tokens[rows]
        count = self.count + 1
        keys, values = self.keys, self.tokens
        full = np.flatnonzero((count > 0) & (count % recent.shape[1] == 0))
        if len(full):
            keys, values = keys.copy(), values.copy()
            places = (count[full, None] - recent.shape[1] + np.arange(recent.shape[1])) % keys.shape[1]
            keys[full[:, None], places], values[full[:, None], places] = recent[full], recent_tokens[full]
        return Entries(keys, values, recent, recent_tokens, features, count)

    def within(self, size: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which slots, settled (B,N′) and recent (B,R), hold one of the last ``size`` entries."""
        count, slots, block = self.count[:, None], self.keys.shape[1], self.recent.shape[1]
        whole = count // block * block
        settled = whole - 1 - (whole - 1 - np.arange(slots)) % slots
        recent = whole + np.arange(block)
        oldest = np.maximum(count - size, 0)
        return settled >= oldest, (recent >= oldest) & (recent < count)
