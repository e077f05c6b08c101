"""What can be chosen about a network and its training, one dataclass a stage."""

from dataclasses import dataclass, replace
from typing import Literal

OptimizerName = Literal["sgd", "momentum", "rmsprop", "adam", "adamw"]
ScheduleName = Literal["cosine", "linear", "plateau", "constant"]
PrecisionName = Literal["auto", "fp32", "bf16"]
BestName = Literal["loss", "bleu", "chrf", "accuracy"]


def require(condition: bool, message: str) -> None:
    """Refuse an option's value, in ``__post_init__``."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True)
class NetworkOptions:
    """The shape of the network, whatever the cell."""

    hidden: int = 384
    """Size of each recurrent layer (H)."""
    layers: int = 1
    """How many recurrent layers are stacked (L)."""
    embed: int | None = None
    """Size of a token's embedding (E); the smaller of 64 and the hidden size if not given, the hidden size
    for large vocabularies."""
    dropout: float | None = None
    """Share of each layer's outputs that is dropped in training, the same ones at all steps of a window
    (variational: Gal and Ghahramani 2016). If not given, the more the shorter the text: 0.5 below 300,000
    tokens, 0.2 below 3 million, else 0.1."""
    tied: bool = False
    """Use the embedding as the output matrix too (Press and Wolf 2017)."""
    learn_state: bool = False
    """Learn the state before the first token; it starts from the cell's own."""

    def __post_init__(self) -> None:
        require(self.hidden >= 1, f"hidden={self.hidden}: at least 1 expected")
        require(self.layers >= 1, f"layers={self.layers}: at least 1 expected")
        require(self.embed is None or self.embed >= 1, f"embed={self.embed}: at least 1 expected")
        dropout = self.dropout or 0.0
        require(0 <= dropout < 1, f"dropout={dropout}: a number from 0 to below 1 expected")

    def fitted(self, tokens: int) -> "NetworkOptions":
        """The options with what depends on the length of the training text filled in.

        Measured with the default sizes: dropout 0.6 against 0.2 gave 1.583 against 1.632 nats on 86,000
        characters of prose, 0.5 against 0.2 gave 2.145 against 2.157 on 230,000 of names; at a million
        characters 0.2 is enough.
        """
        if self.dropout is not None:
            return self
        return replace(self, dropout=0.5 if tokens < 300_000 else 0.2 if tokens < 3_000_000 else 0.1)

    def embedding(self, vocabulary: int) -> int:
        """The embedding size in force: a character says little and needs few numbers, a word needs many."""
        return self.embed or (min(64, self.hidden) if vocabulary <= 1024 else min(256, self.hidden))


@dataclass(frozen=True)
class TrainingOptions:
    """How the network is trained.

    The budget is one of ``steps``, ``epochs`` and ``minutes``; without any it is two epochs, but no fewer
    than 12 and no more than 40 million tokens, and no more than 40 epochs.
    """

    seq: int = 64
    """Tokens that a gradient flows back through (T): truncated backpropagation through time."""
    batch: int = 32
    """Streams, or examples, that are trained side by side (B)."""
    lr: float = 0.003
    """The highest learning rate; reached after the warm-up."""
    optimizer: OptimizerName = "adamw"
    """How gradients become updates."""
    schedule: ScheduleName = "cosine"
    """How the learning rate falls: along a cosine or a line to a hundredth, by half when validation stops
    improving, or not at all."""
    warmup: float = 0.02
    """Share of the budget in which the learning rate rises from zero."""
    clip: float = 1.0
    """Longest gradient (2-norm) that is let through; longer ones are scaled down to it. 0: no limit."""
    weight_decay: float = 0.01
    """L2: how strongly weight matrices are pulled towards zero."""
    l1: float = 0.0
    """L1: how strongly single weights are pushed to zero."""
    label_smoothing: float = 0.0
    """Share of the target's probability that is spread over all tokens (Szegedy et al. 2016)."""
    scheduled_sampling: float = 0.0
    """How many of the tokens that the network reads are, at the end of training, its own guesses instead of
    the text's; the share rises from zero (Bengio et al. 2015, in two passes: Mihaylova and Martins 2019)."""
    average: float = 0.0
    """Keep a running mean of the weights that forgets this little at a step (0.999, say), and judge and save
    that one. 0: the weights themselves."""
    best: BestName = "loss"
    """What decides which weights are kept, and when training stops early: the held-out loss or, for pairs,
    what greedy answers to held-out sources score."""
    max_length: int = 256
    """Pairs with more tokens than this on a side are left out of training."""
    epochs: float | None = None
    """Budget: how often the training text is read."""
    steps: int | None = None
    """Budget: how many updates are made."""
    minutes: float | None = None
    """Budget: how long training takes. The schedule then follows the clock, so that two runs are not the
    same to the bit."""
    patience: int = 8
    """Stop early after so many evaluations without a better one. 0: never."""
    evaluations: int = 20
    """How often, over the whole budget, the held-out text is tried."""
    seed: int | None = None
    """Seed of all that is random; chosen and recorded if not given."""
    device: str = "auto"
    """Where to train: auto, cpu, cuda, cuda:N or mps. auto takes the GPU with most free memory, if any."""
    precision: PrecisionName = "auto"
    """Number format of the matrix products. auto: bf16 where the hardware multiplies it fast."""

    def __post_init__(self) -> None:
        for name in ("seq", "batch", "evaluations", "max_length"):
            require(getattr(self, name) >= 1, f"{name}={getattr(self, name)}: at least 1 expected")
        for name in ("clip", "weight_decay", "l1", "patience"):
            require(getattr(self, name) >= 0, f"{name}={getattr(self, name)}: 0 or more expected")
        require(0 < self.lr < float("inf"), f"lr={self.lr}: a number above 0 expected")
        for name in ("label_smoothing", "scheduled_sampling", "average"):
            value = getattr(self, name)
            require(0 <= value < 1, f"{name}={value}: a number from 0 to below 1 expected")
        require(0 <= self.warmup < 1, f"warmup={self.warmup}: a number from 0 to below 1 expected")
        for name in ("epochs", "steps", "minutes"):
            value = getattr(self, name)
            require(value is None or 0 < value < float("inf"), f"{name}={value}: a number above 0 expected")
        given = [name for name in ("epochs", "steps", "minutes") if getattr(self, name) is not None]
        require(len(given) <= 1, f"{' and '.join(given)} are different budgets; give one")
        require(self.seed is None or 0 <= self.seed < 2**63, f"seed={self.seed}: from 0 to 2^63-1 expected")
