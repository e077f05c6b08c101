"""What long work reports while it runs: small frozen records, in the order in which things happen.

::

    Started ─▸ ( Step* ─▸ Evaluated ─▸ Saved* ─▸ Sampled? )* ─▸ Judged? ─▸ Finished
                        Warned may come at any point

The command line renders them as a live display, as plain lines or as JSON lines; listeners from plugins
receive the same objects. Losses are in nats per token where the name does not say otherwise.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Event:
    """The root of all events."""

    def as_json(self) -> dict[str, Any]:
        """The event as a JSON object, with its kind (the class name in lower case) under ``event``."""
        return {"event": type(self).__name__.lower(), **asdict(self)}


@dataclass(frozen=True)
class Started(Event):
    """Training is about to take its first step (or the first after a resume)."""

    model: str
    """The model's name."""
    path: str
    """Its folder."""
    parameters: int
    """Trainable numbers in the network."""
    vocabulary: int
    """Tokens in the vocabulary, the end token included."""
    train_tokens: int
    """Tokens to train on."""
    val_tokens: int
    """Tokens held out."""
    device: str
    """Where it trains, as torch writes it."""
    precision: str
    """``fp32`` or ``bf16``."""
    seed: int
    """The seed of everything random."""
    step: int
    """The step it starts at: 0, or where a resumed run stood."""
    steps: int | None
    """The step it will end at; None where only the clock decides."""


@dataclass(frozen=True)
class Step(Event):
    """One update of the weights."""

    step: int
    """How many updates there have been, this one included."""
    epoch: float
    """How often the training text has been seen so far."""
    progress: float
    """How much of the budget is spent, from 0 to 1."""
    loss: float
    """The mean loss of this batch."""
    lr: float
    """The learning rate of this update."""
    grad_norm: float
    """The norm of the whole gradient before clipping."""
    tokens_per_second: float
    """Smoothed over recent steps."""
    seconds_left: float | None
    """An estimate of the time to the end."""


@dataclass(frozen=True)
class Evaluated(Event):
    """The network has been tried on the held-out text."""

    step: int
    """After how many updates."""
    loss: float
    """Nats per token, state carried through the text (``stream``, read in parallel stretches)."""
    nats_per_char: float
    """The same by character of the text."""
    best: bool
    """Whether it is the lowest so far, and so the model that is kept."""
    score: float | None = None
    """What answers to held-out sources score, where that decides instead."""


@dataclass(frozen=True)
class Saved(Event):
    """A file of the model has been replaced."""

    step: int
    """After how many updates."""
    path: str
    """The file."""


@dataclass(frozen=True)
class Sampled(Event):
    """A taste of what the network writes now."""

    step: int
    """After how many updates."""
    text: str
    """What it wrote."""


@dataclass(frozen=True)
class Warned(Event):
    """Something that the person should know and that does not stop the work."""

    message: str
    """The thing, the place and the mend."""


@dataclass(frozen=True)
class Judged(Event):
    """The weights that are kept have been tried on the held-out text once more, exactly."""

    step: int
    """The step that they are from."""
    stream: float
    """Nats per character, the state carried through the whole text."""
    window: float
    """Nats per character in windows of 256 tokens, each from a fresh state."""
    seconds: float
    """How long it took."""


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
    """The held-out loss of those weights."""
    seconds: float
    """Wall-clock seconds of training, over all sittings."""
