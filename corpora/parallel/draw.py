"""Random choices that are the same on every Python.

Of all that ``random`` offers, only ``random()`` is promised to stay the same; everything here is made of it.
"""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Draw:
    """The random numbers of a generator.

    Args:
        seed: the same seed, 0 or more, gives the same draws.
    """

    def __init__(self, seed: int) -> None:
        self._random = Random(seed).random

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return self._random() < probability

    def below(self, limit: int) -> int:
        """Return an integer from 0 to below ``limit``, which is at most 2^53."""
        return int(self._random() * limit)

    def between(self, low: int, high: int) -> int:
        """Return an integer from ``low`` to ``high``, both included."""
        return low + self.below(high - low + 1)

    def magnitude(self, digits: int) -> int:
        """Return an integer of 1 to ``digits`` digits, each length as likely as the others."""
        length = self.between(1, digits)
        return self.between(10 ** (length - 1) if length > 1 else 0, 10**length - 1)

    def one(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def some(self, choices: Sequence[T], count: int) -> list[T]:
        """Return ``count`` of the choices, in random order, none twice."""
        left = list(choices)
        return [left.pop(self.below(len(left))) for _ in range(count)]
