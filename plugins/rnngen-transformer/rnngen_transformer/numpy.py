"""The layer in NumPy, a token at a time; the equations stand in `rnngen_transformer.torch`.

Query, key and value depend on the input alone: ``project`` makes them. The newest token is always at the
last place, so that the table of angles is made once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from rnngen.contracts import Floats, State, Weights

from rnngen_transformer import BASE, TransformerOptions

EPSILON = np.float32(1e-5)


class TransformerStep:
    """One layer, built from the weights of the torch layer under its names."""

    def __init__(self, weights: Weights, options: TransformerOptions) -> None:
        self.heads, self.window = options.heads, options.window
        linear = ["inlet", "qkv", "out", "widen", "narrow"]
        self.matrices: dict[str, Any] = {
            name: np.ascontiguousarray(weights[f"{name}.weight"].T)
            for name in linear
            if f"{name}.weight" in weights
        }
        self.biases = {name: weights[f"{name}.bias"] for name in self.matrices}
        self.norms = [(weights[f"norms.{k}.weight"], weights[f"norms.{k}.bias"]) for k in range(2)]
        self.size = len(self.biases["out"])
        half = self.size // self.heads // 2
        angles = np.arange(self.window)[:, None] * BASE ** (-np.arange(half) / half)
        self.cos, self.sin = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrices by those that ``make`` returns for them."""
        self.matrices = {name: make(matrix) for name, matrix in self.matrices.items()}

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: two times (B,W,H) of zeros, and (B,) of zeros."""
        empty = np.zeros((batch, self.window, self.size), np.float32)
        return empty, empty, np.zeros(batch, np.int64)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → x as the layer sees it, query, key and value (B,4H)."""
        x = self._linear("inlet", x) if "inlet" in self.matrices else x
        return np.concatenate((x, self._linear("qkv", x)), -1)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Take one step: (B,4H) and the state → outputs (B,H) and the next state."""
        x, query, key, value = np.split(projected, 4, -1)
        keys, values = (
            np.concatenate((old[:, 1:], new[:, None]), 1) for old, new in ((state[0], key), (state[1], value))
        )
        count = np.minimum(state[2] + 1, self.window)
        x = self._normalized(0, x + self._linear("out", self._attended(query, keys, values, count)))
        wide = np.maximum(self._linear("widen", x), 0)
        return self._normalized(1, x + self._linear("narrow", wide)), (keys, values, count)

    def _attended(self, query: Floats, keys: Floats, values: Floats, count: Any) -> Floats:
        """A query (B,H) over the last ``count`` (B,) of W keys and values → (B,H)."""
        most = int(count.max())
        shape = (len(query), most, self.heads, -1)
        kept, read = keys[:, -most:].reshape(shape), values[:, -most:].reshape(shape)
        turned = self._turned(query.reshape(len(query), 1, self.heads, -1), slice(-1, None))
        scores = np.einsum("bqhd,bkhd->bhk", turned, self._turned(kept, slice(-most, None)))
        scores /= np.sqrt(np.float32(kept.shape[-1]))
        hidden = np.arange(most) < most - count[:, None]
        scores = np.where(hidden[:, None], np.float32(-np.inf), scores)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        attended: Floats = np.einsum("bhk,bkhd->bhd", shares, read)
        return attended.reshape(len(query), -1)

    def _turned(self, rows: Floats, places: slice) -> Floats:
        """Turn rows (B,S,heads,D) by the angles of S places."""
        one, other = np.split(rows, 2, -1)
        cos, sin = self.cos[places, None], self.sin[places, None]
        return np.concatenate((one * cos - other * sin, one * sin + other * cos), -1)

    def _linear(self, name: str, x: Floats) -> Floats:
        product: Floats = np.dot(x, self.matrices[name]) + self.biases[name]
        return product

    def _normalized(self, number: int, x: Floats) -> Floats:
        gain, bias = self.norms[number]
        centred = x - x.mean(-1, keepdims=True)
        scaled: Floats = centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
        return scaled * gain + bias
