"""An n-gram that goes on counting: what followed each context in the last tokens of a stream.

Witten-Bell like the n-gram of the training text, above whose probabilities it begins. Nothing is stored but
the tokens themselves and, for each place, how much of what stands before it agrees with the end of the text::

    tokens     … t h e ␣ c a t ␣ s a t ␣ o n ␣ t h e ␣
    agrees           4 0 0 0 0 1 0 0 0 1 0 0 1       ─▸ "c" followed a context of four tokens, …
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import TokenIds
from rnngen.inference.ngram.counts import Prediction

Agreement: TypeAlias = NDArray[np.uint8]

WINDOW = 8192
"""Tokens that are remembered; on 110,000 characters of plays, all of them gained 0.003 nats more."""
SHORTEST, LONGEST = 2, 8
"""Lengths of the contexts that are counted: of shorter ones the training text knows more."""
NOTHING = -1
"""In place of tokens before the first."""


class Recent(NamedTuple):
    """The last tokens of B streams; never written to."""

    tokens: NDArray[np.int32]
    """(B,W), the latest one last."""
    agrees: Agreement
    """(B,W) the number of tokens up to each place that are also the last ones of all."""

    @classmethod
    def start(cls, batch: int, window: int = WINDOW) -> "Recent":
        """Return streams that have read nothing."""
        return cls(np.full((batch, window), NOTHING, np.int32), np.zeros((batch, window), np.uint8))

    def after(self, tokens: TokenIds) -> "Recent":
        """Return the streams after one more token each (B,)."""
        text = np.empty_like(self.tokens)
        text[:, :-1] = self.tokens[:, 1:]
        text[:, -1] = tokens
        # a place moves one to the left as the text grows, and the place before it is then where it was
        agrees = np.minimum(self.agrees, LONGEST - 1)
        agrees += 1
        agrees *= text == tokens[:, None]
        agrees[:, -1] = 0
        return Recent(text, agrees)

    def predict(self, below: Prediction) -> Prediction:
        """What the n-gram of the training text predicts for these streams → what both do."""
        log_probs, lengths = below.log_probs.copy(), np.zeros(len(self.tokens), np.int64)
        counts = np.zeros_like(lengths)
        for row, agrees in enumerate(self.agrees):
            places = np.flatnonzero(agrees >= SHORTEST)
            if len(places):
                found = self.tokens[row].take(places + 1)
                lengths[row], counts[row] = _interpolated(log_probs[row], found, agrees.take(places))
        return Prediction(log_probs, lengths, counts)


def _interpolated(
    log_probs: NDArray[np.float32], tokens: NDArray[np.int32], agrees: Agreement
) -> tuple[int, int]:
    """Write P(w | all contexts) over P(w) (V,), from what followed: M tokens, each with its context's length.

    Returns:
        The length of the longest context, and how often it was seen.
    """
    kinds, which = np.unique(tokens, return_inverse=True)
    longest = int(agrees.max())
    levels = longest - SHORTEST + 1
    places = (agrees.astype(np.int64) - SHORTEST) * len(kinds) + which
    alone = np.bincount(places, minlength=levels * len(kinds)).reshape(levels, -1)
    counts = alone[::-1].cumsum(axis=0)[::-1]  # a long context is one of the shorter ones too
    totals, different = counts.sum(axis=1), np.count_nonzero(counts, axis=1)
    whole = totals + different
    longer = np.append(np.cumprod((different / whole)[::-1])[::-1], 1.0)
    added = (counts * (longer[1:] / whole)[:, None]).sum(axis=0)
    known = np.exp(log_probs[kinds]) * longer[0] + added
    log_probs += np.float32(np.log(longer[0]))
    log_probs[kinds] = np.log(known)
    return longest, int(totals[-1])
