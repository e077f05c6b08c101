"""Beam search: the most probable texts, found by keeping K hypotheses alive side by side.

::

    K states ─▸ logits (K,V) ─▸ K·V candidates ─▸ the best 2K ─▸ finished ones aside, K go on
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import AnyFilter, Floats, NetworkStep, State
from rnngen.decode.chain import Chain
from rnngen.decode.sampling import feed

Doubles: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Hypothesis:
    """A text and how good it is."""

    tokens: tuple[int, ...]
    """Without the prompt and without the end token."""
    log_probability: float
    """In nats, the end token's included."""
    score: float
    """The log-probability divided by the length penalty."""


def length_penalty(length: int, alpha: float) -> float:
    """((5 + length) / 6) ** alpha (Wu et al. 2016, arXiv 1609.08144)."""
    return float(((5 + length) / 6) ** alpha)


def beam_search(
    step: NetworkStep,
    state: State,
    prompt: Sequence[int],
    *,
    width: int,
    length: int,
    end: int | None = None,
    alpha: float = 0.6,
    filters: Sequence[AnyFilter] = (),
    forbidden: Sequence[int] = (),
    seed: int = 0,
) -> list[Hypothesis]:
    """The best hypotheses, best first.

    Args:
        step: the network.
        state: of one stream, before the prompt.
        prompt: tokens to go on from, at least one.
        width: K, how many hypotheses live.
        length: tokens at most; a hypothesis that reaches it counts as finished.
        end: the token that finishes a hypothesis; None where text does not end by itself.
        alpha: of the length penalty; 0 compares plain log-probabilities.
        filters: shape the distribution before scoring, as in sampling.
        forbidden: tokens that never come.
        seed: of the filters that toss coins.

    An end token counts only among the K best candidates, as in fairseq and transformers: so a beam of one is
    greedy.

    The search stops when no living hypothesis can still beat the K best finished ones: a log-probability only
    falls, and the penalty is largest at full length.
    """
    logits, state = feed(step, state, prompt)
    chain = Chain(filters)
    memory = chain.initial(np.array([seed]))
    alive: list[tuple[int, ...]] = [()]
    totals = np.zeros(1)
    finished: list[Hypothesis] = []
    for made in range(1, length + 1):
        logits[:, list(forbidden)] = -np.inf
        history = [[*prompt, *tokens] for tokens in alive] if filters else []
        chances = log_softmax(chain(logits, history, memory))
        rows, tokens, totals = _best(totals[:, None] + chances, 2 * width)
        ends = tokens == end if end is not None else np.zeros(len(tokens), bool)
        done = np.flatnonzero(ends[:width])
        finished += [
            _hypothesis(alive[row], total, made, alpha)
            for row, total in zip(rows[done], totals[done], strict=True)
        ]
        finished = sorted(finished, key=lambda h: -h.score)[:width]
        rows, tokens, totals = (array[~ends][:width] for array in (rows, tokens, totals))
        alive = [(*alive[row], int(token)) for row, token in zip(rows, tokens, strict=True)]
        if not alive or _settled(finished, totals, width, length, alpha):
            return finished
        if made < length:
            memory = chain.observe(tokens, -chances[rows, tokens], tuple(array[rows] for array in memory))
            logits, state = step(tokens, tuple(array[rows] for array in state))
    finished += [_hypothesis(t, total, len(t), alpha) for t, total in zip(alive, totals, strict=True)]
    return sorted(finished, key=lambda h: -h.score)[:width]


def log_softmax(logits: Floats) -> Doubles:
    """Logits (B,V) → log-probabilities (B,V) in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normalised: Doubles = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def _best(scores: Doubles, count: int) -> tuple[Any, Any, Any]:
    """The ``count`` highest of (K,V) scores, best first, ties by place → rows, tokens, scores; never -inf."""
    flat = scores.ravel()
    last = len(flat) - min(count, len(flat))
    least = max(np.partition(flat, last)[last], np.finfo(np.float64).min)
    candidates = np.flatnonzero(flat >= least)
    order = candidates[np.argsort(-flat[candidates], kind="stable")][:count]
    rows, tokens = np.divmod(order, scores.shape[1])
    return rows, tokens, flat[order]


def _hypothesis(tokens: tuple[int, ...], total: float, length: int, alpha: float) -> Hypothesis:
    return Hypothesis(tokens, float(total), float(total) / length_penalty(length, alpha))


def _settled(finished: list[Hypothesis], totals: Any, width: int, length: int, alpha: float) -> bool:
    """Whether even a hypothesis that lost no more probability up to full length would come too late."""
    return len(finished) == width and totals.max() / length_penalty(length, alpha) <= finished[-1].score
