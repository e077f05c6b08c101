"""Recurrent layers, attentions, and the networks made of them.

Each has a *torch implementation*, which trains over whole sequences, and may have a *NumPy implementation*,
which generates one token at a time and starts at once. A capability that only some have is a Protocol to ask
with ``isinstance``: ``CarryingLayer``, ``GatedStep``, ``FeatureStep``, ``ChunkStep``, ``LayeredStep``,
``Quantizable``, ``CompiledMatrix``, ``CarryingNetwork``, ``FeatureNetwork``, ``PieceNetwork``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from rnngen.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Floats: TypeAlias = "NDArray[np.float32]"
TokenIds: TypeAlias = "NDArray[np.int64]"
State: TypeAlias = tuple[Any, ...]
"""A flat tuple of arrays (torch's or NumPy's), each with the batch on axis 0."""
Weights: TypeAlias = Mapping[str, Floats]
"""Parameters by name, for a NumPy implementation."""


# ── Layers ─────────────────────────────────────────────────────────────────────────────────────────────────


class Layer(Protocol):
    """One recurrent layer in torch: an ``nn.Module``, which need not derive from this class.

    It is built as ``Layer(input_size, hidden_size, options)``. The network stacks as many as the user asks
    for, with the embedding below, dropout between and the output layer above. A ``ValueError`` of the
    constructor is an error of the user, whose text names the option to change.

    Names of parameters mean something to two options. ``--weight-drop`` thins the matrices ``weight_hh…``,
    which a layer multiplies its own past with, and is refused without any. ``--optimizer muon`` makes updates
    of these orthogonal, in square blocks one below the other, a gate each, and with ``--muon layers`` those
    of ``weight_ih…`` too; of a layer without such names, of every matrix that divides into square blocks.
    """

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token of ``batch`` streams, on the device of the parameters."""

    def __call__(self, x: "Tensor", state: State) -> "tuple[Tensor, State]":
        """Read T inputs: ``x`` (B,T,I) and the state before them → outputs (B,T,H) and the state after.

        Splitting a sequence in two calls, with the state handed on, must give what one call gives; T may be
        1. Training may run under autocast to bf16: the state given is float32, the one returned any float.
        Arrays of integers, which count or name places, come back as they went: they are never rounded, learnt
        or blended.
        With ``--learn-state`` the initial state is a parameter and may take any value.
        """


@runtime_checkable
class CarryingLayer(Layer, Protocol):
    """A layer that says itself what of its state goes on to the next window of training and evaluation.

    Without this rows that begin anew get their initial state, and the others keep theirs, which has to have
    one shape for ever. A state that grows, as a cache of keys (B,t,H) does, is bounded here::

        windows   ├─ T ─┤├─ T ─┤├─ T ─┤
        state          t=T    t=min(2T, limit)      carry() cuts what is too old, and hides from rows
                       └ carry ┘└ carry ┘           that begin anew what came before

    In generation nothing is cut but by the layer itself, in ``__call__`` and ``advance``.
    """

    def carry(self, state: State, reset: "Tensor") -> State:
        """Take the state after a window (B,…) → the state before the next; ``reset`` (B,) bool.

        No gradient flows through it. The shapes returned depend on those given alone, never on ``reset``,
        since other rows of the same batch may be elsewhere. ``--learn-state`` cannot be used with it.
        """


class LayerStep(Protocol):
    """The same layer in NumPy, one token at a time.

    It is built as ``LayerStep(weights, options)`` with the torch layer's ``state_dict`` (parameters and
    buffers by name, in torch's layout) as float32 arrays. A step has two halves, so that the part that
    depends on the input alone can be computed ahead; of the first layer it is kept in a table, a row a
    token::

        y, state = step.advance(step.project(x), state)      must equal      layer(x[:, None], state)

    A cell whose step is not ``Quantizable`` cannot be used with ``rnngen sample --quantize``.
    """

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token of ``batch`` streams."""

    def project(self, x: Floats) -> Floats:
        """Compute what depends on the input alone: ``x`` (B,I) → (B,G); ``x`` itself if nothing does."""

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Take one step: (B,G) and the state → outputs (B,H) and the next state. Write to no argument."""


