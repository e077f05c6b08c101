"""Penalties for repetition, by the tokens so far; those of the prompt count too, as in llama.cpp."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.filters.options import CountOptions, DryOptions, NoRepeatOptions, RepetitionOptions
from rnngen.contracts import Filter, Floats, Tokenizer
from rnngen.numerics import FORBIDDEN
from rnngen.options import unescape

History = Sequence[Sequence[int]]
Ids = NDArray[np.int64]
_HUGE = 1e30
"""Larger than any useful penalty, and with its inverse still far from where float32 ends."""
_LARGEST = 69.0
"""ln 1e30, the largest exponent of a penalty."""


def _lately(past: Sequence[int], window: int) -> Ids:
    """Return the latest tokens; all of them where the window is 0."""
    return np.array(past[-window:], np.int64)


def repetition(options: RepetitionOptions) -> Filter:
    """Divide the positive logits of tokens seen lately, multiply the others (Keskar et al. 2019, CTRL)."""
    penalty = np.float32(min(max(options.penalty, 1 / _HUGE), _HUGE))

    def penalise(logits: Floats, history: History) -> Floats:
        penalised = logits.copy()
        for row, past in zip(penalised, history, strict=True):
            seen = np.unique(_lately(past, options.window))
            row[seen] = np.where(row[seen] > 0, row[seen] / penalty, row[seen] * penalty)
        return penalised

    return penalise


def frequency(options: CountOptions) -> Filter:
    """Subtract penalty·count, the count being how often a token has occurred (OpenAI's definition)."""

    def penalise(logits: Floats, history: History) -> Floats:
        penalised = logits.copy()
        for row, past in zip(penalised, history, strict=True):
            seen, counts = np.unique(_lately(past, options.window), return_counts=True)
            row[seen] -= (options.penalty * counts).astype(np.float32)
        return penalised

    return penalise


def presence(options: CountOptions) -> Filter:
    """Subtract the penalty, once, from every token that has occurred (OpenAI's definition)."""

    def penalise(logits: Floats, history: History) -> Floats:
        penalised = logits.copy()
        for row, past in zip(penalised, history, strict=True):
            row[np.unique(_lately(past, options.window))] -= np.float32(options.penalty)
        return penalised

    return penalise


def no_repeat_ngram(options: NoRepeatOptions) -> Filter:
    """Forbid what would bring n tokens in a row a second time (Paulus et al. 2017, arXiv 1705.04304)."""

    def forbid(logits: Floats, history: History) -> Floats:
        kept = logits.copy()
        for row, past in zip(kept, history, strict=True):
            ids = _lately(past, options.window)
            places = np.arange(options.n - 1, len(ids))
            for back in range(1, options.n if len(places) else 1):
                places = places[ids[places - back] == ids[-back]]
            row[ids[places]] = FORBIDDEN
        return kept

    return forbid


def dry(options: DryOptions, tokenizer: Tokenizer) -> Filter:
    """Subtract multiplier·base^(length − allowed) from what would go on with a repetition of that length.

    The length, for a token t, is that of the longest end of the text that has stood before t already, and
    counts from ``allowed`` on. No such end holds a token with a breaker in it, nor is such a token punished
    (p-e-w 2024, github.com/oobabooga/text-generation-webui/pull/5677).
    """
    signs = [sign.encode() for sign in unescape(options.breakers)]
    growth = np.log(options.base)
    longest = options.allowed + (int(_LARGEST / growth) + 1 if growth else 0)
    breaks = np.array([any(sign in piece for sign in signs) for piece in tokenizer.pieces], bool)

    def penalise(logits: Floats, history: History) -> Floats:
        penalised = logits.copy()
        for row, past in zip(penalised, history, strict=True):
            lengths = repeated(_lately(past, options.window), breaks, longest)
            tokens = np.flatnonzero((lengths >= options.allowed) & ~breaks)
            powers = (lengths[tokens] - options.allowed) * growth
            row[tokens] -= (options.multiplier * np.exp(np.minimum(powers, _LARGEST))).astype(np.float32)
        return penalised

    return penalise


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
