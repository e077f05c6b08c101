"""From logits to the best continuations of each beam, without sorting or copying the vocabulary.

::

    logits (n·R,V) ─▸ maxima of 64 shares of each row ─▸ a bound ─▸ the few above it ─▸ sorted, in float64
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import Floats, TokenIds
from rnngen.errors import RnngenError
from rnngen.numerics import Doubles

SHARES = 64
"""Into how many shares a row is divided, at least, for the maximum of each."""
SLACK = 1e-6
"""Rounding that a bound allows for, relative to what it was computed from; float32 has 6e-8."""
_SALT = 1906
"""Keeps the draws of a stochastic beam apart from those of filters, which have the same seeds."""


@dataclass(frozen=True)
class ActiveBeams:
    """The hypotheses that go on: R rows for each of n beams, the dead ones (key -inf) last."""

    beams: TokenIds
    """(n,) which beams are alive: sentence · G + group."""
    keys: Doubles
    """(n,R) what selection goes by, best first: the log-probability, with penalties or noise if asked for."""
    totals: Doubles
    """(n,R) log-probabilities."""
    texts: "TokenIds | None" = None
    """(n·R,T) the tokens so far, where somebody wants to read them."""


@dataclass(frozen=True)
class Candidates:
    """The best continuations of n beams, best first; where there are fewer than C, the rest have key -inf."""

    rows: TokenIds
    """(n,C) which rows they go on from."""
    tokens: TokenIds
    """(n,C)"""
    keys: Doubles
    """(n,C)"""

    @property
    def possible(self) -> NDArray[np.bool_]:
        """(n,C) true where there is one."""
        return self.keys > -np.inf

    def first(self, count: int, wanted: NDArray[np.bool_]) -> Self:
        """The first ``count`` of each beam among those ``wanted`` (n,C)."""
        order = np.argsort(~wanted, axis=1, kind="stable")[:, :count]
        keys = np.where(wanted, self.keys, -np.inf)
        rows, tokens = (np.take_along_axis(one, order, axis=1) for one in (self.rows, self.tokens))
        return type(self)(rows, tokens, np.take_along_axis(keys, order, axis=1))

    def filled(self) -> tuple[TokenIds, TokenIds]:
        """Rows (n·C,) and tokens (n·C,), the impossible ones replaced by the first of their beam."""
        there, pair = self.possible, (self.rows, self.tokens)
        rows, tokens = (np.where(there, one, one[:, :1]).ravel() for one in pair)
        return rows, tokens

    def put(self, beams: TokenIds, others: "Candidates", rows: TokenIds) -> None:
        """Set those of some beams, found among the given rows alone."""
        self.rows[beams], self.tokens[beams], self.keys[beams] = rows[others.rows], others.tokens, others.keys

    def at(self, beams: NDArray[Any], count: int) -> Self:
        """The first ``count`` of some beams."""
        return type(self)(self.rows[beams, :count], self.tokens[beams, :count], self.keys[beams, :count])


class NextTokenLogProbs:
    """Log-probabilities of the next tokens from logits (n·R,V), normalised only where they are looked at.

    Raises:
        RnngenError: if a logit is not a number.
    """

    def __init__(self, logits: Floats) -> None:
        self.logits = logits
        highest = np.arange(len(logits)), logits.argmax(axis=1)
        tops = logits[highest]
        if not (tops < np.inf).all():
            raise RnngenError(
                f"no token can be chosen: the highest logit is {tops[~(tops < np.inf)][0]}; the model's "
                "weights are not numbers any more: train it again with a smaller --lr"
            )
        self.possible: NDArray[np.bool_] = tops > -np.inf
        """(n·R,) whether any token may follow."""
        tops = np.where(self.possible, tops, 0)
        shifted = logits - tops[:, None]
        np.exp(shifted, out=shifted)[highest] = 0  # its own 1 would drown the others in float32
        self.norms: Doubles = tops + np.log1p(shifted.sum(axis=1).astype(np.float64))
        """(n·R,) log Σ exp of each row: ln p is right to about seven digits."""

    def of(self, rows: TokenIds, tokens: TokenIds) -> Doubles:
        """The log-probabilities of tokens, each after a row; never above 0."""
        found = np.minimum(self.logits[rows, tokens] - self.norms[rows], 0)
        return found.astype(np.float64, copy=False)

    def added(self, keys: Doubles) -> Doubles:
        """The term that makes keys (n·R,) of each row's logits: -inf where there is nothing to add to."""
        return np.where(self.possible, keys.ravel() - self.norms, -np.inf)