@runtime_checkable
class GatedStep(Protocol):
    """A NumPy implementation of a layer whose gates can be observed, as ``rnngen look gates`` does.

    The state needs nothing of the kind: it is there to be seen, whatever the cell.
    """

    def gates(self, projected: Floats, state: State) -> Mapping[str, Floats]:
        """Return the gates by name, each (B,·) from 0 to 1, of the step that ``advance`` takes from the same.

        Write to no argument.
        """


@runtime_checkable
class Quantizable(Protocol):
    """A NumPy implementation, of a layer, an attention or a network, whose weights can be quantized."""

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace each large matrix that stands on the right of products: ``self.u = make(self.u)``.

        The result of ``make`` for an array (I,G) has its ``shape`` and its ``len``, and takes
        ``np.dot(x, matrix)`` and ``x @ matrix`` with x (…,I). Where it is a ``CompiledMatrix``, a layer may
        take its whole step in one compiled function from then on.
        """


@runtime_checkable
class CompiledMatrix(Protocol):
    """A matrix that functions compiled by Numba can multiply by, with ``rnngen.compiled.multiply``."""

    shape: tuple[int, ...]
    """(I,G)"""
    arrays: tuple[Any, ...]
    """The matrix, for them."""


def quantizable(parts: Iterable[object]) -> list[Quantizable]:
    """Return parts of a step whose weights can all be quantized.

    Raises:
        UsageError: naming the first that cannot.
    """
    found = []
    for part in parts:
        if not isinstance(part, Quantizable):
            raise UsageError(
                f"{type(part).__name__} cannot quantize its weights (it has no method 'quantize'); "
                "leave --quantize out"
            )
        found.append(part)
    return found


# ── Attention ──────────────────────────────────────────────────────────────────────────────────────────────


class Attention(Protocol):
    """An attention over the outputs of an encoder, in torch: an ``nn.Module``.

    It is built as ``Attention(query_size, memory_size, options)``. A decoder calls it with a query at every
    step; the part that depends on the source is computed once::

        prepared = attention.prepare(memory, mask)
        context, weights, state = attention(query, prepared, state)
    """

    size: int
    """C, the size of a context."""

    def prepare(self, memory: "Tensor", mask: "Tensor") -> State:
        """Compute all that calls need of the source; it never changes.

        Args:
            memory: (B,S,M), the encoder's output for each source token; padding holds anything, NaN too.
            mask: (B,S) bool, true where there is a token; padding must never receive weight.
        """

    def initial_state(self, mask: "Tensor") -> State:
        """Return the state before the first query: ``()``, or past alignments and the like."""

    def __call__(self, query: "Tensor", prepared: State, state: State) -> "tuple[Tensor, Tensor, State]":
        """Attend T times: ``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), the state after.

        The weights of a query sum to 1, or are all 0 where there is nothing to attend to. Splitting the
        queries in two calls, with the state handed on, must give what one call gives; T may be 1.
        """


class AttentionStep(Protocol):
    """The same attention in NumPy, built as ``AttentionStep(weights, options)`` like a ``LayerStep``."""

    def prepare(self, memory: Floats, mask: "NDArray[np.bool_]") -> State:
        """Compute all that calls need of the source: ``memory`` (B,S,M), ``mask`` (B,S)."""

    def initial_state(self, mask: "NDArray[np.bool_]") -> State:
        """Return the state before the first query."""

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), the state after. Write to no argument."""


# ── Networks in torch ──────────────────────────────────────────────────────────────────────────────────────

NO_TOKEN = -1
"""Padding of a source (B,S)."""
IGNORE = -100
"""A target that does not count; torch's own default for it."""


