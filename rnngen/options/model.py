"""Options of a network, of its training and of evaluation, one dataclass a stage."""

from dataclasses import dataclass, field
from typing import Literal

from rnngen.options import PENALTY, SEARCH, OneOf, Range, require, require_range

MOST_ORDER = 32
"""The largest order of an n-gram."""
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

    hidden: int = field(default=384, metadata={SEARCH: Range(64, 1024, step=32)})
    """Size of each recurrent layer (H). By default of pairs 128 to 384, more for longer texts."""
    layers: int = field(default=1, metadata={SEARCH: Range(1, 3)})
    """Number of stacked recurrent layers (L)."""
    embed: int | None = field(default=None, metadata={SEARCH: Range(16, 512, log=True)})
    """Size of a token's embedding (E). By default 64, or 256 for vocabularies above 1,024 tokens, but never
    more than the hidden size."""
    dropout: float | None = field(default=None, metadata={SEARCH: Range(0.0, 0.7)})
    """Dropout of each layer's outputs in training, with one mask for all steps of a window (variational: Gal
    and Ghahramani 2016). By default 0.04 for each pass over the text (of pairs 0.02), from 0.05 to 0.5,
    and less for networks narrower than 384."""
    tied: bool = False
    """Use the embedding as the output matrix as well (Press and Wolf 2017)."""
    learn_state: bool = False
    """Learn the initial state, starting from the cell's own."""
    head: HeadName = "full"
    """Output layer: one softmax over all tokens; an adaptive softmax, cheaper for vocabularies of many
    thousands (Grave et al. 2017); or a mixture of softmaxes (Yang et al. 2018)."""
    mixture: int | None = None
    """Number of softmaxes of the head mixture (K); 4 by default."""

    def __post_init__(self) -> None:
        for name in ("hidden", "embed", "mixture"):
            require_range(name, getattr(self, name), 1)
        require_range("layers", self.layers, 1, 1000)
        shared = self.tied and self.head == "adaptive"
        require(not shared, "head=adaptive has several matrices, and tied=True shares one; leave one out")
        require_range("dropout", self.dropout, 0, 1, below=True)

    @property
    def softmaxes(self) -> int:
        """K in force."""
        return self.mixture or 4

    def embedding(self, vocabulary: int) -> int:
        """Return the embedding size in force: a character needs few numbers, a word needs many."""
        return self.embed or (min(64, self.hidden) if vocabulary <= 1024 else min(256, self.hidden))


