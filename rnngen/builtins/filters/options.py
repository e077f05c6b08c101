r"""The options of the filters, each checked before a model is read.

Where an option holds several texts, ``|`` separates them, and a backslash takes a character's meaning away:
``\|  \:  \,  \;`` are those characters, ``\n  \t  \\`` a line end, a tab and a backslash.
"""

from dataclasses import dataclass
from math import inf

from rnngen.options import divide, require, require_range, unescape

# ── Temperature and truncation ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class TemperatureOptions:
    """Options of the filter ``temp``."""

    temperature: float = 1.0
    """Logits are divided by it: below 1 is safer, above 1 is wilder, 0 is greedy."""

    def __post_init__(self) -> None:
        require_range("temperature", self.temperature, 0)


@dataclass(frozen=True)
class DynatempOptions:
    """Options of the filter ``dynatemp``."""

    low: float = 0.5
    """The temperature at an entropy of 0."""
    high: float = 1.5
    """The temperature where all tokens are equally probable."""
    exponent: float = 1.0
    """The exponent of the relative entropy in between; above 1 keeps the temperature low for longer."""

    def __post_init__(self) -> None:
        require_range("low", self.low, 0)
        require_range("high", self.high, self.low)
        require_range("exponent", self.exponent, 0, above=True)


@dataclass(frozen=True)
class TopKOptions:
    """Options of the filter ``top_k``."""

    k: int = 40
    """Keep the k most probable tokens."""

    def __post_init__(self) -> None:
        require_range("k", self.k, 1)


@dataclass(frozen=True)
class TopPOptions:
    """Options of the filter ``top_p``."""

    p: float = 0.95
    """Keep the smallest set of tokens whose probabilities sum to p or more."""

    def __post_init__(self) -> None:
        require_range("p", self.p, 0, 1, above=True)


@dataclass(frozen=True)
class MinPOptions:
    """Options of the filter ``min_p``."""

    p: float = 0.05
    """Keep tokens at least p times as probable as the most probable one."""

    def __post_init__(self) -> None:
        require_range("p", self.p, 0, 1)


@dataclass(frozen=True)
class TypicalOptions(TopPOptions):
    """Options of the filter ``typical``."""

    p: float = 0.95
    """Keep the tokens of the most typical surprisal, until their probabilities sum to p or more."""


@dataclass(frozen=True)
class EpsilonOptions:
    """Options of the filter ``epsilon``."""

    epsilon: float = 3e-4
    """Drop tokens less probable than this."""

    def __post_init__(self) -> None:
        require_range("epsilon", self.epsilon, 0, 1)


@dataclass(frozen=True)
class EtaOptions(EpsilonOptions):
    """Options of the filter ``eta``."""

    epsilon: float = 3e-4
    """Drop tokens less probable than this, or than its root times e^-entropy, whichever is less."""


@dataclass(frozen=True)
class TopNSigmaOptions:
    """Options of the filter ``top_nsigma``."""

    n: float = 1.0
    """Keep tokens whose logit is at most n standard deviations below the best."""

    def __post_init__(self) -> None:
        require_range("n", self.n, 0)


# ── Adaptive filters ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class XTCOptions:
    """Options of the filter ``xtc``."""

    probability: float = 0.5
    """The probability that the top choices are excluded."""
    threshold: float = 0.1
    """The probability from which a token is a top choice."""

    def __post_init__(self) -> None:
        require_range("probability", self.probability, 0, 1)
        require_range("threshold", self.threshold, 0, 1, above=True)


@dataclass(frozen=True)
class MirostatOptions:
    """Options of the filter ``mirostat``."""

    version: int = 2
    """1 keeps the k best tokens, k from an estimate of Zipf's exponent; 2 truncates by surprisal."""
    tau: float = 5.0
    """The target surprisal, in bits a token."""
    eta: float = 0.1
    """The rate at which the bound follows the surprisal observed."""

    def __post_init__(self) -> None:
        require(self.version in (1, 2), f"version={self.version}: 1 or 2 expected")
        require_range("tau", self.tau, 0, above=True)
        require_range("eta", self.eta, 0, 100)


