"""Temperature and truncation: functions of the distribution alone, logits (B,V) → logits (B,V)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.filters.options import (
    DynatempOptions,
    EpsilonOptions,
    EtaOptions,
    MinPOptions,
    TemperatureOptions,
    TopKOptions,
    TopNSigmaOptions,
    TopPOptions,
    TypicalOptions,
)
from rnngen.contracts import Filter, Floats
from rnngen.numerics import FORBIDDEN, entropy, log_softmax, softmax

_HUGE = 1e30
"""Larger than any useful factor; it and its inverse stay far from where float32 ends, even times a logit."""
_BOUND = 1e37
"""Far beyond any logit, and still a float32."""


@dataclass(frozen=True)
class OfLogits:
    """A filter that does not look at the tokens so far."""

    change: Callable[[Floats], Floats]
    lookback = 0

    def __call__(self, logits: Floats, history: Sequence[Sequence[int]]) -> Floats:  # noqa: ARG002
        """Logits (B,V) → logits (B,V)."""
        return self.change(logits)


def keep_where(kept: NDArray[Any], logits: Floats) -> Floats:
    """Keep the logits where ``kept`` (B,V) is true, and always that of the most probable token."""
    return np.where(kept | (logits == logits.max(axis=-1, keepdims=True)), logits, FORBIDDEN)


def temperature(options: TemperatureOptions) -> Filter:
    """Divide logits by the temperature; at 0 only the most probable token is drawn (greedy)."""
    if options.temperature < 1 / _HUGE:
        return OfLogits(_only_the_best)
    factor = np.float32(1 / min(options.temperature, _HUGE))
    return OfLogits(lambda logits: logits * factor)


def _only_the_best(logits: Floats) -> Floats:
    """Keep the best token, of equals the first; the others are there for filters that then forbid it."""
    best = logits.argmax(axis=-1)[:, None]
    gaps = logits - np.take_along_axis(logits, best, axis=-1)
    far: Floats = np.minimum(np.maximum(gaps, np.float32(-1e6)) * np.float32(_HUGE), np.float32(-1e3))
    np.put_along_axis(far, best, 0, axis=-1)
    return np.where(np.isneginf(logits), FORBIDDEN, far)


def dynatemp(options: DynatempOptions) -> Filter:
    """Divide logits by low + (high − low)·(H/Hmax)^exponent (Zhang et al. 2024, arXiv 2403.14541).

    H is the entropy, and Hmax = ln n that of n equally probable tokens, n being how many are not forbidden:
    the form that llama.cpp gave it.
    """

    def scale(logits: Floats) -> Floats:
        most = np.log(np.maximum(np.isfinite(logits).sum(axis=-1, keepdims=True), 2))
        ratio = np.clip(entropy(log_softmax(logits)) / most, 0, 1)
        heat = options.low + (options.high - options.low) * ratio**options.exponent
        finite = np.clip(logits / np.maximum(heat, 1 / _BOUND), -_BOUND, _BOUND).astype(np.float32)
        scaled = np.where(np.isneginf(logits), FORBIDDEN, finite)
        cold = heat < 1 / _HUGE  # as in ``temperature``
        return np.where(cold, _only_the_best(logits), scaled) if cold.any() else scaled

    return OfLogits(scale)


def top_k(options: TopKOptions) -> Filter:
    """Keep the k most probable tokens (Fan et al. 2018, arXiv 1805.04833); of equals, those of lowest id."""

    def keep(logits: Floats) -> Floats:
        if options.k >= logits.shape[-1]:
            return logits
        if options.k == 1:
            places = logits.argmax(axis=-1)[:, None]
        else:
            places = np.argsort(-logits, axis=-1, kind="stable")[:, : options.k]
        kept = np.full_like(logits, FORBIDDEN)
        np.put_along_axis(kept, places, np.take_along_axis(logits, places, axis=-1), axis=-1)
        return kept

    return OfLogits(keep)


def top_p(options: TopPOptions) -> Filter:
    """Keep the smallest set of tokens of probability p or more (Holtzman et al. 2020, arXiv 1904.09751)."""

    def keep(logits: Floats) -> Floats:
        order = np.argsort(-logits, axis=-1, kind="stable")
        descending = np.take_along_axis(logits, order, axis=-1)
        p = np.exp(descending - descending[:, :1])
        before = np.cumsum(p, axis=-1, dtype=np.float64) - p
        descending[before >= options.p * p.sum(axis=-1, dtype=np.float64, keepdims=True)] = FORBIDDEN
        kept = np.empty_like(logits)
        np.put_along_axis(kept, order, descending, axis=-1)
        return kept

    return OfLogits(keep)


def min_p(options: MinPOptions) -> Filter:
    """Keep tokens at least p times as probable as the best one (Nguyen et al. 2024, arXiv 2407.01082)."""
    distance = np.float32(np.log(options.p)) if options.p else FORBIDDEN

    def keep(logits: Floats) -> Floats:
        return np.where(logits >= logits.max(axis=-1, keepdims=True) + distance, logits, FORBIDDEN)

    return OfLogits(keep)


def typical(options: TypicalOptions) -> Filter:
    """Keep the smallest set of tokens of probability p or more whose surprisal is nearest to the entropy.

    Sorted by |−ln p − H|, of equals the lower id first (Meister et al. 2022, arXiv 2202.00666).
    """

    def keep(logits: Floats) -> Floats:
        log_p = log_softmax(logits)
        order = np.argsort(np.abs(log_p + entropy(log_p)), axis=-1, kind="stable")
        p = np.exp(np.take_along_axis(log_p, order, axis=-1))
        kept = np.empty(logits.shape, bool)
        np.put_along_axis(kept, order, p.cumsum(axis=-1) - p < options.p * p.sum(-1, keepdims=True), axis=-1)
        return np.where(kept, logits, FORBIDDEN)

    return OfLogits(keep)


def epsilon(options: EpsilonOptions) -> Filter:
    """Keep tokens with p ≥ ε, and the most probable one (Hewitt et al. 2022, arXiv 2210.15191)."""
    return OfLogits(lambda logits: keep_where(softmax(logits) >= options.epsilon, logits))


def eta(options: EtaOptions) -> Filter:
    """Keep tokens with p ≥ min(ε, √ε·e^−H), and the most probable one (Hewitt et al. 2022, 2210.15191)."""

    def keep(logits: Floats) -> Floats:
        log_p = log_softmax(logits)
        least = np.minimum(options.epsilon, options.epsilon**0.5 * np.exp(-entropy(log_p)))
        return keep_where(np.exp(log_p) >= least, logits)

    return OfLogits(keep)


def top_nsigma(options: TopNSigmaOptions) -> Filter:
    """Keep tokens with logit ≥ max − n·σ, σ the standard deviation of the logits (arXiv 2411.07641).

    Tokens already forbidden do not count in σ; a temperature before it changes nothing.
    """

    def keep(logits: Floats) -> Floats:
        possible = np.isfinite(logits)
        sigma = np.std(logits, axis=-1, keepdims=True, dtype=np.float64, where=possible)
        distance = logits.max(axis=-1, keepdims=True).astype(np.float64) - np.where(possible, logits, 0)
        return keep_where(possible & (distance <= options.n * sigma), logits)

    return OfLogits(keep)
