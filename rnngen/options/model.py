"""What can be chosen about a network and its training, one dataclass a stage."""

from dataclasses import dataclass, field, replace
from typing import Literal

from rnngen.options import SEARCH, OneOf, Range, require, require_range

OptimizerName = Literal["sgd", "nt-asgd", "momentum", "rmsprop", "adam", "adamw", "muon"]
MuonName = Literal["recurrent", "layers"]
HeadName = Literal["full", "adaptive", "mixture"]
RuleName = Literal["sgd", "rms"]
ScheduleName = Literal["cosine", "linear", "plateau", "constant"]
PrecisionName = Literal["auto", "fp32", "bf16"]
BestName = Literal["loss", "bleu", "chrf", "accuracy"]


BUDGETS = ("epochs", "steps", "minutes")
"""The options that limit a training; one of them at a time."""


@dataclass(frozen=True)
class NetworkOptions:
    """The shape of the network, whatever the cell."""

    hidden: int = field(default=384, metadata={SEARCH: Range(64, 768, step=32)})
    """Size of each recurrent layer (H)."""
    layers: int = field(default=1, metadata={SEARCH: Range(1, 3)})
    """How many recurrent layers are stacked (L)."""
    embed: int | None = field(default=None, metadata={SEARCH: Range(16, 512, log=True)})
    """Size of a token's embedding (E); the smaller of 64 and the hidden size if not given, the hidden size
    for large vocabularies."""
    dropout: float | None = field(default=None, metadata={SEARCH: Range(0.0, 0.7)})
    """Share of each layer's outputs that is dropped in training, the same ones at all steps of a window
    (variational: Gal and Ghahramani 2016). If not given, the more the shorter the text: 0.5 below 300,000
    tokens, 0.2 below 3 million, else 0.1."""
    tied: bool = False
    """Use the embedding as the output matrix too (Press and Wolf 2017)."""
    learn_state: bool = False
    """Learn the state before the first token; it starts from the cell's own."""
    head: HeadName = "full"
    """The output layer: one softmax over all tokens; an adaptive one that spends little on rare tokens, for
    vocabularies of many thousands (Grave et al. 2017); or a mixture of several (Yang et al. 2018)."""
    mixture: int | None = None
    """How many softmaxes the head mixture mixes (K); 4 if not given."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers", "embed", "mixture"):
            require_range(name, getattr(self, name), 1)
        mixes = self.mixture is None or self.head == "mixture"
        require(mixes, f"mixture={self.mixture} is for head=mixture; leave it out")
        shared = self.tied and self.head == "adaptive"
        require(not shared, "head=adaptive has several matrices, and tied=True shares one; leave one out")
        require_range("dropout", self.dropout, 0, 1, below=True)

    def with_data_defaults(self, tokens: int) -> "NetworkOptions":
        """The options with what depends on the length of the training text filled in.

        Measured with the default sizes: dropout 0.6 against 0.2 gave 1.583 against 1.632 nats on 86,000
        characters of prose, 0.5 against 0.2 gave 2.145 against 2.157 on 230,000 of names; at a million
        characters 0.2 is enough.
        """
        if self.dropout is not None:
            return self
        return replace(self, dropout=0.5 if tokens < 300_000 else 0.2 if tokens < 3_000_000 else 0.1)

    @property
    def softmaxes(self) -> int:
        """K in force."""
        return self.mixture or 4

    def embedding(self, vocabulary: int) -> int:
        """The embedding size in force: a character says little and needs few numbers, a word needs many."""
        return self.embed or (min(64, self.hidden) if vocabulary <= 1024 else min(256, self.hidden))


@dataclass(frozen=True)
class TrainingOptions:
    """How the network is trained.

    The budget is one of ``steps``, ``epochs`` and ``minutes``; without any it is two epochs, but no fewer
    than 12 and no more than 40 million tokens, and no more than 40 epochs.
    """

    seq: int = field(default=64, metadata={SEARCH: Range(32, 192, step=32)})
    """Tokens that a gradient flows back through (T): truncated backpropagation through time."""
    batch: int = field(default=32, metadata={SEARCH: Range(16, 128, step=16)})
    """Streams, or examples, that are trained side by side (B)."""
    accumulate: int = 1
    """Read each batch in so many parts, one after another, and update once: the same gradient in less
    memory. Several processes do so with their shares."""
    lr: float = field(default=0.003, metadata={SEARCH: Range(3e-4, 3e-2, log=True)})
    """The highest learning rate; reached after the warm-up."""
    optimizer: OptimizerName = field(default="adamw", metadata={SEARCH: OneOf(("adamw", "muon"))})
    """How gradients become updates. muon makes those of recurrent matrices orthogonal, each gate alone
    (Jordan et al. 2024), and leaves all others to adamw; one learning rate suits both (arXiv 2502.16982).
    nt-asgd is sgd that, once validation has not improved for more than five evaluations, judges and saves
    the mean of all weights from there on (Merity et al. 2017, with the schedule constant)."""
    muon: MuonName = "recurrent"
    """What the optimizer muon takes: recurrent matrices alone, or all matrices of the layers; never
    embeddings and output layers."""
    schedule: ScheduleName = "cosine"
    """How the learning rate falls: along a cosine or a line to a hundredth, by half when validation stops
    improving, or not at all."""
    warmup: float = 0.02
    """Share of the budget in which the learning rate rises from zero."""
    clip: float = 1.0
    """Longest gradient (2-norm) that is let through; longer ones are scaled down to it. 0: no limit."""
    weight_decay: float = field(default=0.01, metadata={SEARCH: Range(1e-3, 0.3, log=True)})
    """L2: how strongly weight matrices are pulled towards zero."""
    l1: float = 0.0
    """L1: how strongly single weights are pushed to zero."""
    label_smoothing: float = 0.0
    """Share of the target's probability that is spread over all tokens (Szegedy et al. 2016)."""
    embed_dropout: float = 0.0
    """Share of the vocabulary whose embeddings are dropped in training, the same tokens throughout a batch
    (Gal and Ghahramani 2016)."""
    weight_drop: float = 0.0
    """Share of the recurrent matrices' weights that is dropped in training, the same ones at all steps of a
    batch: DropConnect on what the past goes through (Merity et al. 2017)."""
    activation_reg: float = 0.0
    """AR: how strongly the last layer's outputs, after dropout, are pulled towards zero (Merity et al. 2017,
    who take 2)."""
    temporal_reg: float = 0.0
    """TAR: how strongly the last layer's outputs are kept from changing from one step to the next (Merity et
    al. 2017, who take 1)."""
    vary_seq: float = 0.0
    """Vary T from batch to batch, so that windows do not always end at the same places: normally, with this
    share of T for the standard deviation and, once in twenty, around half of T (Merity et al. 2017, who take
    0.07, and scale the learning rate by the length, which is not done here). Free text alone."""
    gradient_noise: float = 0.0
    """Variance of the normal noise that is added to gradients at the first step; it falls as
    (1 + step)^-0.55 (Neelakantan et al. 2015, who take 0.01 to 1)."""
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
        for name in ("seq", "batch", "accumulate", "evaluations", "max_length"):
            require_range(name, getattr(self, name), 1)
        pulls = ("l1", "activation_reg", "temporal_reg", "gradient_noise")
        for name in ("clip", "weight_decay", "patience", *pulls):
            require_range(name, getattr(self, name), 0)
        require_range("lr", self.lr, 0, above=True)
        shares = ("label_smoothing", "embed_dropout", "weight_drop", "vary_seq")
        for name in ("scheduled_sampling", "average", *shares):
            require_range(name, getattr(self, name), 0, 1, below=True)
        both = self.optimizer == "nt-asgd" and self.average
        require(not both, f"average={self.average}: optimizer=nt-asgd has a mean of its own; leave one out")
        require_range("warmup", self.warmup, 0, 1, below=True)
        for name in BUDGETS:
            require_range(name, getattr(self, name), 0, above=True)
        given = [name for name in BUDGETS if getattr(self, name) is not None]
        require(len(given) <= 1, f"{' and '.join(given)} are different budgets; give one")
        require(self.seed is None or 0 <= self.seed < 2**63, f"seed={self.seed}: from 0 to 2^63-1 expected")


