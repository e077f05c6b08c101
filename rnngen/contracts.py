"""What the parts of rnngen promise one another, and all that a plugin has to know.

A plugin returns *specs* from hooks (``rnngen.hookspecs``). A spec says a name, a one-line summary, an options
dataclass and where the thing itself is, as ``"package.module:attribute"``; that string is resolved only when
somebody uses the name, so that listing what there is costs no import of torch.

Dimensions, here and everywhere: B batch, T time, V vocabulary, E embedding, I a layer's input, H hidden,
G projected input (gates), L layers, S source length, K beams.

**State is explicit.** Whatever a network remembers goes in and comes out as a flat tuple of arrays with the
batch on axis 0: ``(y, state) = layer(x, state)``. To fork, reorder or drop streams is then one line::

    state = tuple(array[rows] for array in state)

whatever the shapes behind the batch: (B,H) for an LSTM, (B,H,H) for a matrix memory, (B,t,H) for a
growing cache of keys.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Protocol, Self, TypeAlias, runtime_checkable

from rnngen.events import Event
from rnngen.options import NoOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

Floats: TypeAlias = "NDArray[np.float32]"
TokenIds: TypeAlias = "NDArray[np.int64]"
State: TypeAlias = tuple[Any, ...]
"""A flat tuple of arrays (torch's or NumPy's), each with the batch on axis 0."""
Weights: TypeAlias = Mapping[str, Floats]
"""A layer's parameters by name, as its NumPy face receives them."""


# ── Cells ──────────────────────────────────────────────────────────────────────────────────────────────────


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


class Network(Protocol):
    """A whole network, the face that trains: tokens in, logits out."""

    def start(self, batch: int) -> State:
        """The state before the first token, for ``batch`` streams."""
        ...

    def __call__(self, tokens: "Tensor", state: State) -> "tuple[Tensor, State]":
        """``tokens`` (B,T) and the state before them → logits (B,T,V) and the state after."""
        ...

    def surprisal(self, tokens: "Tensor", targets: "Tensor", state: State) -> "tuple[Tensor, State]":
        """The summed cross-entropy of ``targets`` (B,T), those not -100, in nats, and the state after."""
        ...


class NetworkStep(Protocol):
    """A whole network, the face that generates, on either backend; NumPy arrays cross this border."""

    def start(self, batch: int) -> State:
        """The state before the first token, for ``batch`` streams."""
        ...

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,) and the state before them → logits (B,V) and the state after."""
        ...


# ── Text ───────────────────────────────────────────────────────────────────────────────────────────────────


class Chunk(NamedTuple):
    """A piece of text on its way from a reader to the token store; a document is one chunk or more."""

    text: str
    opens: bool
    """Whether a new document (or example) begins with this chunk."""


class Tokenizer(Protocol):
    """Text ↔ token ids.

    **Every token stands for fixed bytes**, ``pieces[id]``, and a text is the concatenation of its tokens'
    bytes in UTF-8: ``b"".join(pieces[i] for i in encode(text)) == text.encode()`` for *any* text. From that
    one law follow exact decoding, streaming that never breaks a character, and constraints at byte level.
    """

    pieces: Sequence[bytes]
    """The bytes of each id, V of them; the end token's are empty."""
    end: int
    """The token between examples. ``encode`` never returns it, whatever the text says."""

    def encode(self, text: str) -> "NDArray[np.integer[Any]]":
        """The ids of a text, as a one-dimensional integer array."""
        ...

    def to_json(self) -> str:
        """Everything needed to build it again, as the text of ``tokenizer.json``."""
        ...

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build it again.

        Raises:
            ValueError: if the text is not what ``to_json`` wrote.
        """
        ...

    @classmethod
    def train(cls, chunks: Iterable[Chunk], options: Any) -> Self:
        """Learn a vocabulary. The same chunks and options always give the same one.

        Args:
            chunks: the training text; it is read once, and may be larger than memory.
            options: an instance of the spec's options dataclass.
        """
        ...


class Task(Protocol):
    """What the network learns to write: how text becomes examples, and when one is finished.

    It is built as ``Task(options)``.

    ``ends`` decides how batches are made::

        False  free text: documents are read in parallel streams, the state carried from window to
               window and reset where a document begins; generation goes on for ever
        True   every example is read from its first token to its end token, from a fresh state;
               generation stops by itself
    """

    ends: bool
    """Whether an example ends by itself."""
    separator: str
    """What the command line writes between generated examples."""

    def examples(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Cut what the readers gave into examples, a chunk with ``opens`` beginning each."""
        ...


