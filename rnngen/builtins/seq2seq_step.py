"""The cell ``seq2seq``, the face that generates: NumPy alone, many sources at a time.

The equations and the layout of the state stand in ``seq2seq`` and ``encoder``, whose twin this is.
"""

from collections.abc import Callable
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from rnngen.builtins.encoder_step import EncoderStep, Reading
from rnngen.builtins.seq2seq_options import Seq2SeqOptions
from rnngen.contracts import NO_TOKEN, Blueprint, Floats, LayerStep, State, TokenIds, Weights


class Seq2SeqStep:
    """An encoder-decoder, as ``rnngen.contracts.SourceStep`` says."""

    def __init__(self, weights: Weights, blueprint: Blueprint, options: Seq2SeqOptions) -> None:
        self.options, parts = options, blueprint.parts
        self.embedding = weights["embedding.weight"]
        self.source_embedding = weights.get("source_embedding.weight", self.embedding)
        self.encoder = EncoderStep(
            weights,
            parts["encoder"],
            options.encoder_layers or blueprint.layers,
            blueprint.hidden,
            bidirectional=options.bidirectional,
        )
        self.attention = parts["attention"].numpy(weights, "attention.")
        self.layers = [parts["decoder"].numpy(weights, f"layers.{i}.") for i in range(blueprint.layers)]
        self.bridge = _Bridge(options.bridge, weights, self.layers)
        self.combine = _transposed(weights["combine.weight"])
        self.attends = len(self.combine) > self.combine.shape[1]  # it reads a context too
        head = weights.get("head.weight", self.embedding)  # tied weights are stored once
        if "projection.weight" in weights:
            head = head @ weights["projection.weight"]  # two matrices in a row are one
        self.head, self.bias = _transposed(head), weights["head.bias"]
        self.copying = (weights["copying.weight"][0], weights["copying.bias"]) if options.copying else None
        self._lay_out()

    def _lay_out(self) -> None:
        memory, mask = np.zeros((1, 1, self.encoder.size), np.float32), np.ones((1, 1), bool)
        sizes = [
            len(self.attention.prepare(memory, mask)),
            int(self.options.copying),
            1,
            len(self.attention.initial_state(mask)),
            int(self.options.input_feeding),
            *(len(layer.initial_state(1)) for layer in self.layers),
        ]
        self.spans = [slice(*has_eos) for has_eos in pairwise(accumulate([0, *sizes]))]
        self.fixed = sizes[0] + sizes[1]

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices, as ``LayerStep`` tells; the layers of both sides must have this method.

        An attention without it keeps what it has.
        """
        self.encoder.quantize(make)
        parts: list[Any] = [*self.layers, self.bridge]
        for part in parts + [self.attention] * hasattr(self.attention, "quantize"):
            part.quantize(make)
        self.combine, self.head = make(self.combine), make(self.head)

    def start(self, source: TokenIds) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        mask = source != NO_TOKEN
        reading = self.encoder(self.source_embedding[np.maximum(source, 0)], mask)
        fed = (np.zeros((len(source), self.combine.shape[1]), np.float32),)
        return (
            *self.attention.prepare(reading.memory, mask),
            *((source,) if self.options.copying else ()),
            np.zeros(source.shape, np.float32),
            *self.attention.initial_state(mask),
            *(fed if self.options.input_feeding else ()),
            *self.bridge(reading),
        )

    def attended(self, state: State) -> "Floats | None":
        """Where it looked for the last token, (B,S); None without attention."""
        weights: Floats = state[self.fixed]
        return weights if self.attends else None

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        prepared, source, _, looked, fed, *layers = (state[span] for span in self.spans)
        x = np.concatenate([self.embedding[tokens], *fed], axis=1)
        y = x
        after: list[Any] = []
        for layer, before in zip(self.layers, layers, strict=True):
            y, more = layer.advance(layer.project(y), before)
            after.extend(more)
        context, weights, looked = self.attention(y, prepared, looked)
        z = np.tanh(np.concatenate([y, context], axis=1) @ self.combine)
        logits = np.dot(z, self.head)
        logits += self.bias
        if self.copying:
            logits = self._with_copies(logits, np.concatenate([context, y, x], axis=1), weights, source[0])
        return logits, (*prepared, *source, weights, *looked, *((z,) if fed else ()), *after)

    def _with_copies(self, logits: Floats, mixed: Floats, weights: Floats, source: TokenIds) -> Floats:
        """log( g·P(w) + (1−g)·Σ over places that hold w of their weights ), (B,V)."""
        assert self.copying is not None
        gate = mixed @ self.copying[0] + self.copying[1]
        write, copy = -np.logaddexp(0, -gate)[:, None], -np.logaddexp(0, gate)[:, None]
        copied = np.full(logits.shape, 1e-30, np.float32)
        rows = np.arange(len(logits))[:, None]
        np.add.at(copied, (rows, np.maximum(source, 0)), weights)  # padding has no weight
        logits -= logits.max(axis=1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        mixture: Floats = np.logaddexp(write + logits, copy + np.log(copied)).astype(np.float32)
        return mixture


def _transposed(weight: Floats) -> Floats:
    """A torch weight (out,in), laid out for a row vector to multiply."""
    return np.ascontiguousarray(weight.T)


class _Bridge:
    """From what the encoder has read to the state in which the decoder begins, as in ``bridges``."""

    def __init__(self, kind: str, weights: Weights, layers: list[LayerStep]) -> None:
        self.kind, self.layers = kind, layers
        zeros = [array for layer in layers for array in layer.initial_state(1)]
        self.maps = [
            (_transposed(weights[f"bridge.maps.{i}.weight"]), weights[f"bridge.maps.{i}.bias"])
            if kind == "dense" and array.ndim == 2
            else None
            for i, array in enumerate(zeros)
        ]

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrices of the maps."""
        self.maps = [one and (make(one[0]), one[1]) for one in self.maps]

    def __call__(self, reading: Reading) -> State:
        """The states in which all layers begin, one after another."""
        if self.kind == "copy":
            return tuple(array for state in reading.states for array in state)
        own = [array for layer in self.layers for array in layer.initial_state(len(reading.last))]
        return tuple(
            array if made is None else np.tanh(reading.last @ made[0] + made[1])
            for made, array in zip(self.maps, own, strict=True)
        )
