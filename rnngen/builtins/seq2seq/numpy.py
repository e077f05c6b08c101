"""The cell ``seq2seq`` in NumPy, many sources at a time; equations and state layout in ``torch``."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.seq2seq.options import Seq2SeqOptions
from rnngen.contracts import (
    NO_TOKEN,
    Blueprint,
    Floats,
    LayerStep,
    Quantizable,
    State,
    TokenIds,
    Weights,
    quantizable,
)
from rnngen.numerics import log_softmax32

READ_AHEAD = 8192
"""Source tokens whose products with a layer's matrix are there at once: some 50 MB for 384 units."""


def seq2seq_step(weights: Weights, blueprint: Blueprint, options: Seq2SeqOptions) -> "EncoderDecoderStep":
    """Build the step of an encoder-decoder, one that copies if the options ask for it."""
    return (CopyingSeq2SeqStep if options.copying else Seq2SeqStep)(weights, blueprint, options)


def _check_sizes(weights: Weights, plan: Blueprint, options: Seq2SeqOptions) -> None:
    """Raise ``ValueError`` for what a step would not show: it reads weights of any size, if they agree."""
    shapes = {"embedding.weight": (plan.vocabulary, plan.embed)}
    if not (plan.tied and plan.shared):
        shapes["source_embedding.weight"] = (plan.source_vocabulary, plan.source_embed)
    for name, wanted in shapes.items():
        if (shape := weights[name].shape) != wanted:
            raise ValueError(f"{name} is {shape}, and {wanted} expected")
    if ("projection.weight" in weights) != (plan.tied and plan.embed != plan.hidden):
        raise ValueError("a projection is there where an embedding of another size is tied, and only there")
    if options.bridge == "copy" and any(name.startswith("bridge.maps.") for name in weights):
        raise ValueError("a bridge that copies has no maps")


class EncoderDecoderStep:
    """All of the network but its prediction."""

    def __init__(self, weights: Weights, blueprint: Blueprint, options: Seq2SeqOptions) -> None:
        _check_sizes(weights, blueprint, options)
        self.options, parts = options, blueprint.parts
        self.feature_size = blueprint.hidden
        self.embedding = weights["embedding.weight"]
        self.source_embedding = weights.get("source_embedding.weight", self.embedding)
        self.encoder = EncoderStep(weights, blueprint, options)
        self.attention = parts["attention"].numpy(weights, "attention.")
        self.layers = [parts["decoder"].numpy(weights, f"layers.{i}.") for i in range(blueprint.layers)]
        self.bridge = BridgeStep(options.bridge, weights, self.layers)
        self.combine = _transposed(weights["combine.weight"])
        self.attends = len(self.combine) > self.combine.shape[1]  # it reads a context too
        head = weights.get("head.weight", self.embedding)  # tied weights are stored once
        if "projection.weight" in weights:
            head = head @ weights["projection.weight"]  # two matrices in a row are one
        self.head, self.bias = _transposed(head), weights["head.bias"]
        memory, mask = np.zeros((1, 1, self.encoder.size), np.float32), np.ones((1, 1), bool)
        self.spans = options.spans(
            len(self.attention.prepare(memory, mask)),
            len(self.attention.initial_state(mask)),
            (len(layer.initial_state(1)) for layer in self.layers),
        )
        self.fixed = self.spans[2].start

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices; the layers of both sides must be ``Quantizable``, an attention may be.

        Raises:
            UsageError: if a layer is not; nothing is replaced then.
        """
        encoder = [layer for ways in self.encoder.layers for layer in ways]
        attention = [self.attention] * isinstance(self.attention, Quantizable)
        for part in quantizable([*encoder, *self.layers, self.bridge, *attention]):
            part.quantize(make)
        self.combine, self.head = make(self.combine), make(self.head)

    def start(self, source: TokenIds) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        mask = source != NO_TOKEN
        memory, last, states = self.encoder(self.source_embedding[np.maximum(source, 0)], mask)
        z = np.zeros((len(source), self.combine.shape[1]), np.float32)
        return (
            *self.attention.prepare(memory, mask),
            *((source,) if self.options.copying else ()),
            np.zeros(source.shape, np.float32),
            *self.attention.initial_state(mask),
            *((z,) if self.options.input_feeding else ()),
            *self.bridge(last, states),
        )

    def attended(self, state: State) -> "Floats | None":
        """Return the attention weights of the last token (B,S); None without attention."""
        weights: Floats = state[self.fixed]
        return weights if self.attends else None

    def decode(self, tokens: TokenIds, state: State) -> tuple[Floats, Floats, tuple[Floats, ...], State]:
        """Run the decoder over ``tokens`` (B,).

        Returns:
            z (B,H), which the output layer reads; the attention's weights (B,S); context (B,C), output (B,H)
            and input (B,E), which decide between writing and copying; the state.
        """
        prepared, source, _, attending, fed, *layers = (state[span] for span in self.spans)
        x = np.concatenate([self.embedding[tokens], *fed], axis=1)
        y = x
        after: list[Any] = []
        for layer, before in zip(self.layers, layers, strict=True):
            y, more = layer.advance(layer.project(y), before)
            after.extend(more)
        context, weights, attending = self.attention(y, prepared, attending)
        z = np.tanh(np.concatenate([y, context], axis=1) @ self.combine)
        state = (*prepared, *source, weights, *attending, *((z,) if fed else ()), *after)
        return z, weights, (context, y, x), state

    def written(self, features: Floats) -> Floats:
        """Features (B,H) → the output layer's logits (B,V)."""
        logits: Floats = np.dot(features, self.head)
        logits += self.bias
        return logits


