"""A step with a neural cache: what followed when the network was in a similar state (Grave et al. 2016).

::

    p(w) = (1 − λ)·p_network(w) + λ·Σᵢ αᵢ·[w = xᵢ₊₁],    α = softmax over the last N places i of θ·hᵢ·hₜ

    state    the network's own │ settled keys, tokens │ recent keys, tokens │ pending │ met
             entry n of a stream lies in ring slot n mod N′, and before that in slot n mod R:

             settled  ▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪▪  N′ = N rounded up to blocks of R, touched once a block
             recent   ▪▪▪▪▫▫                    R, copied at every token

``rnngen.evaluation.neural_cache`` measures the same on a text; here the memory is part of the state, so that
streams fork, are kept and go on as without it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.strategies.beam.candidates import log_softmax
from rnngen.contracts import FeatureStep, Floats, State, TokenIds

BLOCK = 64
"""R, at most: a compromise between copying the whole memory at every token and copying blocks."""
ARRAYS = 6
"""How many arrays the memory adds at the end of a state."""


class CachedStep:
    """A network's step that also predicts what it has seen follow.

    Args:
        step: of the network.
        size: N, tokens that are remembered.
        weight: λ, the share of the prediction that is the memory's, from 0 to below 1; none as long as the
            memory is empty.
        flatness: θ.
    """

    def __init__(self, step: FeatureStep, *, size: int, weight: float, flatness: float) -> None:
        self.step, self.size, self.weight, self.flatness = step, size, weight, flatness
        self.fixed = step.fixed
        self.block = min(BLOCK, size)
        self.slots = -(-size // self.block) * self.block
        inner = getattr(step, "identity", type(step).__name__)
        self.identity = f"cache {size} {weight} {flatness} of {inner}"
        """What its states depend on, beside the model."""

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        inner, width = self.step.start(about), self.step.feature_size
        batch = about if isinstance(about, int) else len(about)
        empty = Memory(
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
        memory = Memory(*state[-ARRAYS:]).after(tokens, features)
        logits = self._mixed(log_softmax(self.step.logits(features)), memory)
        return logits, (*after, *memory.state)

    def attended(self, state: State) -> "Floats | None":
        """Return the network's attention weights of the last token (B,S)."""
        return self.step.attended(state[:-ARRAYS])

    def _mixed(self, network: NDArray[np.float64], memory: "Memory") -> Floats:
        """Log-probabilities (B,V) of the network → those of the mixture."""
        told, known = self._told(network.shape[1], memory)
        weight = np.where(known, self.weight, 0.0)[:, None]
        with np.errstate(divide="ignore"):  # most tokens are not in the memory
            mixed: Floats = np.logaddexp(network + np.log1p(-weight), np.log(weight * told)).astype(
                np.float32
            )
        return mixed

    def _told(self, vocabulary: int, memory: "Memory") -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """What the memory predicts, (B,V), and which streams (B,) have one."""
        settled, recent = memory.within(self.size)
        likeness = np.concatenate(
            [
                np.where(settled, self._likeness(memory.keys, memory.pending), -np.inf),
                np.where(recent, self._likeness(memory.recent, memory.pending), -np.inf),
            ],
            axis=1,
        )
        top = likeness.max(axis=1, keepdims=True)
        known = top[:, 0] > -np.inf
        shares = np.exp(likeness - np.where(known[:, None], top, 0), dtype=np.float64)
        shares /= np.where(known[:, None], shares.sum(axis=1, keepdims=True), 1)
        tokens = np.concatenate([memory.tokens, memory.recent_tokens], axis=1)
        places = tokens + vocabulary * np.arange(len(tokens))[:, None]
        size = vocabulary * len(tokens)
        told = np.bincount(places.ravel(), shares.ravel(), minlength=size).astype(np.float64)
        return told.reshape(-1, vocabulary), known

    def _likeness(self, keys: Floats, features: Floats) -> Floats:
        """Keys (B,n,H) and features (B,H) → θ times their products (B,n)."""
        likeness: Floats = np.float32(self.flatness) * (keys @ features[:, :, None])[:, :, 0]
        return likeness


@dataclass(frozen=True, eq=False)
class Memory:
    """What B streams remember; nothing of it is ever written to."""

    keys: Floats
    """(B,N′,H) settled features, in a ring."""
    tokens: TokenIds
    """(B,N′) the tokens after them."""
    recent: Floats
    """(B,R,H) the features since the last whole block."""
    recent_tokens: TokenIds
    """(B,R)"""
    pending: Floats
    """(B,H) the last feature, whose token is still to come."""
    met: TokenIds
    """(B,) how many entries there have been, -1 before the first feature."""

    @property
    def state(self) -> State:
        """The arrays, in their order."""
        return self.keys, self.tokens, self.recent, self.recent_tokens, self.pending, self.met

    def after(self, tokens: TokenIds, features: Floats) -> "Memory":
        """Remember that ``tokens`` (B,) came after what was pending; ``features`` (B,H) now are."""
        recent, recent_tokens = self.recent.copy(), self.recent_tokens.copy()
        rows = np.flatnonzero(self.met >= 0)
        places = self.met[rows] % recent.shape[1]
        recent[rows, places], recent_tokens[rows, places] = self.pending[rows], tokens[rows]
        met = self.met + 1
        keys, values = self.keys, self.tokens
        full = np.flatnonzero((met > 0) & (met % recent.shape[1] == 0))
        if len(full):
            keys, values = keys.copy(), values.copy()
            places = (met[full, None] - recent.shape[1] + np.arange(recent.shape[1])) % keys.shape[1]
            keys[full[:, None], places], values[full[:, None], places] = recent[full], recent_tokens[full]
        return Memory(keys, values, recent, recent_tokens, features, met)

    def within(self, size: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which slots, settled (B,N′) and recent (B,R), hold one of the last ``size`` entries."""
        met, slots, block = self.met[:, None], self.keys.shape[1], self.recent.shape[1]
        whole = met // block * block
        settled = whole - 1 - (whole - 1 - np.arange(slots)) % slots
        recent = whole + np.arange(block)
        oldest = np.maximum(met - size, 0)
        return settled >= oldest, (recent >= oldest) & (recent < met)
