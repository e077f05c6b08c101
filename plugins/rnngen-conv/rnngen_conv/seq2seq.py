r"""The network ``conv-seq2seq`` in torch: convolutions instead of recurrence on both sides of pairs.

Gehring et al. 2017 (arXiv:1705.03122), section 3. An embedding of token and place is e; a block is a gated
convolution beside a short cut, its sum scaled so that the variance stays::

    block(x) = √½ · (x + y)        a, b = conv_k(x)        y = a ⊙ σ(b)

    source    e_s (B,S,E) ─▸ W ─▸ block … block ─▸ W ─▸ z (B,S,E)          keys z, values √½ (z + e_s)
    target    e_t (B,T,E) ─▸ W ─▸ block … block ─▸ W ─▸ head ─▸ logits     each sees its own past alone

In the decoder every block attends for itself, and adds what it found to its y before the sum::

    d = √½ · (W y + e_t)        α = softmax(d·z) over S        y ← √½ · (y + W Σ α √S (z + e_s) √½)

Places are encoded by the sines of Vaswani et al. 2017, which know no end, where the paper learns an embedding
for each. Weight normalisation is left out. ``attended`` gives the weights α, the mean of all blocks.

The state is finite, however long the target: each block keeps its last k−1 inputs::

    ( keys (B,S,E), values (B,S,E), mask (B,S) │ weights (B,S), place (B,), a window (B,k−1,H) a block … )
      └────────── fixed after start ─────────┘
"""

import math
from collections.abc import Iterable

import torch
from rnngen.contracts import NO_TOKEN, Blueprint, ModuleFactory, State
from torch import Tensor, nn
from torch.nn import functional as F

from rnngen_conv import BASE, ConvSeq2SeqOptions

HALF = math.sqrt(0.5)


class ConvSeq2Seq(nn.Module):
    """The whole network; also a ``rnngen.contracts.FeatureNetwork``."""

    fixed = 3

    def __init__(self, blueprint: Blueprint, modules: ModuleFactory, options: ConvSeq2SeqOptions) -> None:
        super().__init__()
        embed, hidden, layers = blueprint.embed, blueprint.hidden, blueprint.layers
        self.width, self.hidden_size, self.feature_size = options.width, hidden, embed
        one = blueprint.tied and blueprint.shared
        self.embedding = _embedding(blueprint.vocabulary, embed)
        self.source_embedding = None if one else _embedding(blueprint.source_vocabulary, embed)
        self.encoder_in, self.encoder_out = nn.Linear(embed, hidden), nn.Linear(hidden, embed)
        self.encoder = _blocks(hidden, options.width, options.encoder_layers or layers)
        self.decoder_in, self.decoder_out = nn.Linear(embed, hidden), nn.Linear(hidden, embed)
        self.decoder = _blocks(hidden, options.width, layers)
        self.queries = nn.ModuleList(nn.Linear(hidden, embed) for _ in range(layers))
        self.contexts = nn.ModuleList(nn.Linear(embed, hidden) for _ in range(layers))
        self.dropout = modules.dropout()
        tied = self.embedding.get_parameter("weight") if blueprint.tied else None
        self.head = modules.head(embed, tied)

    def start(self, source: Tensor) -> State:
        """Read the sources (B,S), padded with ``NO_TOKEN`` → the state before the first token."""
        mask = source != NO_TOKEN
        batch, size = source.shape
        embedding = self.embedding if self.source_embedding is None else self.source_embedding
        e = self._embedded(embedding, source.clamp(min=0), torch.arange(size, device=source.device))
        x = self.encoder_in(e)
        both = (self.width - 1) // 2, self.width // 2
        for conv in self.encoder:
            seen = self.dropout(x).masked_fill(~mask[:, :, None], 0)
            x = HALF * (x + gated(conv, F.pad(seen, (0, 0, *both))))
        z = self.encoder_out(x)
        values = HALF * (z + e) * mask.sum(1).sqrt()[:, None, None]
        windows = (z.new_zeros(batch, self.width - 1, self.hidden_size) for _ in self.decoder)
        place = torch.zeros(batch, dtype=torch.int64, device=source.device)
        return z, values, mask, torch.zeros_like(source, dtype=torch.float32), place, *windows

    def attended(self, state: State) -> Tensor:
        """Return the attention weights of the last token (B,S)."""
        weights: Tensor = state[self.fixed]
        return weights

    def hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → what ``predict`` reads (B,T,E), state."""
        keys, values, mask, _, place, *windows = state
        steps = tokens.shape[1]
        e = self._embedded(self.embedding, tokens, place[:, None] + torch.arange(steps, device=place.device))
        x = self.decoder_in(e)
        after, found = [], []
        layers = zip(self.decoder, self.queries, self.contexts, windows, strict=True)
        for conv, query, context, window in layers:
            seen = torch.cat((window.to(x.dtype), x), 1)
            y = gated(conv, self.dropout(seen))
            scores = HALF * (query(y) + e) @ keys.transpose(1, 2)
            weights = scores.float().masked_fill(~mask[:, None], -math.inf).softmax(-1)
            y = HALF * (y + context(weights.to(values.dtype) @ values))
            x = HALF * (x + y)
            after.append(seen[:, steps:])
            found.append(weights[:, -1])
        mean = torch.stack(found).mean(0)
        return self.dropout(self.decoder_out(x)), (keys, values, mask, mean, place + steps, *after)

    def predict(self, x: Tensor) -> Tensor:
        """Features (…,E) → logits (…,V)."""
        logits: Tensor = self.head(x)
        return logits

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → logits (B,T,V), state."""
        x, state = self.hidden(tokens, state)
        return self.predict(x), state

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the loss of ``targets`` (B,T) and the state after."""
        x, state = self.hidden(tokens, state)
        loss: Tensor = self.head.nll(x, targets)
        return loss, state

    def _embedded(self, embedding: nn.Embedding, tokens: Tensor, places: Tensor) -> Tensor:
        """Embeddings (B,T,E) of tokens (B,T) at places (T,) or (B,T)."""
        scaled = math.sqrt(self.feature_size) * embedding(tokens)
        rows: Tensor = self.dropout(scaled + sines(places, self.feature_size))
        return rows


def gated(conv: nn.Module, x: Tensor) -> Tensor:
    """Convolve (B,T+k−1,H) → (B,T,H), half of it opening or shutting the other."""
    opened: Tensor = F.glu(conv(x.transpose(1, 2)), 1)
    return opened.transpose(1, 2)


def sines(places: Tensor, size: int) -> Tensor:
    """Vectors of E numbers for places (…) → (…,E): sines of many wavelengths, then cosines."""
    half = (size + 1) // 2
    rates = BASE ** (-torch.arange(half, device=places.device, dtype=torch.float32) / half)
    angles = places[..., None] * rates
    rows: Tensor = torch.cat((angles.sin(), angles.cos()), -1)[..., :size]
    return rows


def _blocks(hidden: int, width: int, layers: int) -> nn.ModuleList:
    """Convolutions for gates, with weights under which the variance stays (appendix A of the paper)."""
    made: Iterable[nn.Module] = [nn.Conv1d(hidden, 2 * hidden, width) for _ in range(layers)]
    for conv in made:
        nn.init.normal_(conv.get_parameter("weight"), std=math.sqrt(4 / (width * hidden)))
        nn.init.zeros_(conv.get_parameter("bias"))
    return nn.ModuleList(made)


def _embedding(vocabulary: int, size: int) -> nn.Embedding:
    made = nn.Embedding(vocabulary, size)
    nn.init.normal_(made.weight, std=size**-0.5)
    return made
