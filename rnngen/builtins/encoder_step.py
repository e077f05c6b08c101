"""The half of ``seq2seq`` that reads, the face that generates: NumPy alone, all rows side by side."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import ComponentFactory, Floats, LayerStep, State, Weights
from rnngen.errors import UsageError

Mask = NDArray[np.bool_]


class Reading(NamedTuple):
    """What the encoder made of its sources."""

    memory: Floats
    """(B,S,M), one vector a token."""
    last: Floats
    """(B,M): each direction's output at its own last token."""
    states: list[State]
    """Each layer's states after its row's own last token, the directions added."""


class EncoderStep:
    """Reads sources, as ``rnngen.builtins.encoder.Encoder`` does.

    Args:
        weights: the whole network's.
        cell: makes the layers.
        layers: L.
        hidden: H, of each direction.
        bidirectional: whether there is a way back.
    """

    def __init__(
        self, weights: Weights, cell: ComponentFactory, layers: int, hidden: int, *, bidirectional: bool
    ) -> None:
        ways = ["forth", "back"] if bidirectional else ["forth"]
        self.layers: list[list[LayerStep]] = [
            [cell.numpy(weights, f"encoder.{way}.{i}.") for way in ways] for i in range(layers)
        ]
        self.size = hidden * len(ways)

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrices of all layers.

        Raises:
            UsageError: if they have no method for it; nothing is replaced then.
        """
        layers: list[Any] = [layer for ways in self.layers for layer in ways]
        for layer in layers:
            if not hasattr(layer, "quantize"):
                raise UsageError(
                    f"{type(layer).__name__}, which reads the source, cannot quantize its weights (it has no "
                    "method 'quantize'); leave --quantize out"
                )
        for layer in layers:
            layer.quantize(make)

    def __call__(self, x: Floats, mask: Mask) -> Reading:
        """Embeddings (B,S,E) and mask (B,S) → what is made of them."""
        lengths = mask.sum(axis=1)
        flip = _flipped(lengths, mask.shape[1])
        states: list[State] = []
        last: list[Floats] = []
        for forth, *back in self.layers:
            y, end, state = _read(forth, x, lengths)
            outputs, last = [y], [end]
            for layer in back:
                y, end, other = _read(layer, _reordered(x, flip), lengths)
                outputs.append(_reordered(y, flip))
                last.append(end)
                state = tuple(a + b for a, b in zip(state, other, strict=True))
            states.append(state)
            x = np.concatenate(outputs, axis=2)
        return Reading(x, np.concatenate(last, axis=1), states)


def _read(layer: LayerStep, x: Floats, lengths: NDArray[np.int64]) -> tuple[Floats, Floats, State]:
    """Run a layer over rows of these lengths → outputs (B,S,H), and output and state after each row's last.

    Rows go by falling length, so that those that have ended leave the product.
    """
    order = np.argsort(-lengths, kind="stable")
    reading = (lengths[:, None] > np.arange(x.shape[1])).sum(axis=0)  # rows that have a token at each place
    batch, size = x.shape[:2]
    projected = layer.project(x[order].reshape(batch * size, -1)).reshape(batch, size, -1)
    state = tuple(array.copy() for array in layer.initial_state(batch))
    outputs = np.zeros((batch, size, 0), np.float32)
    for t, rows in enumerate(reading):
        y, after = layer.advance(projected[:rows, t], tuple(array[:rows] for array in state))
        if not t:
            outputs = np.zeros((batch, size, y.shape[1]), np.float32)
        outputs[:rows, t] = y
        for kept, array in zip(state, after, strict=True):
            kept[:rows] = array
    back = np.argsort(order, kind="stable")
    outputs = outputs[back]
    last = outputs[np.arange(batch), lengths - 1]
    return outputs, last, tuple(array[back] for array in state)


def _flipped(lengths: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """For each row, the places of its tokens from last to first, then those of its padding: (B,S)."""
    places = np.broadcast_to(np.arange(size), (len(lengths), size))
    return np.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)


def _reordered(x: Floats, places: NDArray[np.int64]) -> Floats:
    """``x`` (B,S,·) with its tokens at other places, (B,S)."""
    return x[np.arange(len(x))[:, None], places]
