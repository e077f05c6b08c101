"""A network on condition that the text begins with given bytes, whatever tokens spell them.

::

    to come: ' harbo'      p(' harbour')             covers it
                           p(' har') · Z             goes on within it: Z is the probability that the tokens
                                      │              after it agree with 'bo', found by reading on
                           p('bo…') ─ ┴ p('b') · Z …

    state    the network's, fixed first │ (B,2+R): tokens to be read before, bytes left, the R bytes
             the network's                once no stream waits for any

Drawn token by token this is the exact distribution of texts given the prompt, as long as the tokens that were
final spell its beginning.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnngen.contracts import ChunkStep, FeatureStep, Floats, NetworkStep, State, TokenIds
from rnngen.decoding.prefill import select_rows
from rnngen.decoding.spellings import Spellings
from rnngen.inference.build import identity
from rnngen.numerics import Doubles, log_softmax

SHARE = 1e-6
"""Share of the probability found so far below which a way to spell the bytes is not followed…"""
WIDTH = 64
"""…and how many ways of one stream are followed side by side, the most probable."""
WAIT, LEFT = 0, 1
"""Columns of the state's last array."""


def conditioned(
    network: NetworkStep,
    pieces: Sequence[bytes],
    forbidden: Sequence[int],
    example: "int | TokenIds" = 1,
) -> NetworkStep:
    """Return the network as a ``ConditionedStep``; as it is where the tokens of any text are final.

    Args:
        network: one step of it.
        pieces: the bytes of each token.
        forbidden: tokens that are never drawn.
        example: an argument that its ``start`` takes, from which the number of arrays in its state follows.
    """
    spellings = Spellings(pieces, forbidden)
    if not spellings.cross_characters:
        return network
    kind: type[Any] = Conditioned
    if isinstance(network, FeatureStep):
        kind = _FeatureChunk if isinstance(network, ChunkStep) else _Feature
    elif isinstance(network, ChunkStep):
        kind = _Chunk
    arrays = len(network.start(example))
    step: NetworkStep = kind(network, spellings, np.array(forbidden, np.int64), arrays)
    return step


class _Way(NamedTuple):
    """Tokens that spell the beginning of the bytes to come."""

    stream: int
    """The row that they are of."""
    first: int
    """The first of them."""
    row: int
    """The row of the state before the last of them…"""
    token: int
    """…and that token."""
    rest: bytes
    """The bytes still to come after it."""
    nats: float
    """The log-probability of all of them."""


