"""The network that trains: embedding, a stack of layers of any cell, output projection.

::

    tokens (B,T) ─▸ embedding (B,T,E) ─▸ layer ─▸ … ─▸ layer (B,T,H) ─▸ [projection (B,T,E)] ─▸ logits (B,T,V)
                                           └ dropout between and after the layers ┘

A ``TrainingSetup`` adds regularizers, which evaluation does not see, and prepares the head.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, chain, pairwise
from typing import Any

from torch import Tensor, nn

from rnngen.contracts import IGNORE, CarryingLayer, State
from rnngen.errors import OptionError
from rnngen.nn.carry import reset_rows
from rnngen.nn.heads import make_head
from rnngen.nn.regularizers import (
    ActivationRegularizer,
    EmbeddingDropout,
    TrainingSetup,
    VariationalDropout,
    WeightDrop,
    recurrent,
)
from rnngen.options.model import NetworkOptions, TrainingOptions


class RecurrentNetwork(nn.Module):
    """Tokens in, logits out; the state is explicit.

    The state is the layers' states one after another, flat: ``(h₁, c₁, h₂, c₂)`` for two LSTM layers.

    Args:
        vocabulary: V.
        options: the sizes.
        make_layer: builds one layer from its input and hidden size (see ``rnngen.contracts.Layer``).
        setup: where it is to be trained.
        grown: V before each time that tokens were appended; the sizes are those of the first.

    Raises:
        OptionError: if weights are to be dropped, and the cell has no matrices of that name.
    """

    fixed = 0

    def __init__(
        self,
        vocabulary: int,
        options: NetworkOptions,
        make_layer: Callable[[int, int], nn.Module],
        setup: TrainingSetup | None = None,
        grown: Sequence[int] = (),
    ) -> None:
        super().__init__()
        training = setup.options if setup else TrainingOptions()
        embed, hidden = options.embedding(grown[0] if grown else vocabulary), options.hidden
        self.feature_size = hidden
        self.embedding = nn.Embedding(vocabulary, embed)
        inputs = [embed] + [hidden] * (options.layers - 1)
        self.layers = nn.ModuleList(make_layer(size, hidden) for size in inputs)
        narrowed = options.tied and embed != hidden
        self.projection = nn.Linear(hidden, embed, bias=False) if narrowed else nn.Identity()
        nn.init.normal_(self.embedding.weight, std=embed**-0.5)
        self.dropout = VariationalDropout(options.dropout or 0.0)
        self.embedding_dropout = EmbeddingDropout(training.embed_dropout)
        self.weight_drop = WeightDrop(training.weight_drop)
        self.activation_regularizer = ActivationRegularizer(training.activation_reg, training.temporal_reg)
        if training.weight_drop and not all(recurrent(layer) for layer in self.layers):
            raise OptionError("`weight_drop` needs a cell with matrices called weight_hh…; leave it out")
        shared = self.embedding.get_parameter("weight") if options.tied else None
        features = embed if options.tied else hidden
        self.head = make_head(options, features, vocabulary, shared, setup, grown=grown)
        zeros = [layer.initial_state(1) for layer in self._layers()]
        self._spans = [slice(*span) for span in pairwise([0, *accumulate(map(len, zeros))])]
        self._carries = any(isinstance(layer, CarryingLayer) for layer in self.layers)
        if options.learn_state and self._carries:
            raise OptionError("`learn_state`: this cell has a `carry` of its own for its state; leave it out")
        self.initial = nn.ParameterList(map(_learnt, chain(*zeros)) if options.learn_state else [])

    def _layers(self) -> list[Any]:
        return list(self.layers)

    def start(self, batch: int) -> State:
        """Return the state before the first token, for ``batch`` streams."""
        if self.initial:
            # cuDNN takes no others
            return tuple(array.expand(batch, *array.shape[1:]).contiguous() for array in self.initial)
        return tuple(chain.from_iterable(layer.initial_state(batch) for layer in self._layers()))

    def carry(self, state: State, reset: Tensor) -> State:
        """Return the state in which the next window begins; rows where ``reset`` (B,) is true begin anew."""
        if not self._carries:
            return reset_rows(self.start, state, reset, owner=type(self.layers[0]).__name__)
        after: list[Any] = []
        rows = reset.to(state[0].device)
        for layer, span in zip(self._layers(), self._spans, strict=True):
            after.extend(layer.carry(state[span], rows))
        return tuple(after)

    def attended(self, state: State) -> None:
        """Return None: there is no source to attend to."""

    def hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """``tokens`` (B,T), state → features (B,T,H), which ``predict`` reads, and state."""
        x, _, state = self._hidden(tokens, state)
        return x, state

    def _hidden(self, tokens: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """Return what ``hidden`` returns and, between, its outputs before dropout."""
        x = raw = self.embedding_dropout(tokens, self.embedding)
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
        """Features (…,H) → logits (…,V)."""
        logits: Tensor = self.head(self.projection(x))
        return logits

    def nll(self, tokens: Tensor, targets: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the summed loss of ``targets`` (B,T), those that count, in nats, and the state after.

        In training with the penalties of the activations.
        """
        x, raw, state = self._hidden(tokens, state)
        penalty = self.activation_regularizer(x, raw, targets != IGNORE)
        return self.head.nll(self.projection(x), targets) + penalty, state


def _learnt(array: Tensor) -> nn.Parameter:
    """Return an array of the initial state as a parameter, which learns unless it counts."""
    return nn.Parameter(array, requires_grad=array.is_floating_point())


def weights_of(network: nn.Module) -> dict[str, Any]:
    """Return copies of a network's parameters and buffers, on any device, by name, as NumPy arrays."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in network.state_dict().items()}