class Network(Protocol):
    """A whole network in torch: tokens in, logits out."""

    fixed: int
    """Number of arrays at the beginning of the state that never change after ``start``: the encoder's memory,
    or 0."""

    def start(self, about: Any) -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""

    def __call__(self, tokens: "Tensor", state: State) -> "tuple[Tensor, State]":
        """``tokens`` (B,T) and the state before them → logits (B,T,V) and the state after."""

    def nll(self, tokens: "Tensor", targets: "Tensor", state: State) -> "tuple[Tensor, State]":
        """Return the loss of ``targets`` (B,T), summed over those not ``IGNORE``, in nats; and the state.

        In training mode it may hold more than the cross-entropy: penalties that training should make small.
        """

    def attended(self, state: State) -> "Tensor | None":
        """Return the attention weights of the last token (B,S); None for a network that does not attend."""


class SourceNetwork(Network, Protocol):
    """A network whose output depends on a source, which it reads at the start and keeps in its state."""

    def start(self, source: "Tensor") -> State:
        """Read the sources (B,S), each closed by the end token and padded with ``NO_TOKEN`` → the state.

        The result for a row depends neither on its padding nor on the other rows.
        """


@runtime_checkable
class CarryingNetwork(Protocol):
    """A network without a source that says itself what of its state goes on to the next window."""

    def carry(self, state: State, reset: "Tensor") -> State:
        """Do what ``CarryingLayer.carry`` does; ``reset`` (B,) is on the CPU."""


@runtime_checkable
class FeatureNetwork(Protocol):
    """A network in torch whose output layer reads one vector a token and nothing else.

    ``predict`` of the features that ``hidden`` returns equals what a call returns.
    """

    feature_size: int
    """H, the size of that vector."""

    def hidden(self, tokens: "Tensor", state: State) -> "tuple[Tensor, State]":
        """``tokens`` (B,T) and the state before them → features (B,T,H) and the state after."""

    def predict(self, x: "Tensor") -> "Tensor":
        """Features (…,H) → logits (…,V)."""


@runtime_checkable
class PieceNetwork(Protocol):
    """A network that has to know the bytes of its tokens, as where a bracket opens or a word begins.

    What it needs of them it keeps in buffers, which are stored with the model: a restored network and the
    NumPy implementation find them among the weights.
    """

    def set_pieces(self, target: Sequence[bytes], source: Sequence[bytes]) -> None:
        """Take in the bytes of each token, V of the output's and V of the source's, before training begins.

        Without a source both are the same. More tokens may come to them when a model is trained further.

        Raises:
            ValueError: if such tokens cannot be used; the message names the option to change.
        """


# ── One step of a network ──────────────────────────────────────────────────────────────────────────────────


class NetworkStep(Protocol):
    """One step of a whole network, to generate with; arrays are NumPy's, also where torch computes."""

    fixed: int
    """Number of arrays at the beginning of the state that never change after the start."""

    def start(self, about: Any) -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,) and the state before them → logits (B,V) and the state after."""

    def attended(self, state: State) -> "Floats | None":
        """Return the attention weights of the last token (B,S); None for a network that does not attend."""


class StreamStep(NetworkStep, Protocol):
    """One step of a network without a source."""

    def start(self, batch: int) -> State:
        """Return the state before the first token of ``batch`` streams."""


class SourceStep(NetworkStep, Protocol):
    """One step of a network that reads sources.

    Its NumPy implementation is built as ``SourceStep(weights, blueprint, options)``.
    """

    def start(self, source: TokenIds) -> State:
        """Read the sources (B,S) like ``SourceNetwork.start``."""


@runtime_checkable
class FeatureStep(NetworkStep, Protocol):
    """A step in two halves, for methods that compare or store features.

    ``logits`` of what ``features`` returns equals what a call returns. A network with a copying output layer
    and an ensemble are none.
    """

    feature_size: int
    """H, the size of the vector that the output layer reads."""

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,) and the state before them → what the output layer reads (B,H), and the state."""

    def logits(self, features: Floats, state: State) -> Floats:
        """Features (B,H) and the state after their tokens → logits (B,V)."""


