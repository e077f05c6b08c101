"""The network that trains: embedding, a stack of layers of any cell, output projection.

::

    tokens (B,T) ─▸ embedding (B,T,E) ─▸ layer ─▸ … ─▸ layer (B,T,H) ─▸ [projection (B,T,E)] ─▸ logits (B,T,V)
                                           └ dropout between and after the layers ┘
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from rnngen.contracts import State
from rnngen.engine.batches import IGNORE
from rnngen.engine.options import NetworkOptions


class RecurrentNetwork(nn.Module):
    """Tokens in, logits out; the state is explicit.

    The state is the layers' states one after another, flat: ``(h₁, c₁, h₂, c₂)`` for two LSTM layers.

    Args:
        vocabulary: V.
        options: the sizes.
        make_layer: builds one layer from its input and hidden size (see ``rnngen.contracts.Layer``).
    """

    def __init__(
        self, vocabulary: int, options: NetworkOptions, make_layer: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        embed, hidden = options.embedding(vocabulary), options.hidden
        self.embedding = nn.Embedding(vocabulary, embed)
        inputs = [embed] + [hidden] * (options.layers - 1)
        self.layers = nn.ModuleList(make_layer(size, hidden) for size in inputs)
        self.dropout = options.dropout or 0.0
        narrowed = options.tied and embed != hidden
        self.projection = nn.Linear(hidden, embed, bias=False) if narrowed else nn.Identity()
        self.head = nn.Linear(embed if options.tied else hidden, vocabulary)
        self._initialise(tied=options.tied)
        zeros = [layer.initial_state(1) for layer in self._layers()]
        self._spans = _spans([len(state) for state in zeros])
        flat = [array for state in zeros for array in state]
        self.initial = nn.ParameterList(flat if options.learn_state else [])
        self._occurring: tuple[Tensor, Tensor] | None = None

    def _initialise(self, *, tied: bool) -> None:
        """Embeddings and output weights small enough that the first predictions are near uniform."""
        nn.init.normal_(self.embedding.weight, std=self.embedding.embedding_dim**-0.5)
        nn.init.normal_(self.head.weight, std=self.head.in_features**-0.5)
        nn.init.zeros_(self.head.bias)
        if tied:
            self.head.weight = self.embedding.weight

    def expect(self, counts: Tensor) -> None:
        """Start the output bias at the tokens' log-frequencies, (V,) counts.

        The first predictions are then those of a unigram model, and no step is spent on learning which
        tokens never occur.
        """
        with torch.no_grad():
            self.head.bias.copy_(torch.log((counts + 0.1) / (counts + 0.1).sum()))

    def restrict(self, counts: Tensor) -> None:
        """Train on the tokens that occur, (V,) counts; the others keep the little that ``expect`` gives them.

        A character model has 256 byte tokens that its text may never need: to normalise over them at every
        step would cost more than over all its characters.
        """
        there = counts.nonzero().flatten()
        column = torch.zeros(len(counts), dtype=torch.long)
        column[there] = torch.arange(len(there))
        device = self.head.weight.device
        self._occurring = (there.to(device), column.to(device))

    def _layers(self) -> list[Any]:
        return list(self.layers)

    def start(self, batch: int) -> State:
        """The state before the first token, for ``batch`` streams."""
        if self.initial:
            return tuple(array.expand(batch, *array.shape[1:]) for array in self.initial)
        return tuple(array for layer in self._layers() for array in layer.initial_state(batch))

    def hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → what the output projection reads (B,T,H), state."""
        x = self.embedding(tokens)
        states: list[Any] = []
        for layer, span in zip(self._layers(), self._spans, strict=True):
            x, after = layer(x, state[span])
            x = _dropped(x, self.dropout) if self.training and self.dropout else x
            states.extend(after)
        return x, tuple(states)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → logits (B,T,V), state."""
        x, state = self.hidden(tokens, state)
        return self.head(self.projection(x)), state

    def surprisal(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The summed cross-entropy of ``targets`` (B,T), those that count, in nats, and the state after."""
        x, state = self.hidden(tokens, state)
        x = self.projection(x)
        if self.training and self._occurring:
            there, column = self._occurring
            logits = nn.functional.linear(x, self.head.weight[there], self.head.bias[there])
            targets = torch.where(targets == IGNORE, IGNORE, column[targets.clamp(min=0)])
        else:
            logits = self.head(x)
        loss = nn.functional.cross_entropy(
            logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORE, reduction="sum"
        )
        return loss, state


def _dropped(x: Tensor, share: float) -> Tensor:
    """Drop a share of the features of ``x`` (B,T,H), the same at all steps (Gal and Ghahramani 2016).

    One mask a sequence disturbs what a recurrence remembers less than a new one every step, and takes T
    times fewer random numbers, which alone were a seventh of a step's time.
    """
    kept = torch.empty(len(x), 1, x.shape[2], dtype=x.dtype, device=x.device).bernoulli_(1 - share)
    return x * (kept / (1 - share))


def _spans(lengths: list[int]) -> list[slice]:
    """Where each layer's arrays lie in the flat state."""
    spans, start = [], 0
    for length in lengths:
        spans.append(slice(start, start + length))
        start += length
    return spans
