"""From logits and random numbers to tokens, and random numbers by their place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, TokenIds
from rnngen.errors import RnngenError


def nothing_to_draw(highest: float) -> RnngenError:
    """Return the error for logits of which none can be drawn, by the highest of them."""
    if highest == -np.inf:
        return RnngenError(
            "no token can be drawn: the filters forbid all of them; loosen one, leave it out, or put those "
            "that forbid before those that keep the best"
        )
    return RnngenError(
        f"no token can be drawn: the highest logit is {highest}, so that the model's weights are not numbers "
        "any more; train it again with a smaller --lr"
    )


def require_choice(logits: Floats) -> Floats:
    """Return the highest logit (B,1) of each row (B,V).

    Raises:
        RnngenError: if every token of a row is forbidden, or a logit is not a number.
    """
    best: Floats = logits.max(axis=1, keepdims=True)
    if not (finite := (best > -np.inf) & (best < np.inf)).all():
        raise nothing_to_draw(best[~finite][0])
    return best


def draw(logits: Floats, number: float) -> int:
    """Draw one token from logits (V,) by inverting the cumulative distribution at a number from 0 to below 1.

    Raises:
        RnngenError: if every token is forbidden, or a logit is not a number.
    """
    best = logits[logits.argmax()]  # for one row faster than max(), as accumulate is than cumsum()
    if not -np.inf < best < np.inf:
        raise nothing_to_draw(best)
    weights = np.exp(logits - best)
    total = np.add.accumulate(weights.astype(np.float64))
    token = int(total.searchsorted(number * total[-1], side="right"))
    # Rounding may land beyond the last token of positive probability.
    return token if token < len(weights) and weights[token] else int(weights.nonzero()[0][-1])


def draw_rows(logits: Floats, numbers: NDArray[np.float64]) -> TokenIds:
    """Draw one token (B,) from each row of logits (B,V), by a number (B,) each, just as ``draw`` does.

    Raises:
        RnngenError: as ``draw`` does.
    """
    best = require_choice(logits)
    weights = np.exp(logits - best)
    totals = weights.cumsum(axis=1, dtype=np.float64)
    tokens: TokenIds = (totals <= (numbers * totals[:, -1])[:, None]).sum(axis=1)
    for row in np.flatnonzero(tokens == logits.shape[1]):
        tokens[row] = weights[row].nonzero()[0][-1]
    return tokens


def surprisal(logits: Floats, tokens: TokenIds) -> NDArray[np.float64]:
    """Return −ln p (B,) of tokens (B,) under logits (B,V), in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    nats: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=-1)) - shifted[np.arange(len(tokens)), tokens]
    return nats


BLOCK = 64
"""Random numbers that are computed at once."""


class UniformDraws:
    """The numbers that a generator's ``random()`` gives, from some place on; immutable.

    To fork a stream, keep it; to undo a draw, take the earlier one. The numbers themselves are computed a
    block at a time, in a cache that all places of one generator share.

    Args:
        rng: a generator of ``numpy.random.default_rng`` (PCG64); it is not advanced.
    """

    __slots__ = ("_numbers", "_place")

    def __init__(self, rng: np.random.Generator) -> None:
        self._numbers, self._place = _Numbers(rng.bit_generator.state), 0

    @classmethod
    def restore(cls, state: Any) -> "UniformDraws":
        """Go on from a generator's state.

        Raises:
            KeyError, TypeError, ValueError: if it is none of PCG64's.
        """
        bits = np.random.PCG64()
        bits.state = state
        return cls(np.random.Generator(bits))

    @property
    def number(self) -> float:
        """The number at this place, from 0 to below 1."""
        numbers = self._numbers
        index, offset = divmod(self._place, BLOCK)
        return numbers.block[offset] if index == numbers.index else numbers.at(index, offset)

    def next(self, count: int = 1) -> "UniformDraws":
        """Return the draws from the next place on, or from that many places further."""
        later = UniformDraws.__new__(UniformDraws)
        later._numbers, later._place = self._numbers, self._place + count
        return later

    def generator(self) -> np.random.Generator:
        """Return a generator whose next number is this one."""
        return self._numbers.generator_at(self._place)

    @property
    def state(self) -> dict[str, Any]:
        """The state of that generator, for JSON."""
        return dict(self.generator().bit_generator.state)


class _Numbers:
    """A generator's numbers by their place, the latest block of them kept."""

    def __init__(self, state: Any) -> None:
        self.state, self.index = state, -1
        self.block: list[float] = []
        self.following = self.generator_at(0)

    def generator_at(self, place: int) -> np.random.Generator:
        bits = np.random.PCG64()
        bits.state = self.state
        return np.random.Generator(bits.advance(place) if place else bits)

    def at(self, index: int, offset: int) -> float:
        if index != self.index + 1:
            self.following = self.generator_at(index * BLOCK)
        self.block, self.index = self.following.random(BLOCK).tolist(), index
        return self.block[offset]