def plain(active: ActiveBeams, log_probs: NextTokenLogProbs, count: int) -> Candidates:
    """The ``count`` best continuations of each beam by their log-probability."""
    return best(log_probs.logits, log_probs.added(active.keys), len(active.beams), count)


def best(logits: NDArray[Any], added: Doubles, beams: int, count: int) -> Candidates:
    """The ``count`` highest logits (n·R,V) + added (n·R,) of each of n beams, ties by place; never -inf."""
    rows_each = len(logits) // beams
    bounds = _bounds(logits, added, beams, count).astype(logits.dtype)
    places = np.flatnonzero(logits >= bounds[:, None])
    rows, tokens = np.divmod(places, logits.shape[1])
    keys = logits.ravel()[places] + added[rows]
    owners = rows // rows_each
    order = np.lexsort((-keys, owners))
    ranks = np.arange(len(order)) - np.searchsorted(owners, np.arange(beams))[owners]
    kept = ranks < count
    spots, order = (owners[kept], ranks[kept]), order[kept]
    found = Candidates(
        np.repeat(np.arange(beams)[:, None] * rows_each, count, axis=1),
        np.zeros((beams, count), np.int64),
        np.full((beams, count), -np.inf),
    )
    found.rows[spots], found.tokens[spots], found.keys[spots] = rows[order], tokens[order], keys[order]
    return found