class Conditioned:
    """A ``rnngen.contracts.ConditionedStep`` of a network."""

    def __init__(self, network: Any, spellings: Spellings, forbidden: TokenIds, arrays: int) -> None:
        self.network: Any = network
        self.arrays = arrays
        self.fixed: int = network.fixed
        self.spellings, self.forbidden = spellings, forbidden
        self.sizes = np.array([len(piece) for piece in spellings.pieces], np.int64)
        self.identity = identity(network)

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        state: State = self.network.start(about)
        return state

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        if len(state) == self.arrays:
            plain: tuple[Floats, State] = self.network(tokens, state)
            return plain
        logits, after = self.network(tokens, state[:-1])
        state = self._read(tokens, after, state[-1])
        return self.condition(logits, state), state

    def attended(self, state: State) -> "Floats | None":
        """Return the network's attention weights of the last token (B,S)."""
        weights: Floats | None = self.network.attended(state[: self.arrays])
        return weights

    # ── bytes to come ──────────────────────────────────────────────────────────────────────────────────────

    def split(self, tokens: Sequence[int]) -> tuple[int, bytes]:
        """Return how many tokens of a prompt are final, and the bytes of the others, which are given back."""
        return self.spellings.split(tokens)

    def expect(self, state: State, rests: Sequence[bytes], after: int = 0) -> State:
        """Return a state whose B streams must begin with ``rests``, once ``after`` tokens more are read."""
        longest = max(map(len, rests), default=0)
        if not longest:
            return state[: self.arrays]
        table = np.zeros((len(rests), 2 + longest), np.int64)
        for row, rest in zip(table, rests, strict=True):
            if rest:
                row[WAIT], row[LEFT] = after, len(rest)
                row[-len(rest) :] = list(rest)
        return (*state[: self.arrays], table)

    def pending(self, state: State) -> list[bytes]:
        """Return the bytes that are still to be drawn in each of B streams."""
        if len(state) == self.arrays:
            return [b""] * len(state[-1])
        return [bytes(row[len(row) - row[LEFT] :].tolist()) for row in state[-1]]

    def _read(self, tokens: TokenIds, network: State, table: TokenIds) -> State:
        """The state after tokens (B,) were read, and the network's after them."""
        waits = table[:, WAIT] > 0
        table = table.copy()
        table[:, WAIT] -= waits
        table[:, LEFT] = np.maximum(table[:, LEFT] - np.where(waits, 0, self.sizes[tokens]), 0)
        return (*network, table) if table[:, LEFT].any() else network

    def condition(self, logits: Floats, state: State) -> Floats:
        """The network's logits (B,V) and the state after its tokens → those that the next are drawn from."""
        if len(state) == self.arrays:
            return logits
        table = state[-1]
        streams = np.flatnonzero((table[:, WAIT] == 0) & (table[:, LEFT] > 0))
        if not len(streams):
            return logits
        whole = logits.copy()
        state = select_rows(state, streams)
        whole[streams] = self._log_masses(logits[streams], state[:-1], self.pending(state))
        return whole

    def _log_masses(self, logits: Floats, state: State, rests: Sequence[bytes]) -> Doubles:
        """The log-probabilities (B,V) of what begins with each token and goes on with the bytes to come."""
        log_probs = self._log_probs(logits)
        found = np.full(log_probs.shape, -np.inf)
        ways: list[_Way] = []
        for stream, rest in enumerate(rests):
            covers, within = self.spellings.ways(rest)
            found[stream, covers] = log_probs[stream, covers]
            ways += [
                _Way(stream, token, stream, token, rest[size:], log_probs[stream, token])
                for token, size in within
            ]
        while ways := _worth_following(ways, found):
            logits, state = self.network(
                np.array([way.token for way in ways]), select_rows(state, [way.row for way in ways])
            )
            log_probs, longer = self._log_probs(logits), list[_Way]()
            for row, way in enumerate(ways):
                covers, within = self.spellings.ways(way.rest)
                mass = way.nats + np.logaddexp.reduce(log_probs[row, covers], initial=-np.inf)
                found[way.stream, way.first] = np.logaddexp(found[way.stream, way.first], mass)
                longer += [
                    _Way(way.stream, way.first, row, token, way.rest[size:], way.nats + log_probs[row, token])
                    for token, size in within
                ]
            ways = longer
        return found

    def _log_probs(self, logits: Floats) -> Doubles:
        """Log-probabilities (B,V) of the tokens that may be drawn."""
        logits = logits.copy()
        logits[:, self.forbidden] = -np.inf
        return log_softmax(logits)


def _worth_following(ways: Sequence[_Way], found: Doubles) -> list[_Way]:
    """Return the ways that can still add to their stream's probability, the most probable of each."""
    known = np.logaddexp.reduce(found, axis=1) + np.log(SHARE)
    counts = np.zeros(len(found), np.int64)
    kept = []
    for way in sorted(ways, key=lambda way: -way.nats):
        if way.nats > known[way.stream] and counts[way.stream] < WIDTH:
            counts[way.stream] += 1
            kept.append(way)
    return kept


# ── What the network can do besides ────────────────────────────────────────────────────────────────────────


class _Feature(Conditioned):
    """The step of a ``FeatureStep``, which is one too."""

    def __init__(self, network: FeatureStep, spellings: Spellings, forbidden: TokenIds, arrays: int) -> None:
        super().__init__(network, spellings, forbidden, arrays)
        self.feature_size = network.feature_size

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → what the output layer reads (B,H), state."""
        features, after = self.network.features(tokens, state[: self.arrays])
        return features, after if len(state) == self.arrays else self._read(tokens, after, state[-1])

    def logits(self, features: Floats, state: State) -> Floats:
        """Features (B,H) and the state after their tokens → logits (B,V)."""
        return self.condition(self.network.logits(features, state[: self.arrays]), state)


class _Chunk(Conditioned):
    """The step of a ``ChunkStep``, which is one too."""

    def forward_chunk(self, tokens: TokenIds, state: State) -> tuple[Floats, list[State]]:
        """Read T tokens of one stream (T,) → logits (T,V) after each, and the T states."""
        if len(state) == self.arrays:
            read: tuple[Floats, list[State]] = self.network.forward_chunk(tokens, state)
            return read
        rows, states = [], []
        for place in range(len(tokens)):
            logits, state = self(tokens[place : place + 1], state)
            rows.append(logits)
            states.append(state)
        return np.concatenate(rows), states


class _FeatureChunk(_Feature, _Chunk):
    """The step of a network that is both."""
