"""Stochastic beam search: K different texts without replacement (Kool et al. 2019, arXiv 1903.06059)."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.strategies.beam.candidates import ActiveBeams, Candidates, NextTokenLogProbs, best

Doubles = NDArray[np.float64]
_SALT = 1906
"""Keeps these draws apart from those of filters, which have the same seeds."""


class Stochastic:
    """Chooses candidates by log-probability perturbed with Gumbel noise, from the root of the tree down.

    The K highest of φᵢ + Gumbel over all texts i are a sample without replacement. To find them a node only
    needs the maximum over the texts below it, so children get noise on condition that the best of them has
    their parent's value; a beam of K then misses none.

    Args:
        seeds: of each sentence; what is drawn for one does not depend on the others.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.draws = [np.random.default_rng([seed, 0, _SALT]) for seed in seeds]

    def roots(self) -> Doubles:
        """The perturbed log-probabilities (N,) of the empty texts."""
        return np.array([draw.gumbel() for draw in self.draws])

    def __call__(self, living: ActiveBeams, chances: NextTokenLogProbs, count: int) -> Candidates:
        """The ``count`` best continuations of each beam by the perturbed log-probability."""
        beams, width = living.keys.shape
        perturbed = np.full(chances.logits.shape, -np.inf)
        there = np.isfinite(chances.added(living.keys)).reshape(beams, width)
        for place, beam in enumerate(living.beams):
            rows = place * width + np.flatnonzero(there[place])
            log_p = chances.logits[rows] - chances.norms[rows, None] + living.totals.ravel()[rows, None]
            noisy = log_p + self.draws[beam].gumbel(size=log_p.shape)
            perturbed[rows] = conditioned(noisy, living.keys.ravel()[rows])
        return best(perturbed, np.zeros(len(perturbed)), beams, count)


def conditioned(noisy: Doubles, maximum: Doubles) -> Doubles:
    """Move perturbed log-probabilities (rows,V) so that the highest of each row is ``maximum`` (rows,).

    −log(exp(−T) − exp(−Z) + exp(−G)), with Z the highest of the G; computed as in appendix B.3 of the paper.
    """
    top = noisy.max(axis=1, keepdims=True)
    wanted = maximum[:, None]
    with np.errstate(divide="ignore"):  # at the highest itself: log 0
        v = wanted - noisy + _log1mexp(noisy - top)
    moved: Doubles = wanted - np.maximum(v, 0) - np.log1p(np.exp(-np.abs(v)))
    return moved


def _log1mexp(x: Doubles) -> Doubles:
    """log(1 − exp x) of x ≤ 0, exact at both ends (Mächler 2012)."""
    return np.where(x > -np.log(2), np.log(-np.expm1(x)), np.log1p(-np.exp(x)))
