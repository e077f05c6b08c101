"""The cell ``seq2seq`` in torch.

::

    source (B,S) ─▸ embedding ─▸ forth ─▸ ⎤
                                  ◂─ back ⎦ ─▸ … ─▸ memory (B,S,M), last outputs (B,M), last states
                                                                      └─ bridge ─▸ the decoder's first state

    tokens (B,T) ─▸ embedding ─▸ decoder layers ─▸ y (B,T,H) ─▸ attention ─▸ context (B,T,C)
                        ▴ input feeding                  └───────▸ z = tanh(W [y; context]) ─▸ head ─▸ logits
                        └───────────────── z of the last token ─────┘

This is Luong et al. (2015), with any attention and any cells. The state holds all that the source gave, so
that rows fork and reorder like any other::

    ( prepared…, [source,] │ weights, attention's state…, [z,] decoder layers' states… )
      └── fixed after start ┘
"""

from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rnngen.builtins.seq2seq.options import Seq2SeqOptions
from rnngen.contracts import IGNORE, NO_TOKEN, Blueprint, CarryingLayer, ModuleFactory, State
from rnngen.errors import UsageError


def seq2seq(blueprint: Blueprint, modules: ModuleFactory, options: Seq2SeqOptions) -> "EncoderDecoder":
    """Build an encoder-decoder, one that copies if the options ask for it."""
    return (CopyingSeq2Seq if options.copying else Seq2Seq)(blueprint, modules, options)


class Encoded(NamedTuple):
    """The encoder's output for its sources."""

    memory: Tensor
    """(B,S,M), one vector a token."""
    mask: Tensor
    """(B,S), true where there is a token."""
    last: Tensor
    """(B,M): each direction's output at its own last token."""
    states: list[State]
    """Each layer's states after its row's own last token, the directions added; empty if not needed."""


class Encoder(nn.Module):
    """Reads sources with layers of any cell, in one direction or in both.

    Rows may be padded at their end, and no result depends on the padding: the way back begins at each row's
    own last token.
    """

    def __init__(
        self, blueprint: Blueprint, modules: ModuleFactory, options: Seq2SeqOptions, embed: int
    ) -> None:
        super().__init__()
        cell, hidden, both = blueprint.parts["encoder"], blueprint.hidden, options.bidirectional
        self.size = 2 * hidden if both else hidden
        inputs = [embed] + [self.size] * ((options.encoder_layers or blueprint.layers) - 1)
        self.forth: Any = nn.ModuleList(cell.build(size, hidden) for size in inputs)
        self.back = nn.ModuleList(cell.build(size, hidden) for size in inputs if both)
        self.dropout = modules.dropout()
        self.keep_states = options.bridge == "copy"

    def forward(self, x: Tensor, source: Tensor) -> Encoded:
        """Read embeddings (B,S,E) of sources (B,S)."""
        mask = source != NO_TOKEN
        lengths = mask.sum(dim=1)
        flip = _flipped(lengths, source.shape[1])
        states: list[State] = []
        outputs: list[Tensor] = []
        for forth, back in zip_longest(self.forth, self.back):
            y, state = self._read(forth, x, lengths)
            outputs = [y]
            if back is not None:
                z, other = self._read(back, _reordered(x, flip), lengths)
                outputs.append(z)
                state = tuple(a + b for a, b in zip(state, other, strict=True))
            states.append(state)
            x = self.dropout(torch.cat([y, *(_reordered(z, flip) for z in outputs[1:])], dim=-1))
        rows = torch.arange(len(source), device=source.device)
        last = torch.cat([y[rows, lengths - 1] for y in outputs], dim=-1)
        return Encoded(x, mask, last, states)

    def _read(self, layer: Any, x: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """Run a layer over rows of these lengths → outputs, and each row's state after its last token."""
        start = layer.initial_state(len(x))
        if not self.keep_states:
            return layer(x, start)[0], ()
        outputs, at, state, final = [], 0, start, start
        borders = torch.cat([lengths, lengths.new_tensor([x.shape[1]])])  # padding may follow the longest row
        for stop in torch.unique(borders).tolist():  # in rising order: where some row ends
            y, state = layer(x[:, at:stop], full(state))
            outputs.append(y)
            final, at = _where(lengths >= stop, state, final), stop
        return torch.cat(outputs, dim=1), final


def full(state: State) -> State:
    """Return a layer's state in float32, as its contract requires; under autocast it may be less."""
    return tuple(array.float() if array.is_floating_point() else array for array in state)


def _flipped(lengths: Tensor, size: int) -> Tensor:
    """For each row, the positions of its tokens from last to first, then those of its padding: (B,S)."""
    places = torch.arange(size, device=lengths.device).expand(len(lengths), size)
    return torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)


