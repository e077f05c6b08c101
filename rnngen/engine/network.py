"""The network that trains: embedding, a stack of layers of any cell, output projection.

::

    tokens (B,T) ─▸ embedding (B,T,E) ─▸ layer ─▸ … ─▸ layer (B,T,H) ─▸ [projection (B,T,E)] ─▸ logits (B,T,V)
                                           └ dropout between and after the layers ┘
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from rnngen.contracts import State
from rnngen.engine.modules import Workshop
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
        narrowed = options.tied and embed != hidden
        self.projection = nn.Linear(hidden, embed, bias=False) if narrowed else nn.Identity()
        nn.init.normal_(self.embedding.weight, std=embed**-0.5)
        kit = Workshop(vocabulary, options.dropout or 0.0)
        self.dropout = kit.dropout()
        self.head = (
            kit.head(embed, self.embedding.get_parameter("weight")) if options.tied else kit.head(hidden)
        )
        zeros = [layer.initial_state(1) for layer in self._layers()]
        self._spans = _spans([len(state) for state in zeros])
        flat = [array for state in zeros for array in state]
        self.initial = nn.ParameterList(flat if options.learn_state else [])

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
            x = self.dropout(x)
            states.extend(after)
        return x, tuple(states)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → logits (B,T,V), state."""
        x, state = self.hidden(tokens, state)
        return self.head(self.projection(x)), state

    def surprisal(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The summed cross-entropy of ``targets`` (B,T), those that count, in nats, and the state after."""
        x, state = self.hidden(tokens, state)
        return self.head.surprisal(self.projection(x), targets), state


def _spans(lengths: list[int]) -> list[slice]:
    """Where each layer's arrays lie in the flat state."""
    spans, start = [], 0
    for length in lengths:
        spans.append(slice(start, start + length))
        start += length
    return spans
