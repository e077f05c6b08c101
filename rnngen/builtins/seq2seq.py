"""The cell ``seq2seq``: an encoder that reads a source, a decoder that writes about it, attention between.

::

    tokens (B,T) ─▸ embedding ─▸ decoder layers ─▸ y (B,T,H) ─▸ attention ─▸ context (B,T,C)
                        ▴ input feeding                  └───────▸ z = tanh(W [y; context]) ─▸ head ─▸ logits
                        └───────────────── z of the last token ─────┘

That is Luong et al. (2015), with any attention and any cells. The state holds all that the source gave, so
that rows fork and reorder like any other::

    ( prepared…, [source,] │ weights, attention's state…, [z,] decoder layers' states… )
      └── fixed after start ┘
"""

from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rnngen.builtins.bridges import make_bridge
from rnngen.builtins.encoder import Encoder, full
from rnngen.builtins.seq2seq_options import Seq2SeqOptions
from rnngen.contracts import IGNORE, Blueprint, ModuleFactory, State
from rnngen.errors import UsageError


class Written(NamedTuple):
    """What the decoder made of some tokens."""

    z: Tensor
    """(B,T,H), what the output layer reads."""
    weights: Tensor
    """(B,T,S), where it looked."""
    mixed: Tensor
    """(B,T,C+H+E), what decides between writing and copying: context, output and input."""
    state: State