def _reordered(x: Tensor, places: Tensor) -> Tensor:
    """``x`` (B,S,·) with its tokens at other positions, (B,S)."""
    return x.gather(1, places[:, :, None].expand_as(x))


def _where(rows: Tensor, new: State, old: State) -> State:
    """The new state in some rows (B,), the old one in the others."""
    return tuple(torch.where(rows.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(new, old, strict=True))


class Bridge(nn.Module):
    """From the encoder's output to the states in which the decoder's layers begin.

    ::

        dense   tanh(W·last + b) for every vector of the state (Bahdanau et al. 2015, A.2.2); other arrays,
                such as a matrix memory or a clock, begin as their cell defines
        copy    layer by layer the encoder's own states after the last token (Sutskever et al. 2014)
        none    the cell's own state, whatever the source

    Raises:
        UsageError: if states that are to be copied do not fit.
    """

    def __init__(self, kind: str, encoder: Encoder, layers: list[Any]) -> None:
        super().__init__()
        self.kind = kind
        self._layers = layers  # a list hides them from torch: they are the decoder's
        stacks = [*encoder.forth], layers
        made, needed = ([a for layer in stack for a in layer.initial_state(1)] for stack in stacks)
        if kind == "copy" and any(isinstance(one, CarryingLayer) for stack in stacks for one in stack):
            raise UsageError(
                "-o bridge=copy needs states of one shape, and this cell's grow; use bridge=dense"
            )
        if kind == "copy" and [a.shape for a in made] != [a.shape for a in needed]:
            raise UsageError(
                "-o bridge=copy needs an encoder and a decoder of the same cell with as many layers; "
                "use bridge=dense"
            )
        self.maps = nn.ModuleList(
            nn.Linear(encoder.size, array.shape[1])
            if kind == "dense" and array.ndim == 2 and array.is_floating_point()
            else nn.Identity()
            for array in needed
        )

    def forward(self, encoded: Encoded) -> State:
        """Return the states in which all layers begin, one after another."""
        if self.kind == "copy":
            return tuple(array for state in encoded.states for array in state)
        own = [array for layer in self._layers for array in layer.initial_state(len(encoded.last))]
        return tuple(
            torch.tanh(made(encoded.last)) if isinstance(made, nn.Linear) else array
            for made, array in zip(self.maps, own, strict=True)
        )


# ── The decoder ────────────────────────────────────────────────────────────────────────────────────────────


class Decoded(NamedTuple):
    """The decoder's output for some tokens."""

    z: Tensor
    """(B,T,H), what the output layer reads."""
    weights: Tensor
    """(B,T,S), the attention's."""
    mixed: Tensor
    """(B,T,C+H+E), what decides between writing and copying: context, output and input."""
    state: State


class EncoderDecoder(nn.Module):
    """All of the network but its prediction.

    Raises:
        UsageError: if options do not go together.
    """

    def __init__(self, blueprint: Blueprint, modules: ModuleFactory, options: Seq2SeqOptions) -> None:
        super().__init__()
        self.options, plan = options, blueprint
        hidden, layers = plan.hidden, plan.layers
        self.feature_size = hidden
        one_embedding = plan.tied and plan.shared
        self.embedding = _embedding(plan.vocabulary, plan.embed)
        source_embed = plan.embed if one_embedding else plan.source_embed
        self.source_embedding = None if one_embedding else _embedding(plan.source_vocabulary, source_embed)
        self.encoder = Encoder(blueprint, modules, options, source_embed)
        self.attention = plan.parts["attention"].build(hidden, self.encoder.size)
        options.check(blueprint, attends=bool(self.attention.size))
        fed = hidden if options.input_feeding else 0
        inputs = [plan.embed + fed] + [hidden] * (layers - 1)
        stack = [plan.parts["decoder"].build(size, hidden) for size in inputs]
        self.layers: Any = nn.ModuleList(stack)
        self.bridge = Bridge(options.bridge, self.encoder, stack)
        self.combine = nn.Linear(hidden + self.attention.size, hidden, bias=False)
        self.dropout = modules.dropout()
        narrowed = plan.tied and plan.embed != hidden
        self.projection = nn.Linear(hidden, plan.embed, bias=False) if narrowed else nn.Identity()
        tied = self.embedding.get_parameter("weight") if plan.tied else None
        self.head = modules.head(hidden if tied is None else plan.embed, tied)
        self.mixed_size = self.attention.size + hidden + plan.embed + fed
        memory, mask = torch.zeros(1, 1, self.encoder.size), torch.ones(1, 1, dtype=torch.bool)
        self.spans = options.spans(
            len(self.attention.prepare(memory, mask)),
            len(self.attention.initial_state(mask)),
            (len(layer.initial_state(1)) for layer in stack),
        )
        self.fixed = self.spans[2].start

    # ── The source ─────────────────────────────────────────────────────────────────────────────────────────

    def start(self, source: Tensor) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        tokens = source.clamp(min=0)
        embed = self.embedding if self.source_embedding is None else self.source_embedding
        encoded = self.encoder(self.dropout(embed(tokens)), source)
        weights = torch.zeros_like(source, dtype=torch.float32)
        z = encoded.memory.new_zeros(len(source), self.combine.out_features)
        return (
            *self.attention.prepare(encoded.memory, encoded.mask),
            *((source,) if self.options.copying else ()),
            weights,
            *self.attention.initial_state(encoded.mask),
            *((z,) if self.options.input_feeding else ()),
            *self.bridge(encoded),
        )

    def attended(self, state: State) -> Tensor | None:
        """Return the attention weights of the last token (B,S); None without attention."""
        weights: Tensor = state[self.fixed]
        return weights if self.attention.size else None

    # ── The target ─────────────────────────────────────────────────────────────────────────────────────────

    def decode(self, tokens: Tensor, state: State) -> Decoded:
        """Run the decoder over ``tokens`` (B,T): at once, or one by one where each needs the last one's z."""
        x = self.dropout(self.embedding(tokens))
        if not self.options.input_feeding:
            return self._advance(x, state)
        steps: list[Decoded] = []
        for t in range(x.shape[1]):
            steps.append(self._advance(x[:, t : t + 1], steps[-1].state if steps else state))
        z, weights, mixed = (torch.cat(parts, dim=1) for parts in list(zip(*steps, strict=True))[:3])
        return Decoded(z, weights, mixed, steps[-1].state)

    def _advance(self, x: Tensor, state: State) -> Decoded:
        """Embeddings (B,T,E) → the decoder's output; T is 1 with input feeding."""
        prepared, source, _, attending, fed, *layers = (state[span] for span in self.spans)
        x = torch.cat([x, *(z[:, None] for z in fed)], dim=-1)
        y = x
        after: list[Any] = []
        for layer, before in zip(self.layers, layers, strict=True):
            y, more = layer(self.dropout(y) if after else y, full(before))
            after.extend(more)
        context, weights, attending = self.attention(y, prepared, attending)
        z = torch.tanh(self.combine(torch.cat([y, context], dim=-1)))
        kept = (z[:, -1],) if fed else ()
        state = (*prepared, *source, weights[:, -1], *attending, *kept, *after)
        return Decoded(z, weights, torch.cat([context, y, x], dim=-1), state)

    def predict(self, x: Tensor) -> Tensor:
        """Features (…,H) → the output layer's logits (…,V)."""
        logits: Tensor = self.head(self.projection(x))
        return logits

    def coverage_loss(self, decoded: Decoded, targets: Tensor) -> Tensor | float:
        """Σ of min(weight, past weights) over steps and tokens, times a factor; eq. 12 of See et al. 2017."""
        if not (self.training and self.options.coverage_loss):
            return 0.0
        weights = decoded.weights.float()
        past = weights.cumsum(dim=1) - weights
        overlap = torch.minimum(weights, past).sum(-1) * (targets != IGNORE)
        return self.options.coverage_loss * overlap.sum()


class Seq2Seq(EncoderDecoder):
    """An encoder-decoder; also a ``rnngen.contracts.FeatureNetwork``."""

    def hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → what ``predict`` reads (B,T,H), state."""
        decoded = self.decode(tokens, state)
        return self.dropout(decoded.z), decoded.state

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → logits (B,T,V), state."""
        z, state = self.hidden(tokens, state)
        return self.predict(z), state

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the loss of ``targets`` (B,T) and the state after."""
        decoded = self.decode(tokens, state)
        loss = self.head.nll(self.projection(self.dropout(decoded.z)), targets)
        return loss + self.coverage_loss(decoded, targets), decoded.state


class CopyingSeq2Seq(EncoderDecoder):
    """An encoder-decoder that may copy tokens of the source (pointer-generator, See et al. 2017).

    ::

        p(w) = g·P(w) + (1−g)·Σ αᵢ over source tokens i that are w,    g = σ(v·[context; y; x] + b)
    """

    def __init__(self, blueprint: Blueprint, modules: ModuleFactory, options: Seq2SeqOptions) -> None:
        super().__init__(blueprint, modules, options)
        self.copying = nn.Linear(self.mixed_size, 1)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → log-probabilities (B,T,V), state."""
        decoded = self.decode(tokens, state)
        write, copy = self._shares(decoded.mixed)
        logits = self.predict(self.dropout(decoded.z)).float()
        copied = torch.zeros_like(logits)
        places = self._source(state).clamp(min=0)[:, None].expand_as(decoded.weights)
        copied.scatter_add_(2, places, decoded.weights.float())  # padding has no weight
        mixture = torch.logaddexp(write + logits.log_softmax(-1), copy + copied.clamp(min=1e-30).log())
        return mixture, decoded.state

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the loss of ``targets`` (B,T) and the state after; the mixture is taken of them alone."""
        decoded = self.decode(tokens, state)
        logits = self.predict(self.dropout(decoded.z))
        write, copy = self._shares(decoded.mixed)
        counts, wanted = targets != IGNORE, targets.clamp(min=0)
        written = logits.float().log_softmax(-1).gather(2, wanted[:, :, None])
        there = self._source(state)[:, None] == wanted[:, :, None]
        copied = (decoded.weights.float() * there).sum(-1, keepdim=True).clamp(min=1e-30)
        mixture = torch.logaddexp(write + written, copy + copied.log())
        loss = -mixture.squeeze(-1)[counts].sum()
        return loss + self.coverage_loss(decoded, targets), decoded.state

    def _source(self, state: State) -> Tensor:
        source: Tensor = state[self.spans[1]][0]
        return source

    def _shares(self, mixed: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithms of g and 1−g, each (B,T,1)."""
        gate = self.copying(mixed).float()
        return nn.functional.logsigmoid(gate), nn.functional.logsigmoid(-gate)


def _embedding(vocabulary: int, size: int) -> nn.Embedding:
    made = nn.Embedding(vocabulary, size)
    nn.init.normal_(made.weight, std=size**-0.5)
    return made