Reader: TypeAlias = Callable[[BinaryIO, str, Any], Iterator[Chunk]]
"""``read(stream, name, options)`` yields what is in one file, without holding all of it.

``stream`` is binary and already decompressed; ``name`` is for messages. It raises ``CorpusError`` that names
the file, the byte offset or the line, and the mend.
"""


# ── Decoding and watching ──────────────────────────────────────────────────────────────────────────────────


Filter: TypeAlias = "Callable[[Floats, Sequence[Sequence[int]]], Floats]"
"""A pure function ``(logits (B,V), history) → logits (B,V)``; ``history[b]`` holds stream b's tokens so far,
its prompt included. ``-inf`` forbids a token. It must not write to its arguments."""


@runtime_checkable
class StatefulFilter(Protocol):
    """A filter that remembers, or tosses coins.

    Like a network it keeps nothing in itself: its state goes in and comes out, so that forks of a stream and
    the hypotheses of a beam each have their own. What a stream gets must not depend on the other streams.
    Coins are drawn from the stream's seed and a count that the state holds, so that the same seed gives the
    same bytes::

        np.random.default_rng([seed, count]).random()
    """

    def initial(self, seeds: TokenIds) -> State:
        """The state before the first token, for as many streams as there are ``seeds`` (B,)."""
        ...

    def __call__(self, logits: "Floats", history: Sequence[Sequence[int]], state: State) -> "Floats":
        """Logits (B,V) → logits (B,V), as ``Filter`` does. Writes to none of its arguments."""
        ...

    def observe(self, tokens: TokenIds, surprise: "NDArray[np.float64]", state: State) -> State:
        """Take note of the tokens (B,) that were chosen → the state after them.

        ``surprise`` (B,) is −ln p of each, under the distribution that it was chosen from: that at the end of
        the chain.
        """
        ...


AnyFilter: TypeAlias = "Filter | StatefulFilter"

Listener: TypeAlias = Callable[[Event], None]
"""Called with every event of a training run, in order."""


# ── Specs ──────────────────────────────────────────────────────────────────────────────────────────────────


def imported(target: str) -> Any:
    """What an import string, ``"package.module:attribute"``, names; raises whatever importing it raises."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a hook returns."""

    name: str
    """What the user types: lower case, words joined by hyphens."""
    summary: str
    """One line for listings."""
    load: str
    """Where the thing is: ``"package.module:attribute"``, imported only when it is used."""
    options: type[Any] = NoOptions
    """A frozen dataclass (see ``rnngen.options``); its fields are what ``-o key=value`` sets."""


@dataclass(frozen=True, kw_only=True)
class CellSpec(Spec):
    """A recurrent layer. ``load`` names a ``Layer`` class."""

    step: str | None = None
    """Names a ``LayerStep`` class. Without one the cell still generates, through torch."""


@dataclass(frozen=True, kw_only=True)
class TokenizerSpec(Spec):
    """A tokenizer. ``load`` names a ``Tokenizer`` class."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec(Spec):
    """A task. ``load`` names a ``Task`` class."""


@dataclass(frozen=True, kw_only=True)
class FilterSpec(Spec):
    """A filter of logits. ``load`` names a function ``options → Filter``, or ``options → StatefulFilter``.

    In ``--filters "top_k=40"`` the value goes to the first field of the options.
    """

    needs_text: bool = False
    """Whether the function takes the model's tokenizer besides: ``(options, tokenizer) → Filter``."""


@dataclass(frozen=True, kw_only=True)
class ReaderSpec(Spec):
    """A reader of files. ``load`` names a ``Reader``."""

    suffixes: tuple[str, ...] = ()
    """The file endings that it takes, each with its dot, in lower case."""


@dataclass(frozen=True, kw_only=True)
class ListenerSpec(Spec):
    """A listener to training. ``load`` names a function ``options → Listener``."""


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A command of the command line. ``load`` names a ``click.Command``."""
