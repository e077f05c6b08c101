"""From logits and a random number to a token, for one stream or for many at once."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, TokenIds
from rnngen.errors import RnngenError

_NOTHING = (
    "no token can be drawn: the highest logit is {}; if no filter forbids all tokens, the model's weights "
    "are not numbers any more: train it again with a smaller --lr"
)


def draw(logits: Floats, rng: np.random.Generator) -> int:
    """Draw one token from logits (V,) by inverting the cumulative distribution, with one random number.

    Raises:
        RnngenError: if every token is forbidden, or a logit is not a number.
    """
    best = logits.max()
    if not -np.inf < best < np.inf:
        raise RnngenError(_NOTHING.format(best))
    weights = np.exp(logits - best)
    total = weights.cumsum(dtype=np.float64)
    token = int(total.searchsorted(rng.random() * total[-1], side="right"))
    # Rounding may land beyond the last token of positive probability.
    return token if token < len(weights) and weights[token] else int(weights.nonzero()[0][-1])


def surprisal(logits: Floats, tokens: TokenIds) -> NDArray[np.float64]:
    """−ln p (B,) of tokens (B,) under logits (B,V), in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    nats: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=-1)) - shifted[np.arange(len(tokens)), tokens]
    return nats


def draw_rows(logits: Floats, chances: NDArray[np.float64]) -> TokenIds:
    """One token (B,) from each row of logits (B,V), by a random number (B,) each, just as ``draw`` does.

    Raises:
        RnngenError: as ``draw`` does.
    """
    best = logits.max(axis=1, keepdims=True)
    if not ((best > -np.inf) & (best < np.inf)).all():
        bad = best[~((best > -np.inf) & (best < np.inf))][0]
        raise RnngenError(_NOTHING.format(bad))
    weights = np.exp(logits - best)
    totals = weights.cumsum(axis=1, dtype=np.float64)
    tokens: TokenIds = (totals <= (chances * totals[:, -1])[:, None]).sum(axis=1)
    for row in np.flatnonzero(tokens == logits.shape[1]):
        tokens[row] = weights[row].nonzero()[0][-1]
    return tokens


class Chances:
    """The random numbers of B generators.

    Each is asked for many at once: that costs less, and gives the same.
    """

    AHEAD = 64
    """Numbers that are drawn at once."""

    def __init__(self, rngs: Sequence[np.random.Generator]) -> None:
        self.rngs, self.taken = rngs, self.AHEAD

    def next(self, alive: Sequence[int]) -> NDArray[np.float64]:
        """The next number of some of them, (n,)."""
        if self.taken == self.AHEAD:
            self.block = np.stack([rng.random(self.AHEAD) for rng in self.rngs])
            self.taken = 0
        self.taken += 1
        numbers: NDArray[np.float64] = self.block[alive, self.taken - 1]
        return numbers