@dataclass(frozen=True)
class TrainingOptions:
    """Training of the network.

    The budget is one of ``steps``, ``epochs`` and ``minutes``; without any it is two epochs, but no fewer
    than 12 and no more than 40 million tokens, and no more than ``max_epochs``.
    """

    seq: int = field(default=64, metadata={SEARCH: Range(32, 192, step=32)})
    """Tokens of a window (T), for truncated backpropagation through time."""
    batch: int = field(default=32, metadata={SEARCH: Range(16, 128, step=16)})
    """Streams in a batch (B); of examples as many as fit into B × T tokens, padding included. By default 16
    of pairs; 64 of a long text with minutes, where the rate is not given either."""
    accumulate: int = 1
    """Compute each batch's gradient in N parts, one after another: the same gradient in less memory. Each of
    several processes does so with its share."""
    lr: float = field(default=0.003, metadata={SEARCH: Range(3e-4, 3e-2, log=True)})
    """Peak learning rate, reached after the warm-up. By default 0.012 of pairs, and less for hidden sizes
    above 128; 0.005 of a long text with minutes, where the batch is not given either."""
    optimizer: OptimizerName = field(default="adamw", metadata={SEARCH: OneOf(("adamw", "muon"))})
    """The optimizer. muon makes the updates of recurrent matrices orthogonal, each gate alone (Jordan et al.
    2024), and leaves all others to adamw; one learning rate suits both (arXiv 2502.16982). nt-asgd is sgd
    that, once validation has not improved for more than five evaluations, evaluates and saves the mean of all
    weights from there on (Merity et al. 2017, with the schedule constant)."""
    muon: MuonName = "recurrent"
    """Matrices that the optimizer muon updates: recurrent ones alone, or all of the layers; never embeddings
    and output layers."""
    schedule: ScheduleName = "cosine"
    """Decay of the learning rate: along a cosine or a line to a hundredth, by half when validation stops
    improving, or none."""
    warmup: float = 0.02
    """Share of the budget over which the learning rate rises from zero."""
    clip: float = 1.0
    """Clip the gradient's norm to this. 0: no clipping. By default 0.01 of pairs, which normalizes
    nearly all of them, unless the optimizer is sgd, nt-asgd or momentum."""
    weight_decay: float | None = field(default=None, metadata={SEARCH: Range(1e-2, 10.0, log=True)})
    """Weight decay (L2) of weight matrices. By default from 0.01 to 1.5, more for shorter texts; 0.01 for
    pairs, for optimizers other than adamw and muon, and for a model that begins as another."""
    l1: float = 0.0
    """L1 regularization of weight matrices."""
    label_smoothing: float = 0.0
    """Label smoothing: share of the target's probability that is spread over all tokens (Szegedy et al.
    2016); of pairs 0.1 by default."""
    embed_dropout: float = 0.0
    """Embedding dropout: share of the vocabulary that is dropped, the same tokens throughout a batch (Gal and
    Ghahramani 2016)."""
    weight_drop: float = 0.0
    """DropConnect: share of the recurrent matrices' weights that is dropped, the same ones at all steps of a
    batch (Merity et al. 2017)."""
    activation_reg: float = field(default=0.0, metadata={PENALTY: True})
    """Activation regularization (AR): pulls the last layer's outputs, after dropout, towards zero (Merity et
    al. 2017, who use 2)."""
    temporal_reg: float = field(default=0.0, metadata={PENALTY: True})
    """Temporal activation regularization (TAR): keeps the last layer's outputs from changing from step to
    step (Merity et al. 2017, who use 1)."""
    vary_seq: float = 0.0
    """Vary the window length T from batch to batch: normally distributed, with this share of T as standard
    deviation and, once in twenty, around half of T (Merity et al. 2017, who use 0.07, and also scale the
    learning rate by the length). Free text only."""
    gradient_noise: float = 0.0
    """Variance of the normal noise that is added to gradients at the first step; it decays as (1 +
    step)^-0.55 (Neelakantan et al. 2015, who use 0.01 to 1)."""
    scheduled_sampling: float = 0.0
    """Scheduled sampling: share of the input tokens that, at the end of training, are the network's own
    predictions; it rises from zero (Bengio et al. 2015, in two passes: Mihaylova and Martins 2019)."""
    ensemble: int | None = None
    """Train N networks one after another, with seeds that follow, and then one model that learns from their
    probabilities and is kept; all share the budget. Without a budget each has the default one."""
    teacher_weight: float = 0.5
    """Share of the loss that is the cross-entropy of the teachers' probabilities; the rest is the text's
    (Hinton et al. 2015)."""
    teacher_temp: float = 1.0
    """Temperature of the teachers and of the network in that share; above 1 also improbable tokens count."""
    average: float = 0.0
    """Decay of an exponential moving average of the weights, such as 0.999, which is evaluated and saved
    instead. 0: the weights themselves."""
    best: BestName = "loss"
    """Criterion for the weights that are kept and for early stopping: the validation loss or, for pairs, the
    score of greedy outputs for validation sources."""
    ngram: str = "auto"
    """The n-gram of the training text whose probabilities are multiplied with the network's, by weights found
    on the validation text: its order n, auto (about 8 characters, if it helps) or none."""
    max_length: int = 256
    """Leave out pairs with more tokens than this on a side."""
    epochs: float | None = None
    """Budget: number of passes over the training text."""
    steps: int | None = None
    """Budget: number of updates."""
    minutes: float | None = None
    """Budget: minutes of training. The schedule then follows the clock, so two runs are not identical."""
    max_epochs: float | None = None
    """Most passes over the training text, within a budget in minutes or without one; the learning rate's
    schedule ends there. By default 12, of lines, documents and pairs 20; of short
    texts, and of networks narrower than 384, up to 40."""
    patience: int = 8
    """Stop after N evaluations without improvement. 0: never."""
    evaluations: int = 20
    """Number of evaluations on the validation text over the whole budget."""
    seed: int | None = None
    """Seed of all random numbers; chosen and recorded by default."""
    device: str = "auto"
    """Device: auto, cpu, cuda, cuda:N or mps. auto takes the GPU with most free memory, if any."""
    precision: PrecisionName = "auto"
    """Number format of matrix products. auto: bf16 where the hardware is fast at it."""

    def __post_init__(self) -> None:
        for name in ("seq", "batch", "accumulate", "evaluations", "max_length"):
            require_range(name, getattr(self, name), 1)
        for name in ("clip", "patience"):
            require_range(name, getattr(self, name), 0)
        for name in ("weight_decay", "l1", "activation_reg", "temporal_reg", "gradient_noise"):
            require_range(name, getattr(self, name), 0, 1e6)
        for name in ("lr", "teacher_temp"):
            require_range(name, getattr(self, name), 0, above=True)
        require_range("teacher_weight", self.teacher_weight, 0, 1)
        require_range("ensemble", self.ensemble, 2)
        shares = ("label_smoothing", "embed_dropout", "weight_drop", "vary_seq")
        for name in ("scheduled_sampling", "average", *shares):
            require_range(name, getattr(self, name), 0, 1, below=True)
        both = self.optimizer == "nt-asgd" and self.average
        require(not both, f"average={self.average}: optimizer=nt-asgd has a mean of its own; leave one out")
        ordered = self.ngram.isdecimal() and 2 <= int(self.ngram) <= MOST_ORDER
        named = self.ngram in ("auto", "none") or ordered
        require(named, f"ngram={self.ngram}: auto, none or an order from 2 to {MOST_ORDER} expected")
        require_range("warmup", self.warmup, 0, 1, below=True)
        for name in (*BUDGETS, "max_epochs"):
            require_range(name, getattr(self, name), 0, above=True)
        given = [name for name in BUDGETS if getattr(self, name) is not None]
        require(len(given) <= 1, f"{' and '.join(given)} are different budgets; give one")
        require(self.seed is None or 0 <= self.seed < 2**63, f"seed={self.seed}: from 0 to 2^63-1 expected")


@dataclass(frozen=True)
class EvaluationOptions:
    """Evaluation modes that adapt to the text, besides those that leave the model as it is."""

    adapt: bool = False
    """Evaluate also with an n-gram that goes on counting what it reads; with dynamic, together with it."""
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
    """Tokens in the cache."""
    cache_weight: float = 0.15
    """Weight of the cache in the prediction."""
    cache_flatness: float = 0.3
    """Flatness of the cache: the factor of the product of two states before the softmax (θ)."""

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
        require_range("beam", self.beam, 0, 10_000)
        require_range("length_penalty", self.length_penalty, 0)
