r"""The options of the filters with state, text or statistics, each checked before a model is read.

Where an option holds several texts, ``|`` separates them, and a backslash takes a sign's meaning away:
``\|  \:  \,  \;`` are those signs, ``\n  \t  \\`` a line end, a tab and a backslash.
"""

from dataclasses import dataclass
from math import inf

from rnngen.options import divide, unescape


def _check(name: str, value: float, *, least: float, most: float = inf, above: bool = False) -> None:
    """Raise ``ValueError`` if a number is not finite and from ``least`` (or above it) to ``most``."""
    if (least < value if above else least <= value) and value <= most and value != inf:
        return
    start = "above" if above else "from" if most < inf else "of at least"
    end = f" {'and up to' if above else 'to'} {most:g}" if most < inf else ""
    raise ValueError(f"{name}={value}: a number {start} {least:g}{end} expected")


@dataclass(frozen=True)
class DynatempOptions:
    """Options of the filter ``dynatemp``."""

    low: float = 0.5
    """The temperature where the model is sure."""
    high: float = 1.5
    """The temperature where the model knows nothing."""
    exponent: float = 1.0
    """Of the relative entropy in between; above 1 keeps the temperature low for longer."""

    def __post_init__(self) -> None:
        _check("low", self.low, least=0)
        _check("high", self.high, least=self.low)
        _check("exponent", self.exponent, least=0, above=True)


@dataclass(frozen=True)
class TypicalOptions:
    """Options of the filter ``typical``."""

    p: float = 0.95
    """Keep the tokens of the most typical surprise, until their probabilities sum to p or more."""

    def __post_init__(self) -> None:
        _check("p", self.p, least=0, most=1, above=True)


@dataclass(frozen=True)
class EpsilonOptions:
    """Options of the filter ``epsilon``."""

    epsilon: float = 3e-4
    """Drop tokens less probable than this."""

    def __post_init__(self) -> None:
        _check("epsilon", self.epsilon, least=0, most=1)


@dataclass(frozen=True)
class EtaOptions:
    """Options of the filter ``eta``."""

    epsilon: float = 3e-4
    """Drop tokens less probable than this, or than its root times e^-entropy, whichever is less."""

    def __post_init__(self) -> None:
        _check("epsilon", self.epsilon, least=0, most=1)


@dataclass(frozen=True)
class TopNSigmaOptions:
    """Options of the filter ``top_nsigma``."""

    n: float = 1.0
    """Keep tokens whose logit is at most n standard deviations below the best."""

    def __post_init__(self) -> None:
        _check("n", self.n, least=0)


@dataclass(frozen=True)
class XTCOptions:
    """Options of the filter ``xtc``."""

    probability: float = 0.5
    """How often the top choices are excluded."""
    threshold: float = 0.1
    """From which probability on a token is a top choice."""

    def __post_init__(self) -> None:
        _check("probability", self.probability, least=0, most=1)
        _check("threshold", self.threshold, least=0, most=1, above=True)


@dataclass(frozen=True)
class CountOptions:
    """Options of the filters ``frequency`` and ``presence``."""

    penalty: float = 0.5
    """What is subtracted from the logits of tokens that have occurred; below 0 favours them."""
    window: int = 64
    """How many of the latest tokens count; 0 is all of them."""

    def __post_init__(self) -> None:
        _check("penalty", self.penalty, least=-1e6, most=1e6)
        _check("window", self.window, least=0)


@dataclass(frozen=True)
class DryOptions:
    """Options of the filter ``dry``."""

    multiplier: float = 0.8
    """How strongly a token is punished that would go on with a repetition; 0 does nothing."""
    base: float = 1.75
    """How much stronger for each token that the repetition is longer."""
    allowed: int = 2
    """The shortest repetition, in tokens, that is punished for going on."""
    window: int = 1024
    """How many of the latest tokens are searched; 0 is all of them."""
    breakers: str = '\\n:"*'
    """Characters that no repetition reaches across, one after another; a backslash before , and ; there."""

    def __post_init__(self) -> None:
        _check("multiplier", self.multiplier, least=0, most=1e6)
        _check("base", self.base, least=1, most=1e6)
        _check("allowed", self.allowed, least=1)
        _check("window", self.window, least=0)


@dataclass(frozen=True)
class NoRepeatOptions:
    """Options of the filter ``no_repeat_ngram``."""

    n: int = 3
    """No n tokens in a row come twice."""
    window: int = 0
    """Among how many of the latest tokens; 0 is all of them, which costs more as the text grows."""

    def __post_init__(self) -> None:
        _check("n", self.n, least=1)
        _check("window", self.window, least=0)


@dataclass(frozen=True)
class BiasOptions:
    """Options of the filter ``logit_bias``."""

    biases: str = ""
    """TEXT:BIAS, several with | between: what is added to the logit of the token of that text."""

    def __post_init__(self) -> None:
        self.pairs()

    def pairs(self) -> list[tuple[str, float]]:
        """The texts and what is added to their tokens' logits; ``-inf`` forbids."""
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
    """Options of a filter that is given texts."""

    texts: str = ""
    """Several with | between."""

    def strings(self) -> list[str]:
        """The texts."""
        return [unescape(part) for part in divide(self.texts, "|")]


@dataclass(frozen=True)
class BanOptions(TextsOptions):
    """Options of the filter ``ban``."""

    texts: str = ""
    """What is never written, several with | between."""


@dataclass(frozen=True)
class ForceOptions(TextsOptions):
    """Options of the filter ``force``."""

    texts: str = ""
    """What alone is written, several with | between: nothing but the tokens of these texts, in any order. To
    a model of characters those are the characters, to a model of words the words and the spaces."""


@dataclass(frozen=True)
class MinLengthOptions:
    """Options of the filter ``min_length``."""

    length: int = 1
    """How many tokens are made before a text may end by itself."""

    def __post_init__(self) -> None:
        _check("length", self.length, least=0)


@dataclass(frozen=True)
class MirostatOptions:
    """Options of the filter ``mirostat``."""

    version: int = 2
    """1 keeps the k best tokens, k from an estimate of Zipf's exponent; 2 cuts by surprise itself."""
    tau: float = 5.0
    """The surprise that texts are to have, in bits a token."""
    eta: float = 0.1
    """How fast the bound follows what was observed."""

    def __post_init__(self) -> None:
        if self.version not in (1, 2):
            raise ValueError(f"version={self.version}: 1 or 2 expected")
        _check("tau", self.tau, least=0, above=True)
        _check("eta", self.eta, least=0, most=100)
