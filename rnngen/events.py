"""Events of long work: small frozen records, in the order in which things happen.

::

    Preparing* ─▸ Started ─▸ Surveyed ─▸ ( Step* ─▸ Evaluated ─▸ Saved* ─▸ Sampled? )* ─▸
                        FinalEvaluation? ─▸ Copied? ─▸ Finished
    Warned may come at any point

The command line renders them as a live display, as plain lines or as JSON lines; listeners from plugins
receive the same objects. Losses are in nats per token where the name does not say otherwise.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """The root of all events."""

    kind: ClassVar[str] = ""
    """The name of the event in JSON; of a class that has none, its own name in lower case."""

    def as_json(self) -> dict[str, Any]:
        """Return the event as a JSON object, with its kind under ``event``."""
        return {"event": self.kind or type(self).__name__.lower(), **asdict(self)}


@dataclass(frozen=True)
class Preparing(Event):
    """Work that comes before the first step: reading and encoding the text, loading torch, timing sizes."""

    message: str
    """The work, as in ``reading corpus.txt``."""
    progress: float | None = None
    """The share of it that is done, where that is known."""


@dataclass(frozen=True)
class Started(Event):
    """Training is about to take its first step (or the first after a resume)."""

    model: str
    path: str
    """Its folder."""
    parameters: int
    """Trainable numbers in the network."""
    vocabulary: int
    """Tokens in the vocabulary, the end token included."""
    train_tokens: int
    """Tokens to train on."""
    val_tokens: int
    """Tokens of the validation text."""
    device: str
    """Its name in torch."""
    precision: str
    """``fp32`` or ``bf16``."""
    seed: int
    step: int
    """The step that it starts at: 0, or that of a resumed run."""
    steps: int | None
    """The step that it will end at; None where only the clock decides."""
    train_chars: int = 0
    """Characters to train on, the ends of examples among them; 0 where that is not known."""
    teachers: tuple[str, ...] = ()
    """The names of the models that it learns from beside the text."""


@dataclass(frozen=True)
class Surveyed(Event):
    """The text that a run learns from, and how it was split."""

    message: str
    """All of it in a line."""
    examples: int
    """Examples, or documents of free text."""
    chars: int
    """Characters; where examples end by themselves, each end counts as one more."""
    duplicates: int
    """Examples that repeat another."""
    train_examples: int
    """Examples that are trained on, or in part."""
    val_examples: int
    """Examples that are validated on, or in part."""
    rule: str
    """The name of the rule that split them; empty for that of an earlier version."""
    share: float
    """The share that is held out: of the examples or, in free text, of the characters."""
    left_out: int
    """Pairs that are longer than ``max_length``, and on neither side."""
    fitting_length: int | None
    """A ``max_length`` that keeps nearly all of them; None where all are kept."""
    oddities: tuple[str, ...]
    """Remarks about the text, each of which is also a warning."""
    kinds: dict[str, list[int]] = field(default_factory=dict)
    """For every ending of files: how many there are, and how many characters were read from them."""
    not_read: dict[str, int] = field(default_factory=dict)
    """The number of files in the folders that were named which no reader takes, by their endings."""


@dataclass(frozen=True)
class Step(Event):
    """One update of the weights."""

    step: int
    """The number of updates so far, this one included."""
    epoch: float
    """The number of passes over the training text so far."""
    progress: float
    """The share of the budget that is spent, from 0 to 1."""
    loss: float
    """The running mean of training losses, over the last 50 steps or so: what is shown, and what
    ``metrics.jsonl`` holds of the steps at which the network is evaluated."""
    lr: float
    grad_norm: float
    """The norm of the whole gradient before clipping."""
    tokens_per_second: float
    """Smoothed over recent steps."""
    seconds_left: float | None
    """An estimate of the time to the end."""
    batch_loss: float
    """The mean loss of this batch alone."""


@dataclass(frozen=True)
class Evaluated(Event):
    """The network has been evaluated on the validation text."""

    step: int
    """The number of updates before it."""
    loss: float
    """Nats per token, state carried through the text (``stream``, in parallel streams)."""
    nats_per_char: float
    """The same by character of the text."""
    best: bool
    """True if it is the best so far, so that these weights are kept."""
    score: float | None = None
    """The score of outputs for validation sources, where that decides instead."""


@dataclass(frozen=True)
class Saved(Event):
    """A file of the model has been replaced."""

    step: int
    """The number of updates before it."""
    path: str


@dataclass(frozen=True)
class Sampled(Event):
    """A sample of what the network generates now."""

    step: int
    """The number of updates before it."""
    text: str


@dataclass(frozen=True)
class Warned(Event):
    """A warning, which does not stop the work."""

    message: str
    """The problem, its place and the remedy."""


@dataclass(frozen=True)
class FinalEvaluation(Event):
    """The weights that are kept have been evaluated on the validation text once more, exactly."""

    kind = "judged"

    step: int
    """The step that they are from."""
    stream: float
    """Nats per character, the state carried through the whole text."""
    window: float
    """Nats per character in windows of 256 tokens, each from a fresh state."""
    seconds: float
    """The seconds that it took."""
    network: float | None = None
    """As ``stream``, of the network alone; None where the model has no n-gram."""
    ngram: float | None = None
    """Likewise of the n-gram alone; None where the model has none."""


@dataclass(frozen=True)
class Copied(Event):
    """A comparison of generated text with the training text; see ``rnngen.evaluation.novelty``."""

    message: str
    """All of it in a line."""
    generated: int
    """Examples, or characters of free text, that were generated."""
    copied: float
    """The share of these that stands in the training text."""
    repeated: float
    """The share of examples that repeat another."""
    longest: str
    """The longest stretch that stands in the training text."""
    has_eos: bool
    """True if examples end by themselves."""


@dataclass(frozen=True)
class Finished(Event):
    """Training has ended and everything is saved."""

    reason: str
    """``budget``, ``early stop`` or ``interrupt``."""
    step: int
    """Updates made in all."""
    best_step: int
    """The step whose weights are kept as the model."""
    best_nats_per_char: float
    """The validation loss of those weights."""
    seconds: float
    """Wall-clock seconds of training, over all sittings."""
    advice: str = ""
    """What held the model back, and the mend; empty where a warning said so, and of an interrupted run."""


# ── Reports of functions that are no generators ────────────────────────────────────────────────────────────

_LISTENING: ContextVar[Callable[[Preparing], None] | None] = ContextVar("listening", default=None)


def report(message: str, progress: float | None = None) -> None:
    """Report that something is being prepared, if somebody listens."""
    if listener := _LISTENING.get():
        listener(Preparing(message, progress))


@contextmanager
def listening(listener: Callable[[Preparing], None]) -> Iterator[None]:
    """Let a listener hear what is being prepared in the block."""
    token = _LISTENING.set(listener)
    try:
        yield
    finally:
        _LISTENING.reset(token)
