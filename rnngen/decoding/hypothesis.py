"""A text that a strategy found, and how good it is."""

from dataclasses import dataclass, field

from rnngen.contracts import Floats


@dataclass(frozen=True)
class Hypothesis:
    """A text and how good it is."""

    tokens: tuple[int, ...]
    """Without the prompt and without the end token."""
    log_probability: float
    """In nats, the end token's included."""
    score: float
    """What hypotheses are ranked by: the log-probability divided by the length penalty, plus the coverage
    penalty; in a stochastic beam the perturbed log-probability."""
    attention: "Floats | None" = field(default=None, compare=False)
    """(T,S) the weights with which each token, the end's included, was written, if asked for."""