# ── Penalties ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class RepetitionOptions:
    """Options of the filter ``repetition``."""

    penalty: float = 1.1
    """Above 1 makes tokens that have occurred less probable; 1 does nothing."""
    window: int = 64
    """The number of latest tokens that count; 0 is all of them."""

    def __post_init__(self) -> None:
        require_range("penalty", self.penalty, 0, above=True)
        require_range("window", self.window, 0)


@dataclass(frozen=True)
class CountOptions:
    """Options of the filters ``frequency`` and ``presence``."""

    penalty: float = 0.5
    """Subtracted from the logits of tokens that have occurred; below 0 favours them."""
    window: int = 64
    """The number of latest tokens that count; 0 is all of them."""

    def __post_init__(self) -> None:
        require_range("penalty", self.penalty, -1e6, 1e6)
        require_range("window", self.window, 0)


@dataclass(frozen=True)
class DryOptions:
    """Options of the filter ``dry``."""

    multiplier: float = 0.8
    """The penalty of a token that would continue a repetition; 0 does nothing."""
    base: float = 1.75
    """The factor of the penalty for each further token of the repetition."""
    allowed: int = 2
    """The shortest repetition, in tokens, whose continuation is penalised."""
    window: int = 1024
    """The number of latest tokens that are searched; 0 is all of them."""
    breakers: str = '\\n:"*'
    """Characters that no repetition reaches across, one after another; a backslash before , and ; there."""

    def __post_init__(self) -> None:
        require_range("multiplier", self.multiplier, 0, 1e6)
        require_range("base", self.base, 1, 1e6)
        require_range("allowed", self.allowed, 1)
        require_range("window", self.window, 0)


@dataclass(frozen=True)
class NoRepeatOptions:
    """Options of the filter ``no_repeat_ngram``."""

    n: int = 3
    """No n tokens in a row come twice."""
    window: int = 0
    """Among how many of the latest tokens; 0 is all of them, which costs more as the text grows."""

    def __post_init__(self) -> None:
        require_range("n", self.n, 1)
        require_range("window", self.window, 0)


@dataclass(frozen=True)
class EscapeLoopsOptions:
    """Options of the filter ``escape_loops``."""

    repeats: int = 3
    """Number of times that a segment stands in a row before it is a loop."""
    longest: int = 200
    """Tokens of a segment at most."""
    span: int = 20
    """Tokens that a loop covers at least; less is a row of dashes, or laughter."""

    def __post_init__(self) -> None:
        require_range("repeats", self.repeats, 2)
        require_range("longest", self.longest, 1)
        require_range("span", self.span, 2)


# ── Lexical filters ──────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class BiasOptions:
    """Options of the filter ``logit_bias``."""

    biases: str = ""
    """TEXT:BIAS, several with | between: BIAS is added to the logit of the token of that text."""

    def __post_init__(self) -> None:
        self.pairs()

    def pairs(self) -> list[tuple[str, float]]:
        """Return the texts and the numbers added to their tokens' logits; ``-inf`` forbids."""
        return [self._pair(part) for part in divide(self.biases, "|")]

    def _pair(self, part: str) -> tuple[str, float]:
        text, _, number = part.rpartition(":")
        try:
            bias = float(number)
        except ValueError:
            bias = inf
        if not text or not (bias == -inf or abs(bias) <= 1e6):
            raise ValueError(f"biases={part}: TEXT:BIAS expected, BIAS from -1e6 to 1e6 or -inf")
        return unescape(text), bias


@dataclass(frozen=True)
class TextsOptions:
    """Options of a filter that takes texts."""

    texts: str = ""
    """Several with | between."""

    def strings(self) -> list[str]:
        """Return the texts."""
        return [unescape(part) for part in divide(self.texts, "|")]


@dataclass(frozen=True)
class BanOptions(TextsOptions):
    """Options of the filter ``ban``."""

    texts: str = ""
    """Texts that never occur in the output, several with | between."""


@dataclass(frozen=True)
class ForceOptions(TextsOptions):
    """Options of the filter ``force``."""

    texts: str = ""
    """Texts whose tokens alone occur in the output, in any order, several with | between. Tokens are
    characters to a model of characters, words and spaces to a model of words."""


@dataclass(frozen=True)
class MinLengthOptions:
    """Options of the filter ``min_length``."""

    length: int = 1
    """The number of tokens before a text may end by itself."""

    def __post_init__(self) -> None:
        require_range("length", self.length, 0)