class Seq2Seq(nn.Module):
    """An encoder-decoder, as ``rnngen.contracts.SourceNetwork`` says.

    Args:
        blueprint: the sizes, and the makers of encoder, decoder and attention.
        kit: what the engine lends.
        options: the rest.

    Raises:
        UsageError: if options do not go together.
    """

    def __init__(self, blueprint: Blueprint, modules: ModuleFactory, options: Seq2SeqOptions) -> None:
        super().__init__()
        self.options, plan = options, blueprint
        hidden, layers = plan.hidden, plan.layers
        one_embedding = plan.tied and plan.shared
        self.embedding = _embedding(plan.vocabulary, plan.embed)
        self.source_embedding = (
            None if one_embedding else _embedding(plan.source_vocabulary, plan.source_embed)
        )
        self.encoder = Encoder(
            plan.parts["encoder"],
            plan.embed if one_embedding else plan.source_embed,
            hidden,
            options.encoder_layers or layers,
            bidirectional=options.bidirectional,
            modules=modules,
            keep_states=options.bridge == "copy",
        )
        self.attention = plan.parts["attention"].build(hidden, self.encoder.size)
        check(blueprint, options, attends=bool(self.attention.size))
        fed = hidden if options.input_feeding else 0
        inputs = [plan.embed + fed] + [hidden] * (layers - 1)
        self.layers = nn.ModuleList(plan.parts["decoder"].build(size, hidden) for size in inputs)
        self.bridge = make_bridge(options.bridge, self.encoder, self.layers)
        self.combine = nn.Linear(hidden + self.attention.size, hidden, bias=False)
        self.dropout = modules.dropout()
        narrowed = plan.tied and plan.embed != hidden
        self.projection = nn.Linear(hidden, plan.embed, bias=False) if narrowed else nn.Identity()
        tied = self.embedding.get_parameter("weight") if plan.tied else None
        self.head = modules.head(hidden if tied is None else plan.embed, tied)
        mixed = self.attention.size + hidden + plan.embed + fed
        self.copying = nn.Linear(mixed, 1) if options.copying else None
        self._lay_out()

    def _lay_out(self) -> None:
        """Learn how many arrays each part of the state has."""
        memory, mask = torch.zeros(1, 1, self.encoder.size), torch.ones(1, 1, dtype=torch.bool)
        sizes = [
            len(self.attention.prepare(memory, mask)),
            int(self.options.copying),
            1,
            len(self.attention.initial_state(mask)),
            int(self.options.input_feeding),
            *(len(layer.initial_state(1)) for layer in self._layers()),
        ]
        self.spans = [slice(*has_eos) for has_eos in pairwise(accumulate([0, *sizes]))]
        self.fixed = sizes[0] + sizes[1]

    def _layers(self) -> list[Any]:
        return list(self.layers)

    # ── the source ─────────────────────────────────────────────────────────────────────────────────────────

    def start(self, source: Tensor) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        tokens = source.clamp(min=0)
        embed = self.embedding if self.source_embedding is None else self.source_embedding
        reading = self.encoder(self.dropout(embed(tokens)), source)
        weights = torch.zeros_like(source, dtype=torch.float32)
        return (
            *self.attention.prepare(reading.memory, reading.mask),
            *((source,) if self.options.copying else ()),
            weights,
            *self.attention.initial_state(reading.mask),
            *(
                (reading.memory.new_zeros(len(source), self.combine.out_features),)
                * self.options.input_feeding
            ),
            *self.bridge(reading),
        )

    def attended(self, state: State) -> Tensor | None:
        """Where it looked for the last token, (B,S); None without attention."""
        weights: Tensor = state[self.fixed]
        return weights if self.attention.size else None

    # ── the text ───────────────────────────────────────────────────────────────────────────────────────────

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → logits (B,T,V), state."""
        written = self._write(tokens, state)
        logits = self.head(self.projection(self.dropout(written.z)))
        if self.copying is not None:
            logits = self._with_copies(logits, written, self._source(state))
        return logits, written.state

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The summed loss of ``targets`` (B,T), those that count, in nats, and the state after."""
        written = self._write(tokens, state)
        x = self.projection(self.dropout(written.z))
        if self.copying is not None:
            loss = self._loss_with_copies(self.head(x), written, self._source(state), targets)
        else:
            loss = self.head.nll(x, targets)
        if self.training and self.options.coverage_loss:
            loss = loss + self.options.coverage_loss * _overlap(written.weights, targets != IGNORE)
        return loss, written.state

    def _write(self, tokens: Tensor, state: State) -> Written:
        """The decoder over T tokens: at once, or one by one where each needs what was made of the last."""
        x = self.dropout(self.embedding(tokens))
        if not self.options.input_feeding:
            return self._advance(x, state)
        steps: list[Written] = []
        for t in range(x.shape[1]):
            steps.append(self._advance(x[:, t : t + 1], steps[-1].state if steps else state))
        z, weights, mixed = (torch.cat(parts, dim=1) for parts in list(zip(*steps, strict=True))[:3])
        return Written(z, weights, mixed, steps[-1].state)

    def _advance(self, x: Tensor, state: State) -> Written:
        """Embeddings (B,T,E), state → what is made of them; T is 1 with input feeding."""
        prepared, source, _, looked, fed, *layers = (state[span] for span in self.spans)
        x = torch.cat([x, *(z[:, None] for z in fed)], dim=-1)
        y = x
        after: list[Any] = []
        for layer, before in zip(self._layers(), layers, strict=True):
            y, more = layer(self.dropout(y) if after else y, full(before))
            after.extend(more)
        context, weights, looked = self.attention(y, prepared, looked)
        z = torch.tanh(self.combine(torch.cat([y, context], dim=-1)))
        kept = (z[:, -1],) if fed else ()
        state = (*prepared, *source, weights[:, -1], *looked, *kept, *after)
        return Written(z, weights, torch.cat([context, y, x], dim=-1), state)

    # ── copying ────────────────────────────────────────────────────────────────────────────────────────────

    def _source(self, state: State) -> Tensor:
        source: Tensor = state[self.spans[1]][0]
        return source

    def _with_copies(self, logits: Tensor, written: Written, source: Tensor) -> Tensor:
        """log( g·P(w) + (1−g)·Σ over places that hold w of their weights ), (B,T,V)."""
        write, copy = self._shares(written.mixed)
        copied = torch.zeros_like(logits, dtype=torch.float32)
        places = source.clamp(min=0)[:, None].expand_as(written.weights)
        copied.scatter_add_(2, places, written.weights.float())  # padding has no weight
        return torch.logaddexp(write + logits.float().log_softmax(-1), copy + copied.clamp(min=1e-30).log())

    def _loss_with_copies(self, logits: Tensor, written: Written, source: Tensor, targets: Tensor) -> Tensor:
        """The same, of the targets alone and summed."""
        write, copy = self._shares(written.mixed)
        counts, wanted = targets != IGNORE, targets.clamp(min=0)
        chance = logits.float().log_softmax(-1).gather(2, wanted[:, :, None])
        there = source[:, None] == wanted[:, :, None]
        copied = (written.weights.float() * there).sum(-1, keepdim=True).clamp(min=1e-30)
        both = torch.logaddexp(write + chance, copy + copied.log())
        return -both.squeeze(-1)[counts].sum()

    def _shares(self, mixed: Tensor) -> tuple[Tensor, Tensor]:
        """The logarithms of how much is written and how much is copied, each (B,T,1)."""
        assert self.copying is not None
        gate = self.copying(mixed).float()
        return nn.functional.logsigmoid(gate), nn.functional.logsigmoid(-gate)


def check(blueprint: Blueprint, options: Seq2SeqOptions, *, attends: bool) -> None:
    """Raise ``UsageError`` if options do not go together."""
    if options.copying and not blueprint.shared:
        raise UsageError("-o copying=true needs one vocabulary for both sides; add --shared-vocabulary")
    if options.copying and not attends:
        raise UsageError("-o copying=true copies where the attention looks; it cannot go with attention=none")
    if options.bridge == "none" and not attends:
        raise UsageError(
            "-o bridge=none and attention=none: nothing of the source would be known; leave one out"
        )


def _embedding(vocabulary: int, size: int) -> nn.Embedding:
    made = nn.Embedding(vocabulary, size)
    nn.init.normal_(made.weight, std=size**-0.5)
    return made


def _overlap(weights: Tensor, counts: Tensor) -> Tensor:
    """Σ over steps and places of min(weight, weights before), (B,T,S); eq. 12 of See et al. 2017."""
    weights = weights.float()
    before = weights.cumsum(dim=1) - weights
    return (torch.minimum(weights, before).sum(-1) * counts).sum()
