"""Filters of the next-token distribution: pure functions from logits (B,V) to logits (B,V)."""

from collections.abc import Sequence

import numpy as np

from rnngen.builtins.options import (
    MinPOptions,
    RepetitionOptions,
    TemperatureOptions,
    TopKOptions,
    TopPOptions,
)
from rnngen.contracts import Filter, Floats

History = Sequence[Sequence[int]]
_FORBIDDEN = np.float32(-np.inf)
_HUGE = 1e30
"""Beyond any sense, and with its inverse still far from where float32 ends, even times a logit."""


def temperature(options: TemperatureOptions) -> Filter:
    """Divide logits by the temperature; at 0 only the most probable token is left (greedy)."""
    if options.temperature < 1 / _HUGE:
        return top_k(TopKOptions(1))
    factor = np.float32(1 / min(options.temperature, _HUGE))

    def scale(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        return logits * factor

    return scale


def top_k(options: TopKOptions) -> Filter:
    """Keep the k most probable tokens (Fan et al. 2018, arXiv 1805.04833); of equals, those of lowest id."""

    def keep(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        if options.k >= logits.shape[-1]:
            return logits
        if options.k == 1:
            places = logits.argmax(axis=-1)[:, None]
        else:
            places = np.argsort(-logits, axis=-1, kind="stable")[:, : options.k]
        kept = np.full_like(logits, _FORBIDDEN)
        np.put_along_axis(kept, places, np.take_along_axis(logits, places, axis=-1), axis=-1)
        return kept

    return keep


def top_p(options: TopPOptions) -> Filter:
    """Keep the smallest set of tokens of probability p or more (Holtzman et al. 2020, arXiv 1904.09751)."""

    def keep(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        order = np.argsort(-logits, axis=-1, kind="stable")
        descending = np.take_along_axis(logits, order, axis=-1)
        p = np.exp(descending - descending[:, :1])
        before = np.cumsum(p, axis=-1, dtype=np.float64) - p
        descending[before >= options.p * p.sum(axis=-1, dtype=np.float64, keepdims=True)] = _FORBIDDEN
        kept = np.empty_like(logits)
        np.put_along_axis(kept, order, descending, axis=-1)
        return kept

    return keep


def min_p(options: MinPOptions) -> Filter:
    """Keep tokens at least p times as probable as the best one (Nguyen et al. 2024, arXiv 2407.01082)."""
    distance = np.float32(np.log(options.p)) if options.p else _FORBIDDEN

    def keep(logits: Floats, history: History) -> Floats:  # noqa: ARG001
        least = logits.max(axis=-1, keepdims=True) + distance
        return np.where(logits >= least, logits, _FORBIDDEN)

    return keep


def repetition(options: RepetitionOptions) -> Filter:
    """Divide the positive logits of tokens seen lately, multiply the others (Keskar et al. 2019, CTRL)."""
    penalty = np.float32(min(max(options.penalty, 1 / _HUGE), _HUGE))

    def penalise(logits: Floats, history: History) -> Floats:
        penalised = logits.copy()
        for row, past in zip(penalised, history, strict=True):
            seen = np.array(sorted(set(past[-options.window :])), np.int64)
            row[seen] = np.where(row[seen] > 0, row[seen] / penalty, row[seen] * penalty)
        return penalised

    return penalise
