"""Filters that judge a token by the whole distribution: its entropy, its spread, its absolute height."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.filters.options import (
    DynatempOptions,
    EpsilonOptions,
    EtaOptions,
    TopNSigmaOptions,
    TypicalOptions,
)
from rnngen.contracts import Filter, Floats

History = Sequence[Sequence[int]]
Doubles = NDArray[np.float64]
FORBIDDEN = np.float32(-np.inf)
_BOUND = 1e37
"""Far beyond any logit, and still a float32."""


def log_probabilities(logits: Floats) -> Doubles:
    """Logits (B,V) → ln p (B,V) in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    normalised: Doubles = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return normalised


def entropy(log_p: Doubles) -> Doubles:
    """Ln p (B,V) → H (B,1) in nats; what is impossible adds nothing."""
    possible = np.where(np.isneginf(log_p), 0, log_p)
    total: Doubles = -(np.exp(log_p) * possible).sum(axis=-1, keepdims=True)
    return total


def keep_where(kept: NDArray[Any], logits: Floats) -> Floats:
    """The logits of what is kept, and always of the most probable token."""
    return np.where(kept | (logits == logits.max(axis=-1, keepdims=True)), logits, FORBIDDEN)


def dynatemp(options: DynatempOptions) -> Filter:
    """Divide logits by low + (high − low)·(H/Hmax)^exponent (Zhang et al. 2024, arXiv 2403.14541).

    H is the entropy, and Hmax = ln n that of n equally probable tokens, n being how many are not forbidden:
    the form that llama.cpp gave it.
    """

    def scale(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        most = np.log(np.maximum(np.isfinite(logits).sum(axis=-1, keepdims=True), 2))
        ratio = np.clip(entropy(log_probabilities(logits)) / most, 0, 1)
        heat = options.low + (options.high - options.low) * ratio**options.exponent
        finite = np.clip(logits / np.maximum(heat, 1 / _BOUND), -_BOUND, _BOUND).astype(np.float32)
        return np.where(np.isneginf(logits), FORBIDDEN, finite)

    return scale


def typical(options: TypicalOptions) -> Filter:
    """Keep the smallest set of tokens of probability p or more whose surprise is nearest to the entropy.

    Sorted by |−ln p − H|, of equals the lower id first (Meister et al. 2022, arXiv 2202.00666).
    """

    def keep(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        log_p = log_probabilities(logits)
        order = np.argsort(np.abs(log_p + entropy(log_p)), axis=-1, kind="stable")
        p = np.exp(np.take_along_axis(log_p, order, axis=-1))
        kept = np.empty(logits.shape, bool)
        np.put_along_axis(kept, order, p.cumsum(axis=-1) - p < options.p * p.sum(-1, keepdims=True), axis=-1)
        return np.where(kept, logits, FORBIDDEN)

    return keep


def epsilon(options: EpsilonOptions) -> Filter:
    """Keep tokens with p ≥ ε, and the most probable one (Hewitt et al. 2022, arXiv 2210.15191)."""

    def keep(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        return keep_where(np.exp(log_probabilities(logits)) >= options.epsilon, logits)

    return keep


def eta(options: EtaOptions) -> Filter:
    """Keep tokens with p ≥ min(ε, √ε·e^−H), and the most probable one (Hewitt et al. 2022, 2210.15191)."""

    def keep(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        log_p = log_probabilities(logits)
        least = np.minimum(options.epsilon, options.epsilon**0.5 * np.exp(-entropy(log_p)))
        return keep_where(np.exp(log_p) >= least, logits)

    return keep


def top_nsigma(options: TopNSigmaOptions) -> Filter:
    """Keep tokens with logit ≥ max − n·σ, σ the standard deviation of the logits (arXiv 2411.07641).

    Tokens already forbidden do not count in σ; a temperature before it changes nothing.
    """

    def keep(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        possible = np.isfinite(logits)
        sigma = np.std(logits, axis=-1, keepdims=True, dtype=np.float64, where=possible)
        distance = logits.max(axis=-1, keepdims=True).astype(np.float64) - np.where(possible, logits, 0)
        return keep_where(possible & (distance <= options.n * sigma), logits)

    return keep
