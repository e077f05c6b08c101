"""What each filter of a chain makes of the next token: what it removes, and what it raises and lowers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnngen.contracts import AnyFilter, Floats
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import next_logits
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import Prompt
from rnngen.numerics import Doubles, entropy, log_softmax

MODEL, NEVER = "model", "never trained"


@dataclass(frozen=True, eq=False)
class Stage:
    """The distribution after a filter."""

    name: str
    log_probs: Doubles
    """(V,)"""
    removed: tuple[int, ...]
    """Tokens that were possible before, the most probable first."""
    mass: float
    """The probability that they had before."""

    @property
    def left(self) -> int:
        """The number of tokens that are possible."""
        return int((self.log_probs > -np.inf).sum())

    @property
    def bits(self) -> float:
        """The entropy in bits."""
        return float(entropy(self.log_probs)[0]) / float(np.log(2))


def explain(generator: Generator, prompt: Prompt, filters: Sequence[tuple[str, AnyFilter]]) -> list[Stage]:
    """Return the distribution of the next token stage by stage: the model's, then after each filter.

    A stage of which nothing is left is the last.
    """
    given = next_logits(generator.model, generator.prefill(prompt))
    assert given.logits is not None
    logits: Floats = given.logits.copy()
    stages = [_stage(MODEL, logits, logits)]
    if generator.forbidden:
        trained = logits.copy()
        trained[:, list(generator.forbidden)] = -np.inf
        stages.append(_stage(NEVER, logits, trained))
        logits = trained
    chain = FilterChain([one for _, one in filters])
    state = chain.initial(np.zeros(1, np.int64), given.histories)
    for (name, _), (one, span) in zip(filters, chain.parts, strict=True):
        shaped = one(logits.copy(), given.histories, state[span])
        stages.append(_stage(name, logits, shaped))
        logits = shaped
        if not stages[-1].left:
            break
    return stages


def _stage(name: str, before: Floats, after: Floats) -> Stage:
    removed = np.flatnonzero((before[0] > -np.inf) & (after[0] == -np.inf))
    earlier = _log_probs(before)
    order = removed[np.argsort(-earlier[removed], kind="stable")]
    mass = float(np.exp(earlier[order]).sum())
    return Stage(name, _log_probs(after), tuple(order.tolist()), mass)


def _log_probs(logits: Floats) -> Doubles:
    if not (logits > -np.inf).any():
        return np.full(logits.shape[1], -np.inf)
    found: Doubles = log_softmax(logits)[0]
    return found