def _bounds(logits: NDArray[Any], added: Doubles, beams: int, count: int) -> Doubles:
    """For each row a logit (n·R,) which none of its beam's ``count`` best lies below.

    So many different shares have a maximum that is as high as the ``count``-th highest maximum: that many
    logits at least are as high.
    """
    maxima = (_maxima(logits, max(SHARES, 2 * count)) + added[:, None]).reshape(beams, -1)
    bounds = np.full(len(logits), np.inf)
    least = np.full(beams, -np.inf)
    if (place := maxima.shape[1] - count) > 0:
        least = np.partition(maxima, place, axis=1)[:, place]
    of_row = np.repeat(least, len(logits) // beams)
    alive = np.flatnonzero(added > -np.inf)
    least, more = of_row[alive], added[alive]
    bounds[alive] = least - more - SLACK * (1 + np.abs(least) + np.abs(more))
    lowest: Doubles = np.maximum(bounds, np.finfo(logits.dtype).min)
    return lowest


def _maxima(logits: NDArray[Any], shares: int) -> NDArray[Any]:
    """The maxima (B,shares) of equal shares of each row of (B,V), what does not divide evenly left out."""
    size = logits.shape[1] // shares
    if size < 2:
        return logits
    maxima: NDArray[Any] = logits[:, : size * shares].reshape(len(logits), size, shares).max(axis=1)
    return maxima


# ── Diverse groups ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Choices:
    """The choices of the groups so far at this step, over all sentences."""

    owners: TokenIds
    """The sentence of each."""
    rows: TokenIds
    """The row that each went on from."""
    tokens: TokenIds

    def joined(self, chosen: Candidates, owners: TokenIds) -> "_Choices":
        there = chosen.possible
        theirs = np.broadcast_to(owners[:, None], there.shape)
        more = theirs[there], chosen.rows[there], chosen.tokens[there]
        return _Choices(*map(np.append, (self.owners, self.rows, self.tokens), more))


class Diverse:
    """Chooses candidates group by group; each pays for its likeness to what those before it chose.

    Diverse beam search (Vijayakumar et al. 2016, arXiv 1610.02424). Δ is λ times the sum of likenesses to the
    hypotheses of the groups before: 1 for the same token at this step (Hamming), or exp(−n/Γ) with n the
    places up to here that differ (cumulative). A choice counts though it ends a text; a group that has come
    to its end costs nothing any more. What a hypothesis has paid stays with it in the search, as in the
    authors' program, but is no part of its score.
    """

    def __init__(self, options: BeamOptions) -> None:
        self.groups, self.width = options.groups, options.width // options.groups
        self.strength, self.reach = options.diversity, options.diversity_range
        self.cumulative = options.diversity_kind == "cumulative"

    def __call__(self, active: ActiveBeams, log_probs: NextTokenLogProbs, count: int) -> Candidates:
        """The ``count`` best continuations of each beam by the augmented log-probability."""
        beams, width = active.keys.shape
        owners, groups = np.divmod(active.beams, self.groups)
        added, shape = log_probs.added(active.keys), (beams, count)
        found = Candidates(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, -np.inf))
        before = _Choices(*(np.zeros(0, np.int64) for _ in range(3)))
        for group in np.unique(groups):
            here = np.flatnonzero(groups == group)
            rows = (here[:, None] * width + np.arange(width)).ravel()
            others, other, same = self._likeness(np.repeat(owners[here], width), rows, before, active.texts)
            extra = added[rows] - self.strength * np.bincount(others[0], other, len(rows))
            logits = log_probs.logits[rows]
            np.subtract.at(logits, (others[0], before.tokens[others[1]]), self.strength * (same - other))
            found.put(here, best(logits, extra, len(here), count), rows)
            before = before.joined(found.at(here, self.width), owners[here])
        return found

    def _likeness(
        self, owners: TokenIds, rows: TokenIds, before: _Choices, texts: "TokenIds | None"
    ) -> tuple[tuple[TokenIds, TokenIds], Doubles, Doubles]:
        """The pairs of a row and a choice of the same sentence, and how alike these two are.

        Returns:
            Places among ``rows`` and among ``before``; the likeness if the row goes on otherwise; if it goes
            on with the same token.
        """
        mine, theirs = np.nonzero(owners[:, None] == before.owners)
        if not self.cumulative or texts is None:
            return (mine, theirs), np.zeros(len(mine)), np.ones(len(mine))
        differ = (texts[rows[mine]] != texts[before.rows[theirs]]).sum(axis=1)
        return (mine, theirs), np.exp(-(differ + 1) / self.reach), np.exp(-differ / self.reach)


# ── Gumbel noise ───────────────────────────────────────────────────────────────────────────────────────────


class Stochastic:
    """Chooses candidates by log-probability perturbed with Gumbel noise, from the root of the tree down.

    Stochastic beam search (Kool et al. 2019, arXiv 1903.06059). The K highest of φᵢ + Gumbel over all texts i
    are a sample without replacement. To find them a node only needs the maximum over the texts below it, so
    children get noise on condition that the best of them has their parent's value; a beam of K then misses
    none. Each sentence draws from its own seed, whatever the others draw.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.draws = [np.random.default_rng([seed, 0, _SALT]) for seed in seeds]

    def roots(self) -> Doubles:
        """The perturbed log-probabilities (N,) of the empty texts."""
        return np.array([draw.gumbel() for draw in self.draws])

    def __call__(self, active: ActiveBeams, log_probs: NextTokenLogProbs, count: int) -> Candidates:
        """The ``count`` best continuations of each beam by the perturbed log-probability."""
        beams, width = active.keys.shape
        perturbed = np.full(log_probs.logits.shape, -np.inf)
        there = np.isfinite(log_probs.added(active.keys)).reshape(beams, width)
        for place, beam in enumerate(active.beams):
            rows = place * width + np.flatnonzero(there[place])
            log_p = log_probs.logits[rows] - log_probs.norms[rows, None] + active.totals.ravel()[rows, None]
            noisy = log_p + self.draws[beam].gumbel(size=log_p.shape)
            perturbed[rows] = conditioned(noisy, active.keys.ravel()[rows])
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