class Seq2SeqStep(EncoderDecoderStep):
    """The step of an encoder-decoder; also a ``rnngen.contracts.FeatureStep``."""

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        z, state = self.features(tokens, state)
        return self.written(z), state

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → what the output layer reads (B,H), state."""
        z, _, _, state = self.decode(tokens, state)
        return z, state

    def logits(self, features: Floats, state: State) -> Floats:  # noqa: ARG002
        """Features (B,H) and the state after their tokens → logits (B,V)."""
        return self.written(features)


class CopyingSeq2SeqStep(EncoderDecoderStep):
    """The step of an encoder-decoder that may copy tokens of the source."""

    def __init__(self, weights: Weights, blueprint: Blueprint, options: Seq2SeqOptions) -> None:
        super().__init__(weights, blueprint, options)
        self.gate, self.gate_bias = weights["copying.weight"][0], weights["copying.bias"]

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → log-probabilities (B,V), state."""
        source = state[self.spans[1]][0]
        z, weights, mixed, state = self.decode(tokens, state)
        gate = np.concatenate(mixed, axis=1) @ self.gate + self.gate_bias
        write, copy = -np.logaddexp(0, -gate)[:, None], -np.logaddexp(0, gate)[:, None]
        written = log_softmax32(self.written(z))
        copied = np.full(written.shape, 1e-30, np.float32)
        places = np.arange(len(z))[:, None], np.maximum(source, 0)  # padding has no weight
        np.add.at(copied, places, weights)
        mixture: Floats = np.logaddexp(write + written, copy + np.log(copied))
        return mixture.astype(np.float32), state


def _transposed(weight: Floats) -> Floats:
    """A torch weight (out,in), laid out for a row vector to multiply."""
    return np.ascontiguousarray(weight.T)


# ── The encoder and the bridge ─────────────────────────────────────────────────────────────────────────────