@dataclass(frozen=True)
class EvaluationOptions:
    """Evaluation modes that adapt to the text, besides those that leave the model as it is."""

    dynamic: bool = False
    """Evaluate also with weights that adapt to the text while reading it (dynamic evaluation: Krause et al.
    2017)."""
    dynamic_rule: RuleName = "rms"
    """Update rule of the weights: along the gradient, or along the gradient over its root mean square so
    far."""
    dynamic_lr: float | None = None
    """Learning rate of the update; 0.0006 by rms and 0.1 by sgd if not given."""
    dynamic_decay: float = 0.001
    """Share of the way back to the trained weights that an update goes."""
    dynamic_segment: int = 32
    """Tokens between two updates; they are scored before the weights see them."""
    cache: bool = False
    """Evaluate also with a cache of what followed when the network was in a similar state (neural cache:
    Grave et al. 2016)."""
    cache_size: int = 2000
    """Tokens that the cache remembers."""
    cache_weight: float = 0.15
    """Share of the prediction that is the cache's."""
    cache_flatness: float = 0.3
    """How much likeness counts: the factor of the product of two states before the softmax (θ)."""

    def __post_init__(self) -> None:
        for name in ("dynamic_segment", "cache_size"):
            require_range(name, getattr(self, name), 1)
        require_range("dynamic_lr", self.dynamic_lr, 0, above=True)
        require_range("cache_flatness", self.cache_flatness, 0)
        for name in ("dynamic_decay", "cache_weight"):
            require_range(name, getattr(self, name), 0, 1, below=True)

    @property
    def rate(self) -> float:
        """The learning rate in force.

        Measured with a character LSTM of 384 on 25,000 and 40,000 characters of two plays: rms from 0.0001 to
        0.001 gains 0.03 to 0.24 nats, most at 0.0006 to 0.001; sgd from 0.03 to 0.3 most at 0.1.
        """
        return self.dynamic_lr or (0.0006 if self.dynamic_rule == "rms" else 0.1)


@dataclass(frozen=True)
class OutputOptions:
    """The search for a seq2seq model's outputs, which evaluation compares with targets."""

    beam: int = 0
    """Beam search with this many beams. 0: greedy."""
    length_penalty: float = 0.6
    """Exponent of beam search's length penalty: the greater, the more longer outputs are favoured (alpha of
    Wu et al. 2016)."""

    def __post_init__(self) -> None:
        require(self.beam >= 0, f"beam={self.beam}: 0 or more expected")
        penalty = self.length_penalty
        require(0 <= penalty < float("inf"), f"length_penalty={penalty}: 0 or more expected")
