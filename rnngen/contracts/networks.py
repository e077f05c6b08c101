"""Recurrent layers, attentions, and whole networks made of them, in two faces: one trains, one writes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Floats: TypeAlias = "NDArray[np.float32]"
TokenIds: TypeAlias = "NDArray[np.int64]"
State: TypeAlias = tuple[Any, ...]
"""A flat tuple of arrays (torch's or NumPy's), each with the batch on axis 0."""
Weights: TypeAlias = Mapping[str, Floats]
"""Parameters by name, as a NumPy face receives them."""


# ── Layers ─────────────────────────────────────────────────────────────────────────────────────────────────


class Layer(Protocol):
    """One recurrent layer, the face that trains: a ``torch.nn.Module``. It need not derive from this class.

    It is built as ``Layer(input_size, hidden_size, options)``; the engine stacks as many as the user asks
    for, with the embedding below, dropout between and the output projection above.
    """

    def initial_state(self, batch: int) -> State:
        """The state before the first token, for ``batch`` streams, on the device of the parameters."""
        ...

    def __call__(self, x: "Tensor", state: State) -> "tuple[Tensor, State]":
        """Read T inputs: ``x`` (B,T,I) and the state before them → outputs (B,T,H) and the state after.

        Splitting a sequence in two calls, with the state handed on, must give what one call gives; T may be
        1. Training may run under autocast to bf16: the state given is float32, the one returned any float.
        With ``--learn-state`` the initial state is a parameter and may take any value.
        """
        ...


class LayerStep(Protocol):
    """The same layer, the face that generates: NumPy alone, one token at a time.

    It is built as ``LayerStep(weights, options)`` with the torch layer's ``state_dict`` (parameters and
    buffers by name, in torch's layout) as float32 arrays.
    The step is cut in two so that what depends on the input alone can be computed ahead (the engine keeps
    it as a table, one row a token, for the first layer)::

        y, state = step.advance(step.project(x), state)      must equal      layer(x[:, None], state)

    It may have one method more, without which ``rnngen sample --quantize`` refuses the cell:
    ``quantise(make)`` replaces each large matrix that stands on the right of its products,
    ``self.recurrent = make(self.recurrent)``. What is made of an array (I,G) has its ``shape`` and its
    ``len``, and takes ``np.dot(x, matrix)`` and ``x @ matrix`` with x (…,I). A ``SourceStep`` may have the
    method, too.
    """

    def initial_state(self, batch: int) -> State:
        """The state before the first token, for ``batch`` streams."""
        ...

    def project(self, x: Floats) -> Floats:
        """What depends on the input alone: ``x`` (B,I) → (B,G). Return ``x`` if there is nothing to do."""
        ...

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """One step: (B,G) and the state → outputs (B,H) and the next state. Writes to neither argument."""
        ...


# ── Attention ──────────────────────────────────────────────────────────────────────────────────────────────


class Attention(Protocol):
    """A way to look at what an encoder has read, the face that trains: a ``torch.nn.Module``.

    It is built as ``Attention(query_size, memory_size, options)``. A decoder asks it with a query at every
    step; what it needs of the source is computed once::

        prepared = attention.prepare(memory, mask)
        context, weights, state = attention(query, prepared, state)
    """

    size: int
    """C, the size of a context."""

    def prepare(self, memory: "Tensor", mask: "Tensor") -> State:
        """What depends on the source alone, and all that a call needs of it; it never changes.

        Args:
            memory: (B,S,M), what the encoder gives of each source token.
            mask: (B,S) bool, true where there is a token; padding must never receive weight.
        """
        ...

    def initial_state(self, mask: "Tensor") -> State:
        """What it remembers before the first query: ``()``, or past alignments and the like."""
        ...

    def __call__(self, query: "Tensor", prepared: State, state: State) -> "tuple[Tensor, Tensor, State]":
        """Ask T times: ``query`` (B,T,H) → contexts (B,T,C), weights (B,T,S), the state after.

        The weights of a query sum to 1, or are all 0 where there is nothing to look at. Splitting the
        queries in two calls, with the state handed on, must give what one call gives; T may be 1.
        """
        ...


class AttentionStep(Protocol):
    """The same attention, the face that generates: NumPy alone.

    It is built as ``AttentionStep(weights, options)``, as a ``LayerStep`` is.
    """

    def prepare(self, memory: Floats, mask: "NDArray[np.bool_]") -> State:
        """What depends on the source alone: ``memory`` (B,S,M), ``mask`` (B,S)."""
        ...

    def initial_state(self, mask: "NDArray[np.bool_]") -> State:
        """What it remembers before the first query."""
        ...

    def __call__(self, query: Floats, prepared: State, state: State) -> tuple[Floats, Floats, State]:
        """``query`` (B,H) → context (B,C), weights (B,S), the state after. Writes to no argument."""
        ...


# ── Networks ───────────────────────────────────────────────────────────────────────────────────────────────

NO_TOKEN = -1
"""Stands in a source (B,S) where a row is shorter than its neighbours."""
IGNORE = -100
"""A target that does not count; torch's own default for it."""


