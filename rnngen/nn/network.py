"""The network that trains: embedding, a stack of layers of any cell, output projection.

::

    tokens (B,T) ─▸ embedding (B,T,E) ─▸ layer ─▸ … ─▸ layer (B,T,H) ─▸ [projection (B,T,E)] ─▸ logits (B,T,V)
                                           └ dropout between and after the layers ┘

What else may disturb training, and training alone, is chosen by ``regularise``.
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from rnngen.contracts import IGNORE, State
from rnngen.errors import UsageError
from rnngen.nn.regularizers import Restless, TorchModuleFactory, TypeDropout, WeightDrop, make_head, recurrent
from rnngen.options.model import NetworkOptions, TrainingOptions

REGULARISERS = ("embed_dropout", "weight_drop", "activation_reg", "temporal_reg")
"""The options that ``regularise`` heeds."""


class RecurrentNetwork(nn.Module):
    """Tokens in, logits out; the state is explicit.

    The state is the layers' states one after another, flat: ``(h₁, c₁, h₂, c₂)`` for two LSTM layers.

    Args:
        vocabulary: V.
        options: the sizes.
        make_layer: builds one layer from its input and hidden size (see ``rnngen.contracts.Layer``).
    """

    fixed = 0

    def __init__(
        self, vocabulary: int, options: NetworkOptions, make_layer: Callable[[int, int], nn.Module]
    ) -> None:
        super().__init__()
        embed, hidden = options.embedding(vocabulary), options.hidden
        self.feature_size = hidden
        self.embedding = nn.Embedding(vocabulary, embed)
        inputs = [embed] + [hidden] * (options.layers - 1)
        self.layers = nn.ModuleList(make_layer(size, hidden) for size in inputs)
        narrowed = options.tied and embed != hidden
        self.projection = nn.Linear(hidden, embed, bias=False) if narrowed else nn.Identity()
        nn.init.normal_(self.embedding.weight, std=embed**-0.5)
        modules = TorchModuleFactory(vocabulary, options.dropout or 0.0)
        self.dropout = modules.dropout()
        self.entry, self.weight_drop, self.restless = TypeDropout(), WeightDrop(), Restless()
        shared = self.embedding.get_parameter("weight") if options.tied else None
        self.head = make_head(options, embed if options.tied else hidden, vocabulary, shared)
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

    def attended(self, state: State) -> None:
        """Return None: there is no source to attend to."""

    def hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → what ``predict`` reads (B,T,H), state."""
        x, _, state = self._hidden(tokens, state)
        return x, state

    def _hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """What ``hidden`` gives and, between, its outputs as they were before dropout."""
        x = raw = self.entry(tokens, self.embedding)
        states: list[Any] = []
        for layer, span in zip(self._layers(), self._spans, strict=True):
            raw, after = self.weight_drop(layer, x, state[span])
            x = self.dropout(raw)
            states.extend(after)
        return x, raw, tuple(states)

    def forward(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → logits (B,T,V), state."""
        x, state = self.hidden(tokens, state)
        return self.predict(x), state

    def predict(self, x: Tensor) -> Tensor:
        """What ``hidden`` gives (…,H) → logits (…,V)."""
        logits: Tensor = self.head(self.projection(x))
        return logits

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """The summed cross-entropy of ``targets`` (B,T), those that count, in nats, and the state after.

        In training with what ``regularise`` adds to it.
        """
        x, raw, state = self._hidden(tokens, state)
        penalty = self.restless(x, raw, targets != IGNORE)
        return self.head.nll(self.projection(x), targets) + penalty, state


def regularise(network: nn.Module, options: TrainingOptions) -> None:
    """Let a network be trained with ``REGULARISERS``; its names, its weights and its evaluation stay.

    Raises:
        UsageError: if it is none of the engine's own, or a cell has no matrices to drop weights of.
    """
    wanted = [name for name in REGULARISERS if getattr(options, name)]
    if not wanted:
        return
    flag = f"--{wanted[0].replace('_', '-')}"
    if not isinstance(network, RecurrentNetwork):
        raise UsageError(f"{flag} is for models of text without a source; leave it out")
    if options.weight_drop and not all(recurrent(layer) for layer in network.layers):
        raise UsageError("--weight-drop needs a cell with matrices called weight_hh…; leave it out")
    network.entry.share, network.weight_drop.share = options.embed_dropout, options.weight_drop
    network.restless.size, network.restless.change = options.activation_reg, options.temporal_reg


def weights_of(network: nn.Module) -> dict[str, Any]:
    """The parameters and buffers of a network on any device, by name, as NumPy arrays of their own."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}


def _spans(lengths: list[int]) -> list[slice]:
    """Where each layer's arrays lie in the flat state."""
    spans, start = [], 0
    for length in lengths:
        spans.append(slice(start, start + length))
        start += length
    return spans
