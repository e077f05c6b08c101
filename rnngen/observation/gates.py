"""How open the gates of each layer are while a text is read.

A gate is a number from 0, shut, to 1, open, for each unit; one below 0.1 or above 0.9 is saturated (Karpathy
et al. 2015, arXiv 1506.02078, section 4.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnngen.contracts import Floats, GatedStep, LayeredStep, State
from rnngen.errors import UsageError
from rnngen.generation.generator import Generator
from rnngen.observation.reading import Reading, Text, pieces_of

SHUT, OPEN = 0.1, 0.9
"""The values of a gate below and above which it is saturated."""


@dataclass(frozen=True, eq=False)
class Gates:
    """One gate of one layer."""

    layer: int
    """From 1."""
    name: str
    values: Floats
    """(N,H) after each piece of the text."""

    @property
    def label(self) -> str:
        """Its layer and its name."""
        return f"{self.layer} {self.name}"

    @property
    def shut(self) -> float:
        """The share of its values below ``SHUT``."""
        return float((self.values < SHUT).mean())

    @property
    def open(self) -> float:
        """The share of its values above ``OPEN``."""
        return float((self.values > OPEN).mean())


@dataclass(frozen=True, eq=False)
class GateMap:
    """The mean of each gate after each piece: a ``Grid`` of pictures."""

    source: tuple[str, ...]
    """The text, piece by piece."""
    target: tuple[str, ...]
    """The gates."""
    weights: Floats

    def part(self, begin: int, end: int) -> "GateMap":
        """Return the map of some of the pieces."""
        return GateMap(self.source[begin:end], self.target, self.weights[:, begin:end])

    def best(self, row: int) -> int:
        """Return the piece at which a gate was most open."""
        return int(self.weights[row].argmax())


def gate_map(texts: Sequence[str], gates: Sequence[Gates]) -> GateMap:
    """Average gates over their units."""
    means = np.stack([one.values.mean(axis=1) for one in gates])
    return GateMap(tuple(texts), tuple(one.label for one in gates), means)


def observe_gates(generator: Generator, text: Text, name: str) -> tuple[list[str], list[Gates]]:
    """Read a text → its pieces, and every gate of every layer.

    Raises:
        UsageError: if the model of this ``name`` shows no gates, or the text has nothing to read.
    """
    reading = Reading.of(generator)
    network = reading.network
    if not isinstance(network, LayeredStep) or network.fixed:
        raise UsageError(
            f"{name} shows no gates: that takes a stack of layers with a NumPy implementation; "
            "`rnngen look neurons` shows the state of any model"
        )
    layers = list(network.layers)
    for number, layer in enumerate(layers, start=1):
        if not isinstance(layer, GatedStep):
            raise UsageError(
                f"{name} shows no gates: layer {number}, a {type(layer).__name__}, has none, or no method "
                "'gates' that returns them; `rnngen look neurons` shows the state of any cell"
            )
    prefix, tokens = reading.tokens(text)
    if not tokens:
        raise UsageError("the text is empty; give one to read")
    pieces = pieces_of([generator.tokenizers.target.pieces[token] for token in tokens])
    places = [len(prefix) + piece.tokens.stop - 1 for piece in pieces]
    rows, state, found = network.embed(np.array([*prefix, *tokens])), reading.start(text), list[Gates]()
    for number, (layer, span) in enumerate(zip(layers, network.layer_spans, strict=True), start=1):
        rows, by_name = _through(layer, rows, state[span])
        found += [Gates(number, gate, values[places]) for gate, values in by_name.items()]
    return [piece.text for piece in pieces], found


def _through(layer: Any, rows: Floats, state: State) -> tuple[Floats, dict[str, Floats]]:
    """Read inputs (T,I) → the layer's outputs (T,H), and its gates (T,·) by name."""
    outputs: list[Floats] = []
    gates: dict[str, list[Floats]] = {}
    for place in range(len(rows)):
        projected = layer.project(rows[place : place + 1])
        for name, values in layer.gates(projected, state).items():
            gates.setdefault(name, []).append(values)
        y, state = layer.advance(projected, state)
        outputs.append(y)
    return np.concatenate(outputs), {name: np.concatenate(parts) for name, parts in gates.items()}