@runtime_checkable
class ChunkStep(NetworkStep, Protocol):
    """A step that can also read several tokens of one stream in a call, faster than one after another."""

    def forward_chunk(self, tokens: TokenIds, state: State) -> tuple[Floats, list[State]]:
        """``tokens`` (T,) and the state of one stream → logits (T,V) after each, and the T states."""


@runtime_checkable
class LayeredStep(NetworkStep, Protocol):
    """A step whose state is made of its layers' states, so that each layer can be observed."""

    layers: Sequence[LayerStep]
    layer_spans: Sequence[slice]
    """Where the arrays of each layer stand in the state."""

    def embed(self, tokens: TokenIds) -> Floats:
        """Return the embeddings (B,E) of ``tokens`` (B,), which the first layer reads."""


@runtime_checkable
class ConditionedStep(NetworkStep, Protocol):
    """A step whose streams may have to begin with given bytes: the end of a prompt, which was given back.

    ::

        prompt        T h e   h a r b o
        read          T h e                        what is left is drawn again, in whatever tokens
        drawn                 h a r b o u r        agree with it: here it is one, with more behind it

    Until a stream has drawn its bytes, its logits are those of the tokens on condition that the text begins
    with them; then they are the network's. While any stream waits for bytes, these are the last array of
    the state; else that is the network's.
    """

    def split(self, tokens: Sequence[int]) -> tuple[int, bytes]:
        """Return how many tokens of a prompt are final, and the bytes of the others, which are given back."""

    def expect(self, state: State, rests: Sequence[bytes], after: int = 0) -> State:
        """Return a state whose B streams must begin with ``rests``, once ``after`` tokens more are read."""

    def pending(self, state: State) -> list[bytes]:
        """Return the bytes that are still to be drawn in each of B streams."""

    def condition(self, logits: Floats, state: State) -> Floats:
        """The network's logits (B,V) and the state after its tokens → those that the next are drawn from.

        A call and ``FeatureStep.logits`` do so by themselves.
        """


# ── What networks are built from ───────────────────────────────────────────────────────────────────────────


class Head(Protocol):
    """The output layer: a ``torch.nn.Module`` from (…,I) to a prediction."""

    def __call__(self, x: "Tensor") -> "Tensor":
        """(…,I) → logits (…,V)."""

    def nll(self, x: "Tensor", targets: "Tensor") -> "Tensor":
        """``x`` (B,T,I), ``targets`` (B,T) → the summed loss, as ``Network.nll`` defines it."""


class ModuleFactory(Protocol):
    """Makes the modules that all networks share, so that all are trained alike."""

    def head(self, inputs: int, weight: "Tensor | None" = None) -> Any:
        """Return a new ``Head`` for (…,``inputs``), tied to an embedding ``weight`` (V,inputs) if given."""

    def dropout(self) -> Any:
        """Return a new dropout module (B,T,H) → (B,T,H) with the rate of the blueprint."""


class ComponentFactory(Protocol):
    """Builds a component of a network, another plugin's cell or attention, with its options chosen."""

    @property
    def has_numpy(self) -> bool:
        """True if there is a NumPy implementation."""

    def build(self, *sizes: int) -> Any:
        """Build the torch implementation: ``build(input_size, hidden_size)`` for a cell."""

    def numpy(self, weights: Weights, prefix: str = "") -> Any:
        """Build the NumPy implementation from the network's weights whose names begin with ``prefix``."""


@dataclass(frozen=True)
class Blueprint:
    """The sizes and components of a whole network."""

    vocabulary: int
    """V of the output."""
    source_vocabulary: int
    """V of the source."""
    shared: bool
    """True if both are one vocabulary, so that an embedding can serve both and tokens can be copied."""
    hidden: int
    layers: int
    embed: int
    source_embed: int
    dropout: float
    tied: bool
    parts: Mapping[str, ComponentFactory]
    """The components that its options name, by option."""
