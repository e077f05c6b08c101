"""The network ``conv-seq2seq`` in NumPy; equations and state layout in `rnngen_conv.seq2seq`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from rnngen.contracts import NO_TOKEN, Blueprint, Floats, State, TokenIds, Weights
from rnngen.numerics import sigmoid

from rnngen_conv import BASE, ConvSeq2SeqOptions

HALF = np.float32(np.sqrt(0.5))
READ = 8192
"""Source tokens whose windows are laid side by side at once."""


class ConvSeq2SeqStep:
    """One step of the whole network, built from torch's weights; also a ``rnngen.contracts.FeatureStep``."""

    fixed = 3

    def __init__(self, weights: Weights, blueprint: Blueprint, options: ConvSeq2SeqOptions) -> None:
        self.width, self.feature_size, self.hidden = options.width, blueprint.embed, blueprint.hidden
        self.embedding = weights["embedding.weight"]
        self.source_embedding = weights.get("source_embedding.weight", self.embedding)
        head = weights.get("head.weight", self.embedding)  # tied weights are stored once
        self.matrices: dict[str, Any] = {"head": np.ascontiguousarray(head.T)}
        self.biases = {"head": weights["head.bias"]}
        for key, weight in weights.items():
            name = key.removesuffix(".weight")
            if name != key and "embedding" not in name and name != "head":
                turned = weight.transpose(*range(weight.ndim)[::-1])  # (k,H,2H) of a convolution
                self.matrices[name] = np.ascontiguousarray(turned.reshape(-1, turned.shape[-1]))
                self.biases[name] = weights[f"{name}.bias"]
        self.encoder = range(options.encoder_layers or blueprint.layers)
        self.decoder = range(blueprint.layers)

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrices by those that ``make`` returns for them."""
        self.matrices = {name: make(matrix) for name, matrix in self.matrices.items()}

    def start(self, source: TokenIds) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        batch, size = source.shape
        mask = source != NO_TOKEN
        keys = np.zeros((batch, size, self.feature_size), np.float32)
        values = np.zeros_like(keys)
        for row, tokens in enumerate(source):
            keys[row, mask[row]], values[row, mask[row]] = self._read(tokens[mask[row]])
        empty = np.zeros((batch, self.width - 1, self.hidden), np.float32)
        weights, place = np.zeros((batch, size), np.float32), np.zeros(batch, np.int64)
        return keys, values, mask, weights, place, *(empty for _ in self.decoder)

    def _read(self, tokens: TokenIds) -> tuple[Floats, Floats]:
        """Read one source (S,) → keys and values, each (S,E)."""
        e = self._embedded(self.source_embedding, tokens, np.arange(len(tokens)))
        x = self._linear("encoder_in", e)
        both = (self.width - 1) // 2, self.width // 2
        for layer in self.encoder:
            seen = np.pad(x, (both, (0, 0))).reshape(-1)
            windows = sliding_window_view(seen, self.width * self.hidden)[:: self.hidden]
            parts = [
                self._gated(f"encoder.{layer}", windows[at : at + READ]) for at in range(0, len(x), READ)
            ]
            x = HALF * (x + np.concatenate(parts))
        z = self._linear("encoder_out", x)
        return z, HALF * (z + e) * np.sqrt(np.float32(len(tokens)))

    def attended(self, state: State) -> Floats:
        """Return the attention weights of the last token (B,S)."""
        weights: Floats = state[self.fixed]
        return weights

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → what the output layer reads (B,E), state."""
        keys, values, mask, _, place, *windows = state
        e = self._embedded(self.embedding, tokens, place)
        x = self._linear("decoder_in", e)
        after, found = [], []
        for layer, window in zip(self.decoder, windows, strict=True):
            seen = np.concatenate((window, x[:, None]), 1)
            y = self._gated(f"decoder.{layer}", seen.reshape(len(seen), -1))
            weights = _attend(HALF * (self._linear(f"queries.{layer}", y) + e), keys, mask)
            context = np.matmul(weights[:, None], values)[:, 0]
            y = HALF * (y + self._linear(f"contexts.{layer}", context))
            x = HALF * (x + y)
            after.append(seen[:, 1:])
            found.append(weights)
        mean = np.mean(found, axis=0, dtype=np.float32)
        return self._linear("decoder_out", x), (keys, values, mask, mean, place + 1, *after)

    def logits(self, features: Floats, state: State) -> Floats:  # noqa: ARG002 - they depend on features alone
        """Features (B,E) and the state after their tokens → logits (B,V)."""
        return self._linear("head", features)

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        features, state = self.features(tokens, state)
        return self.logits(features, state), state

    def _embedded(self, embedding: Floats, tokens: TokenIds, places: TokenIds) -> Floats:
        """Embeddings (N,E) of tokens (N,) at places (N,)."""
        half = (self.feature_size + 1) // 2
        angles = places[:, None] * (BASE ** (-np.arange(half, dtype=np.float32) / half)).astype(np.float32)
        sines = np.concatenate((np.sin(angles), np.cos(angles)), 1)[:, : self.feature_size]
        rows: Floats = np.sqrt(np.float32(self.feature_size)) * embedding[tokens] + sines.astype(np.float32)
        return rows

    def _linear(self, name: str, x: Floats) -> Floats:
        product: Floats = np.dot(x, self.matrices[name]) + self.biases[name]
        return product

    def _gated(self, name: str, windows: Floats) -> Floats:
        """Windows (N,kH) → (N,H)."""
        a, b = np.split(self._linear(name, windows), 2, 1)
        opened: Floats = a * sigmoid(b)
        return opened


def _attend(query: Floats, keys: Floats, mask: NDArray[np.bool_]) -> Floats:
    """A query (B,E) over keys (B,S,E) → weights (B,S), none of them padding's."""
    scores = np.where(mask, np.matmul(keys, query[:, :, None])[:, :, 0], np.float32(-np.inf))
    weights = np.exp(scores - scores.max(1, keepdims=True))
    normalized: Floats = weights / weights.sum(1, keepdims=True)
    return normalized
