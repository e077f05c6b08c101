"""The options of the built-in strategies."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from rnngen.options import NEEDS, Needs, require, require_range

MOST = 10_000
"""Texts that are written side by side, at most: each has a state and a row of logits."""
LARGEST = 1e6
"""The largest weight of a penalty."""
Penalty: TypeAlias = Literal["gnmt", "average", "power", "none"]
Diversity: TypeAlias = Literal["hamming", "cumulative"]


_PENALISED = Needs("stochastic=false", "a stochastic beam penalises no lengths", lambda o: not o.stochastic)
_NORMALISED = Needs("penalty", "the norm none penalises no lengths", lambda o: o.penalty != "none")
_POWER = Needs("penalty=power", "it is for that one", lambda o: o.penalty == "power")
_DIVERSE = Needs("diversity", "it is how that is measured", lambda o: o.diversity > 0)
_CUMULATIVE = Needs(
    "diversity_kind=cumulative", "it is the range of that", lambda o: o.diversity_kind == "cumulative"
)
_GROUPED = Needs("groups", "groups keep away from one another", lambda o: o.groups > 1)


def _needing(*needs: Needs) -> dict[str, tuple[Needs, ...]]:
    return {NEEDS: needs}


@dataclass(frozen=True)
class BeamOptions:
    """Ranking and stopping of a beam search."""

    width: int = 5
    """Hypotheses kept alive for each sentence (K); at most so many are given back."""
    penalty: Penalty = field(default="gnmt", metadata=_needing(_PENALISED))
    """Divisor of the log-probability of a text of |Y| tokens: ((5 + |Y|) / 6)^alpha (gnmt: Wu et al. 2016),
    |Y|^alpha (average: fairseq, transformers), ((offset + |Y|) / (offset + 1))^alpha (power: Sockeye), or
    nothing (none)."""
    alpha: float = field(default=0.6, metadata=_needing(_PENALISED, _NORMALISED))
    """Exponent of the length penalty: the greater, the more longer texts are favoured."""
    offset: float = field(default=0.0, metadata=_needing(_POWER))
    """Number that the penalty named power adds to lengths: 0 makes it average, 5 gnmt."""
    coverage: float = 0.0
    """Weight of the coverage penalty, which wants every source token attended to: beta of Wu et al. 2016."""
    least: int = 0
    """Tokens at least: before them a text does not end."""
    early: bool = False
    """Stop as soon as enough hypotheses are finished, though a better one may yet come."""
    groups: int = 1
    """Groups that search one after another, each keeping away from what those before it chose (diverse beam
    search: Vijayakumar et al. 2016)."""
    diversity: float = field(default=0.0, metadata=_needing(_GROUPED))
    """Penalty for likeness to the groups before, in nats."""
    diversity_kind: Diversity = field(default="hamming", metadata=_needing(_GROUPED, _DIVERSE))
    """Measure of likeness: the same token at the same place (hamming), or exp(-n / diversity_range) with n
    the places that differ (cumulative)."""
    diversity_range: float = field(default=1.0, metadata=_needing(_GROUPED, _CUMULATIVE))
    """After how many different tokens cumulative likeness has fallen to 1/e."""
    stochastic: bool = False
    """Draw that many different texts instead, each as probable as the network has it (stochastic beam search:
    Kool et al. 2019); lengths are not penalised."""

    def __post_init__(self) -> None:
        require_range("width", self.width, 1, MOST)
        require_range("least", self.least, 0)
        require_range("alpha", self.alpha)
        for name in ("offset", "coverage", "diversity"):
            require_range(name, getattr(self, name), 0, LARGEST)
        require_range("diversity_range", self.diversity_range, 0, LARGEST, above=True)
        for name, kind in {"penalty": Penalty, "diversity_kind": Diversity}.items():
            value, names = getattr(self, name), get_args(kind)
            require(value in names, f"{name}={value}: one of {names} expected")
        require(
            self.groups >= 1 and self.width % self.groups == 0,
            f"groups={self.groups}: a divisor of the width, {self.width}, expected",
        )
        others = self.groups > 1 or self.coverage > 0 or self.early
        require(
            not (self.stochastic and others),
            "a stochastic beam has no groups, no coverage penalty and no early finish; leave these out",
        )


@dataclass(frozen=True)
class ContrastiveOptions:
    """Weights of contrastive search."""

    top_k: int = 4
    """Number of candidates: the K most probable tokens."""
    alpha: float = 0.6
    """Penalty for likeness to the text so far, against probability: 0 is greedy, 1 looks at
    likeness alone (alpha of Su et al. 2022)."""
    window: int = 4096
    """With how many of the latest tokens candidates are compared."""

    def __post_init__(self) -> None:
        require_range("top_k", self.top_k, 1, MOST)
        require_range("alpha", self.alpha, 0, 1)
        require_range("window", self.window, 1)


@dataclass(frozen=True)
class DiverseBeamOptions(BeamOptions):
    """A beam search in as many groups as it is wide."""

    groups: int = 0
    """Groups that search one after another; 0 for as many as the beam is wide."""
    diversity: float = 0.5
    """Penalty for likeness to the groups before, in nats."""

    def __post_init__(self) -> None:
        require(self.groups != 1, "groups=1: a diverse beam has 2 or more")
        require(not self.stochastic, "stochastic=true: a diverse beam does not draw; leave it out")
        if self.groups == 0:
            object.__setattr__(self, "groups", self.width)
        super().__post_init__()


@dataclass(frozen=True)
class StochasticBeamOptions(BeamOptions):
    """A beam search that draws different texts."""

    stochastic: bool = True
    """Draw that many different texts, each as probable as the network has it (Kool et al. 2019)."""

    def __post_init__(self) -> None:
        require(self.stochastic, "stochastic=false: a stochastic beam is one; choose the strategy beam")
        super().__post_init__()


@dataclass(frozen=True)
class BestOfOptions:
    """Number of candidates, of which the likeliest is kept."""

    size: int = 16
    """Draw this many texts and keep the one of the highest log-probability per token, its end counted. The
    log-probability is the network's own, before any filter."""

    def __post_init__(self) -> None:
        require_range("size", self.size, 1, MOST)


@dataclass(frozen=True)
class MBROptions:
    """Number of candidates, of which the most typical is kept."""

    size: int = 16
    """Draw this many texts and keep the one that is most like all the others, by chrF: minimum Bayes risk
    (Eikema and Aziz 2020). Draws from the model as it is, --temp 1, show best what it believes."""

    def __post_init__(self) -> None:
        require_range("size", self.size, 1, MOST)


@dataclass(frozen=True)
class SpeculativeOptions:
    """Options of speculative decoding."""

    draft: str = "lookup"
    """Guess several tokens ahead, and let the model read all of them at once; the text stays the same. A
    smaller model of the same vocabulary guesses, or lookup: what followed when the text so far last ended as
    it ends now. It is seldom faster: lookup where a text repeats itself nearly word for word; a model hardly
    ever, since a recurrence has to be followed token by token all the same."""
    draft_length: int = 8
    """Tokens that are guessed at once, at most."""

    def __post_init__(self) -> None:
        require(bool(self.draft), "draft is empty; name a model, or lookup")
        require_range("draft_length", self.draft_length, 1, MOST)


GREEDY = BeamOptions(width=1, penalty="none")
"""The most probable token at each step; with a length penalty even a beam of one would look further."""
