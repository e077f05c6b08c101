"""One step of a network and of the n-grams beside it.

::

    state    the network's, fixed first │ nodes (B,K) │ with an adaptive n-gram: tokens, agreement (B,W)
"""

from typing import Any

import numpy as np

from rnngen.contracts import ChunkStep, FeatureStep, Floats, NetworkStep, State, TokenIds
from rnngen.inference.build import identity
from rnngen.inference.ngram.mixture import Mixture
from rnngen.inference.ngram.recent import Recent


def mixed_step(network: NetworkStep, mixture: Mixture, *, adaptive: bool = False) -> NetworkStep:
    """Return the step of the network mixed with its n-gram, which can do what the network can.

    An ``adaptive`` one goes on counting what it reads and what it writes.
    """
    kind: type[Any] = MixedStep
    if isinstance(network, FeatureStep):
        kind = _FeatureChunk if isinstance(network, ChunkStep) else _Feature
    elif isinstance(network, ChunkStep):
        kind = _Chunk
    step: NetworkStep = kind(network, mixture, adaptive)
    return step


class MixedStep:
    """A ``rnngen.contracts.NetworkStep`` of a network and its n-gram."""

    def __init__(self, network: Any, mixture: Mixture, adaptive: bool) -> None:
        self.network, self.mixture, self.adaptive = network, mixture, adaptive
        self.fixed: int = network.fixed
        self.arrays = 3 if adaptive else 1
        """Arrays that the n-grams add at the end of a state."""
        self.identity = f"{'adaptive ' * adaptive}n-gram and {identity(network)}"

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        batch = about if isinstance(about, int) else len(about)
        recent = Recent.start(batch) if self.adaptive else ()
        return (*self.network.start(about), self.mixture.ngram.start(batch), *recent)

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits of the mixture (B,V), state."""
        logits, after = self.network(tokens, state[: -self.arrays])
        contexts = self.read(tokens, state)
        return self.mix(logits, contexts), (*after, *contexts)

    def attended(self, state: State) -> "Floats | None":
        """Return the network's attention weights of the last token (B,S)."""
        weights: Floats | None = self.network.attended(state[: -self.arrays])
        return weights

    def read(self, tokens: TokenIds, state: State) -> State:
        """The n-grams' part of a state, at its end, and the tokens (B,) after it → their part after those."""
        nodes = self.mixture.ngram.advance(state[-self.arrays], tokens)
        return (nodes, *Recent(*state[-2:]).after(tokens)) if self.adaptive else (nodes,)

    def mix(self, logits: Floats, contexts: State) -> Floats:
        """The network's logits (B,V) and the n-grams' part of the state → logits of the mixture (B,V)."""
        ngram = self.mixture.ngram.predict(contexts[0])
        recent = Recent(*contexts[1:]).predict(ngram) if self.adaptive else None
        return self.mixture.mixed(logits, ngram, recent)


class _Feature(MixedStep):
    """The step of a ``FeatureStep``, which is one too."""

    def __init__(self, network: FeatureStep, mixture: Mixture, adaptive: bool) -> None:
        super().__init__(network, mixture, adaptive)
        self.feature_size = network.feature_size

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → what the output layer reads (B,H), state."""
        features, after = self.network.features(tokens, state[: -self.arrays])
        return features, (*after, *self.read(tokens, state))

    def logits(self, features: Floats, state: State) -> Floats:
        """Features (B,H) and the state after their tokens → logits of the mixture (B,V)."""
        return self.mix(self.network.logits(features, state[: -self.arrays]), state[-self.arrays :])


class _Chunk(MixedStep):
    """The step of a ``ChunkStep``, which is one too."""

    def forward_chunk(self, tokens: TokenIds, state: State) -> tuple[Floats, list[State]]:
        """Read T tokens of one stream (T,) → logits (T,V) after each, and the T states."""
        logits, states = self.network.forward_chunk(tokens, state[: -self.arrays])
        contexts, parts = state[-self.arrays :], []
        for place in range(len(tokens)):
            contexts = self.read(tokens[place : place + 1], contexts)
            parts.append(contexts)
        joined = tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        whole = [(*after, *part) for after, part in zip(states, parts, strict=True)]
        return self.mix(logits, joined), whole


class _FeatureChunk(_Feature, _Chunk):
    """The step of a network that is both."""
