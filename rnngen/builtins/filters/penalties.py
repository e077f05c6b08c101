"""Penalties for repetition, by the tokens so far; those of the prompt count too, as in llama.cpp.

An end token does not count as repeated: examples stand after one, and could else hardly end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.filters.options import (
    CountOptions,
    DryOptions,
    EscapeLoopsOptions,
    NoRepeatOptions,
    RepetitionOptions,
)
from rnngen.contracts import Filter, Floats, Tokenizer
from rnngen.numerics import FORBIDDEN
from rnngen.options import unescape

Ids = NDArray[np.int64]
_HUGE = 1e30
"""Larger than any useful penalty, and with its inverse still far from where float32 ends."""
_LARGEST = 69.0
"""ln 1e30, the largest exponent of a penalty."""


@dataclass(frozen=True)
class OfHistory:
    """A filter that changes a stream's logits (V,) in place by its latest tokens."""

    window: int
    """The number of latest tokens; 0 is all of them."""
    penalize: Callable[[Floats, Ids], None]
    """Called with the logits, and the tokens as an array."""
    end: int | None = None
    """The end token, where it does not count."""

    @property
    def lookback(self) -> int | None:
        """The number of latest tokens; None is all of them."""
        return self.window or None

    def __call__(self, logits: Floats, history: Sequence[Sequence[int]]) -> Floats:
        """Logits (B,V) → logits (B,V)."""
        changed = logits.copy()
        for row, past in zip(changed, history, strict=True):
            ids = np.array(past[-self.window :], np.int64)
            self.penalize(row, ids if self.end is None else ids[ids != self.end])
        return changed


def repetition(options: RepetitionOptions, tokenizer: Tokenizer) -> Filter:
    """Divide the positive logits of tokens seen lately, multiply the others (Keskar et al. 2019, CTRL)."""
    penalty = np.float32(min(max(options.penalty, 1 / _HUGE), _HUGE))

    def penalize(row: Floats, ids: Ids) -> None:
        seen = np.unique(ids)
        row[seen] = np.where(row[seen] > 0, row[seen] / penalty, row[seen] * penalty)

    return OfHistory(options.window, penalize, tokenizer.eos_id)


def frequency(options: CountOptions, tokenizer: Tokenizer) -> Filter:
    """Subtract penalty·count, the count being how often a token has occurred (OpenAI's definition)."""

    def penalize(row: Floats, ids: Ids) -> None:
        seen, counts = np.unique(ids, return_counts=True)
        row[seen] -= (options.penalty * counts).astype(np.float32)

    return OfHistory(options.window, penalize, tokenizer.eos_id)


def presence(options: CountOptions, tokenizer: Tokenizer) -> Filter:
    """Subtract the penalty, once, from every token that has occurred (OpenAI's definition)."""

    def penalize(row: Floats, ids: Ids) -> None:
        row[np.unique(ids)] -= np.float32(options.penalty)

    return OfHistory(options.window, penalize, tokenizer.eos_id)


def no_repeat_ngram(options: NoRepeatOptions, tokenizer: Tokenizer) -> Filter:
    """Forbid what would bring n tokens in a row a second time (Paulus et al. 2017, arXiv 1705.04304)."""

    def forbid(row: Floats, ids: Ids) -> None:
        places = np.arange(options.n - 1, len(ids))
        for back in range(1, options.n if len(places) else 1):
            places = places[ids[places - back] == ids[-back]]
        row[ids[places]] = FORBIDDEN

    return OfHistory(options.window, forbid, tokenizer.eos_id)


def escape_loops(options: EscapeLoopsOptions) -> Filter:
    """Forbid the token that would repeat a segment again, once it stands several times in a row.

    Of several segments that the text may be repeating the shortest counts. A token that is the only one left
    is not forbidden.
    """

    def forbid(row: Floats, ids: Ids) -> None:
        period = _loop(ids, options)
        if not period:
            return
        others = np.isfinite(row)
        others[ids[-period]] = False
        if others.any():
            row[ids[-period]] = FORBIDDEN

    return OfHistory(max(options.longest * options.repeats, options.span + options.longest), forbid)


def _loop(ids: Ids, options: EscapeLoopsOptions) -> int:
    """Return the length of the segment that a text repeats at its end; 0 for none."""
    periods: list[int] = (np.flatnonzero(ids[-2::-1] == ids[-1:]) + 1).tolist() if len(ids) > 1 else []
    for period in periods:
        covered = max(period * options.repeats, options.span)
        if period > options.longest or covered > len(ids):
            return 0
        end = ids[-covered:]
        if (end[period:] == end[:-period]).all():
            return period
    return 0


def dry(options: DryOptions, tokenizer: Tokenizer) -> Filter:
    """Subtract multiplier·base^(length − allowed) from what would continue a repetition of that length.

    The length, for a token t, is that of the longest end of the text that has stood before t already, and
    counts from ``allowed`` on. No such end holds a token with a breaker in it, nor is such a token penalised
    (p-e-w 2024, github.com/oobabooga/text-generation-webui/pull/5677).
    """
    signs = [sign.encode() for sign in unescape(options.breakers)]
    growth = np.log(options.base)
    longest = options.allowed + (int(_LARGEST / growth) + 1 if growth else 0)
    breaks = np.array([any(sign in piece for sign in signs) for piece in tokenizer.pieces], bool)

    def penalize(row: Floats, ids: Ids) -> None:
        lengths = repeated(ids, breaks, longest)
        tokens = np.flatnonzero((lengths >= options.allowed) & ~breaks)
        powers = (lengths[tokens] - options.allowed) * growth
        row[tokens] -= (options.multiplier * np.exp(np.minimum(powers, _LARGEST))).astype(np.float32)

    return OfHistory(options.window, penalize)


def repeated(ids: Ids, breaks: NDArray[np.bool_], longest: int) -> Ids:
    """For each token the length of the longest end of ``ids`` that has stood before it, without breakers.

    Ends longer than ``longest`` are not looked for.
    """
    lengths = np.zeros(len(breaks), np.int64)
    places = np.arange(len(ids))
    for back in range(1, min(len(ids), longest + 1)):
        if breaks[ids[-back]]:
            break
        places = places[places >= back]
        places = places[ids[places - back] == ids[-back]]
        if not len(places):
            break
        lengths[ids[places]] = back
    return lengths
