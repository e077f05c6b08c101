"""What a finished hypothesis is worth, and what a living one can still come to be worth."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnngen.builtins.strategies.options import BeamOptions, Penalty

Doubles = NDArray[np.float64]


def length_penalty(
    length: ArrayLike, alpha: float, penalty: Penalty = "gnmt", offset: float = 0.0
) -> Doubles:
    """What the log-probability of a text of ``length`` tokens, its end included, is divided by.

    ``gnmt``: ((5 + length) / 6)^alpha (Wu et al. 2016, arXiv 1609.08144). ``average``: length^alpha (fairseq,
    transformers). ``power``: ((offset + length) / (offset + 1))^alpha (Sockeye). ``none``: 1.
    """
    lengths = np.asarray(length, np.float64)
    bases = {
        "gnmt": (5 + lengths) / 6,
        "average": lengths,
        "power": (offset + lengths) / (offset + 1),
        "none": np.ones_like(lengths),
    }
    penalties: Doubles = bases[penalty] ** alpha
    return penalties


class Scores:
    """Scores of hypotheses by length penalty and coverage.

    Args:
        options: the choices of the search. A stochastic beam ranks by perturbed log-probability alone.
    """

    def __init__(self, options: BeamOptions) -> None:
        self.penalty: Penalty = "none" if options.stochastic else options.penalty
        self.alpha, self.offset, self.coverage = options.alpha, options.offset, options.coverage

    def finished(self, totals: Doubles, made: int, covered: Doubles | None = None) -> Doubles:
        """The scores of log-probabilities (…) of texts of ``made`` tokens with coverage penalties (…)."""
        scores = totals / self._penalty(made)
        if covered is not None:
            scores += self.coverage * covered
        return scores

    def attainable(self, totals: Doubles, made: int, limits: NDArray[np.int64]) -> Doubles:
        """A bound on what hypotheses of ``made`` tokens will score once they have ``limits`` (…) at most.

        A log-probability is never positive and only falls, so a text that ends after n tokens scores no more
        than totals / penalty(n), with n from made + 1 to its limit. Whichever penalty and alpha, the penalty
        is monotone in n; hence it is largest, and the quotient of a number that is not positive with it, at
        one of the two ends. The coverage penalty is at most 0. For a perturbed log-probability the bound
        holds since a node's best child inherits its value.
        """
        best = np.maximum(self._penalty(made + 1), self._penalty(limits))
        bounds: Doubles = totals / best
        return bounds

    def _penalty(self, length: ArrayLike) -> Doubles:
        return length_penalty(length, self.alpha, self.penalty, self.offset)