class _Reads(Protocol):
    """What every network that trains can do, once it has a state."""

    def __call__(self, tokens: "Tensor", state: State) -> "tuple[Tensor, State]":
        """``tokens`` (B,T) and the state before them → logits (B,T,V) and the state after."""
        ...

    def nll(self, tokens: "Tensor", targets: "Tensor", state: State) -> "tuple[Tensor, State]":
        """The loss of ``targets`` (B,T), those not ``IGNORE``: summed, in nats, and the state after.

        In training mode it may hold more than the cross-entropy, whatever is to be made small.
        """
        ...


class Network(_Reads, Protocol):
    """A whole network, the face that trains: tokens in, logits out."""

    def start(self, batch: int) -> State:
        """The state before the first token, for ``batch`` streams."""
        ...


class SourceNetwork(_Reads, Protocol):
    """A network that writes about a source: it reads that first, and its state holds what it made of it."""

    fixed: int
    """How many arrays, at the beginning of the state, never change after ``start``: the encoder's memory."""

    def start(self, source: "Tensor") -> State:
        """Read the sources (B,S), each closed by the end token and padded with ``NO_TOKEN`` → the state.

        What a row gives does not depend on how far it is padded, nor on the other rows.
        """
        ...

    def attended(self, state: State) -> "Tensor | None":
        """Where it looked for the last token, (B,S); None for a network that does not attend."""
        ...


class NetworkStep(Protocol):
    """A whole network, the face that generates, on either backend; NumPy arrays cross this border."""

    fixed: int
    """How many arrays, at the beginning of the state, never change after the start."""

    def start(self, about: Any) -> State:
        """Return the state before the first token: of so many streams or, for a network that reads a source, of
        sources (B,S).
        """
        ...

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,) and the state before them → logits (B,V) and the state after."""
        ...

    def attended(self, state: State) -> "Floats | None":
        """Where it looked for the last token, (B,S); None for a network that does not attend."""
        ...


class StreamStep(NetworkStep, Protocol):
    """A network that goes on from what it has written."""

    def start(self, batch: int) -> State:
        """The state before the first token, for ``batch`` streams."""
        ...


@runtime_checkable
class FeatureStep(NetworkStep, Protocol):
    """A stream's step in its two halves, for what works on features.

    ``predict(y), state`` of what ``read`` gives is what a call gives. Every single network without a source
    has it, on either backend; an ensemble has not.
    """

    def read(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,) and the state before them → what the output layer reads (B,H), and the state."""
        ...

    def predict(self, features: Floats) -> Floats:
        """(B,H) → logits (B,V)."""
        ...


@runtime_checkable
class ChunkStep(NetworkStep, Protocol):
    """A network that reads several tokens of one stream in a call."""

    def ahead(self, tokens: TokenIds, state: State) -> tuple[Floats, list[State]]:
        """T tokens (T,) and the state before them → logits (T,V) after each, and the T states."""
        ...


class SourceStep(NetworkStep, Protocol):
    """A network that writes about a source; built as ``SourceStep(weights, blueprint, options)``."""

    def start(self, source: TokenIds) -> State:
        """Read the sources (B,S), as ``SourceNetwork.start`` does."""
        ...


class Head(Protocol):
    """The output layer: a ``torch.nn.Module`` from (…,I) to a prediction."""

    def __call__(self, x: "Tensor") -> "Tensor":
        """(…,I) → logits (…,V)."""
        ...

    def nll(self, x: "Tensor", targets: "Tensor") -> "Tensor":
        """``x`` (B,T,I), ``targets`` (B,T) → the summed loss, as ``Network.nll`` tells it."""
        ...


class ModuleFactory(Protocol):
    """What the engine lends to whole networks, so that all are trained alike."""

    def head(self, inputs: int, weight: "Tensor | None" = None) -> Any:
        """A new ``Head`` that reads (…,``inputs``); ``weight`` is an embedding (V,inputs) to tie it to."""
        ...

    def dropout(self) -> Any:
        """A new module (B,T,H) → (B,T,H) that drops the share that the blueprint says, in training."""
        ...


class ComponentFactory(Protocol):
    """Another plugin's part, with its options chosen, for a network to build itself from."""

    @property
    def has_numpy(self) -> bool:
        """Whether it has a NumPy face."""
        ...

    def build(self, *sizes: int) -> Any:
        """The torch face: ``build(input_size, hidden_size)`` for a cell."""
        ...

    def numpy(self, weights: Weights, prefix: str = "") -> Any:
        """The NumPy face, from those of the network's weights whose names begin with ``prefix``."""
        ...


@dataclass(frozen=True)
class Blueprint:
    """What a whole network is to be built to."""

    vocabulary: int
    """V of what it writes."""
    source_vocabulary: int
    """V of what it reads."""
    shared: bool
    """Whether both are one vocabulary, so that an embedding can serve both and tokens can be copied."""
    hidden: int
    layers: int
    embed: int
    source_embed: int
    dropout: float
    tied: bool
    parts: Mapping[str, ComponentFactory]
    """The parts that its options name, by option."""