class EncoderStep:
    """Reads sources, all rows side by side."""

    def __init__(self, weights: Weights, blueprint: Blueprint, options: Seq2SeqOptions) -> None:
        ways = ["forth", "back"] if options.bidirectional else ["forth"]
        cell, layers = blueprint.parts["encoder"], options.encoder_layers or blueprint.layers
        self.layers: list[list[LayerStep]] = [
            [cell.numpy(weights, f"encoder.{way}.{i}.") for way in ways] for i in range(layers)
        ]
        self.size = blueprint.hidden * len(ways)

    def __call__(self, x: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats, list[State]]:
        """Read embeddings (B,S,E) with their mask (B,S).

        Returns:
            The memory (B,S,M); each direction's output at its own last token (B,M); each layer's states
            there, the directions added.
        """
        lengths, forth = mask.sum(axis=1), np.broadcast_to(np.arange(mask.shape[1]), mask.shape)
        ways = forth, np.where(mask, lengths[:, None] - 1 - forth, forth)  # back: the padding stays last
        size = self.size // len(self.layers[0])
        states: list[State] = []
        for layers in self.layers:
            outputs = np.zeros((*mask.shape, self.size), np.float32)
            parts = [outputs[:, :, way * size : (way + 1) * size] for way in range(len(layers))]
            ends = [
                _read(layer, x, lengths, places, part)
                for layer, places, part in zip(layers, ways, parts, strict=False)
            ]
            states.append(tuple(sum(arrays[1:], arrays[0]) for arrays in zip(*ends, strict=True)))
            x = outputs
        rows = np.arange(len(x))
        last = [part[rows, places[rows, lengths - 1]] for part, places in zip(parts, ways, strict=False)]
        return x, np.concatenate(last, axis=1), states


def _read(
    layer: LayerStep,
    x: Floats,
    lengths: NDArray[np.int64],
    places: NDArray[np.int64],
    outputs: Floats,
) -> State:
    """Run a layer over rows of these lengths, at places (B,S) in turn → the states after each row's last.

    Outputs go into ``outputs`` (B,S,H), each to its place. Rows go by falling length, so that those that have
    ended leave the product.
    """
    order = np.argsort(-lengths, kind="stable")
    places = places[order]
    reading = (lengths[:, None] > np.arange(x.shape[1])).sum(axis=0)  # rows that have a token at each place
    state = tuple(array.copy() for array in layer.initial_state(len(x)))
    stretch = max(1, READ_AHEAD // len(x))
    for begin in range(0, x.shape[1], stretch):
        some = x[order[:, None], places[:, begin : begin + stretch]]
        projected = layer.project(some.reshape(-1, some.shape[2])).reshape(*some.shape[:2], -1)
        for t, rows in enumerate(reading[begin : begin + stretch]):
            y, after = layer.advance(projected[:rows, t], tuple(array[:rows] for array in state))
            outputs[order[:rows], places[:rows, begin + t]] = y
            for kept, array in zip(state, after, strict=True):
                kept[:rows] = array
    back = np.argsort(order, kind="stable")
    return tuple(array[back] for array in state)


class BridgeStep:
    """From the encoder's output to the states in which the decoder's layers begin."""

    def __init__(self, kind: str, weights: Weights, layers: list[LayerStep]) -> None:
        self.kind, self.layers = kind, layers
        zeros = [array for layer in layers for array in layer.initial_state(1)]
        self.maps = [
            (_transposed(weights[f"bridge.maps.{i}.weight"]), weights[f"bridge.maps.{i}.bias"])
            if kind == "dense" and array.ndim == 2 and array.dtype.kind == "f"
            else None
            for i, array in enumerate(zeros)
        ]

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrices of the maps."""
        self.maps = [one and (make(one[0]), one[1]) for one in self.maps]

    def __call__(self, last: Floats, states: list[State]) -> State:
        """Return the states in which all layers begin, one after another."""
        if self.kind == "copy":
            return tuple(array for state in states for array in state)
        own = [array for layer in self.layers for array in layer.initial_state(len(last))]
        return tuple(
            array if made is None else np.tanh(last @ made[0] + made[1])
            for made, array in zip(self.maps, own, strict=True)
        )
