"""The two backends of a network's step: NumPy, which starts at once, and torch, which runs any cell."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from rnngen.contracts import Floats, LayerStep, State, TokenIds, Weights
from rnngen.decode.captured import CapturedStep, record_on_cuda
from rnngen.decode.heads import make_head


class NumpyStep:
    """A recurrent network, one token at a time, without torch.

    What the first layer makes of each token's embedding is computed once for the whole vocabulary, so that
    a step begins with a look-up instead of a product.

    Args:
        weights: the network's parameters by name (``rnngen.engine.network``).
        layers: the NumPy face of each layer.
    """

    fixed = 0

    TABLE_LIMIT = 1 << 26
    """Largest table of projected embeddings, in numbers (256 MiB); above, they are projected when needed."""

    def __init__(self, weights: Weights, layers: Sequence[LayerStep]) -> None:
        self.layers = tuple(layers)
        self.first, *self.rest = layers
        embedding = weights["embedding.weight"]
        width = self.first.project(embedding[:1]).shape[1]
        tabulated = len(embedding) * width <= self.TABLE_LIMIT
        self.table = self.first.project(embedding) if tabulated else None
        self.embedding = embedding
        self.head = make_head(weights)
        self.spans = _spans([len(layer.initial_state(1)) for layer in layers])
        self.initial = [weights[f"initial.{i}"] for i in range(_count(weights, "initial."))]

    def start(self, batch: int) -> State:
        """The state before the first token."""
        if self.initial:
            return tuple(np.repeat(array, batch, axis=0) for array in self.initial)
        return tuple(a for layer in (self.first, *self.rest) for a in layer.initial_state(batch))

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        features, after = self.read(tokens, state)
        return self.predict(features), after

    def read(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → the last layer's outputs (B,H), state."""
        y, after = self.first.advance(self._entering(tokens), state[self.spans[0]])
        for layer, span in zip(self.rest, self.spans[1:], strict=True):
            y, more = layer.advance(layer.project(y), state[span])
            after += more
        return y, after

    def ahead(self, tokens: TokenIds, state: State) -> tuple[Floats, list[State]]:
        """Read T tokens of one stream (T,) → logits (T,V) after each, and the T states.

        Layer by layer, so that the weights of each stay in the processor's cache; what enters a layer, and
        the output, is one product for all tokens where that is quicker. BLAS may round it otherwise than a
        single row, in the seventh digit.
        """
        rows = self._entering(tokens)
        states: list[State] = [() for _ in tokens]
        for layer, span in zip(self.layers, self.spans, strict=True):
            rows = rows if layer is self.first else _by_rows(layer.project, rows)
            outputs, past = [], state[span]
            for place in range(len(tokens)):
                y, past = layer.advance(rows[place : place + 1], past)
                outputs.append(y)
                states[place] += past
            rows = np.concatenate(outputs)
        return _by_rows(self.predict, rows), states

    def predict(self, features: Floats) -> Floats:
        """(B,H) → logits (B,V)."""
        return self.head(features)

    def _entering(self, tokens: TokenIds) -> Floats:
        """What the first layer makes of tokens (B,); of one row, ``take`` is 3 times as quick as ``[]``."""
        if self.table is None:
            return self.first.project(self.embedding.take(tokens, axis=0))
        return self.table.take(tokens, axis=0)

    def quantise(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices, as ``LayerStep`` tells; each layer must have this method. The table stays."""
        layers: Sequence[Any] = self.layers
        for layer in layers:
            layer.quantise(make)
        self.head.quantise(make)

    def attended(self, state: State) -> None:
        """None: there is no source to look at."""


class TorchStep:
    """Any network that trains, one token at a time; on CUDA as a graph where shapes stay.

    Args:
        network: on its device, a ``Network`` or a ``SourceNetwork``.
    """

    def __init__(self, network: Any) -> None:
        self.network = network.eval()
        self.fixed: int = getattr(network, "fixed", 0)
        self.device = next(network.parameters()).device
        on_cuda = self.device.type == "cuda"
        recorder = partial(record_on_cuda, self.device)
        self.captured = CapturedStep(self.network, self.fixed, recorder) if on_cuda else None

    def start(self, about: "int | TokenIds") -> State:
        """The state before the first token: of so many streams, or of sources (B,S)."""
        import torch

        with torch.inference_mode():
            given = about if isinstance(about, int) else torch.from_numpy(about).to(self.device)
            return tuple(self.network.start(given))

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(tokens)
            if self.captured is not None:
                logits, state = self.captured(inputs, state)
                return logits.cpu().numpy(), state
            logits, state = self.network(inputs.to(self.device)[:, None], state)
            return logits[:, 0].float().cpu().numpy(), state

    def read(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → what the output layer reads (B,H), state; of networks without a source."""
        import torch

        with torch.inference_mode():
            inputs = torch.from_numpy(tokens).to(self.device)[:, None]
            features, state = self.network.hidden(inputs, state)
            return features[:, 0].float().cpu().numpy(), state

    def predict(self, features: Floats) -> Floats:
        """(B,H) → logits (B,V)."""
        import torch

        with torch.inference_mode():
            logits: Floats = (
                self.network.predict(torch.from_numpy(features).to(self.device)).float().cpu().numpy()
            )
            return logits

    def attended(self, state: State) -> "Floats | None":
        """Where it looked for the last token, (B,S); None where there is no source."""
        weights = self.network.attended(state) if hasattr(self.network, "attended") else None
        return None if weights is None else weights.float().cpu().numpy()


def _spans(lengths: list[int]) -> list[slice]:
    """Where each layer's arrays lie in the flat state."""
    ends = np.cumsum(lengths).tolist()
    return [slice(end - length, end) for length, end in zip(lengths, ends, strict=True)]


ROWS = 4
"""From how many rows on BLAS multiplies a matrix with all of them quicker than with one after another."""


def _by_rows(product: Callable[[Floats], Floats], rows: Floats) -> Floats:
    """What a product makes of rows (T,I), few as they are."""
    if len(rows) >= ROWS:
        return product(rows)
    return np.concatenate([product(rows[place : place + 1]) for place in range(len(rows))])


def _count(weights: Weights, prefix: str) -> int:
    return sum(name.startswith(prefix) for name in weights)
