"""Diverse beam search: groups that keep away from one another (Vijayakumar et al. 2016, arXiv 1610.02424)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.strategies.beam.candidates import ActiveBeams, Candidates, NextTokenLogProbs, best
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import TokenIds

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _Choices:
    """What the groups so far chose at this step, over all sentences."""

    owners: TokenIds
    """Of which sentence."""
    rows: TokenIds
    """Which rows they went on from."""
    tokens: TokenIds

    def joined(self, chosen: Candidates, owners: TokenIds) -> "_Choices":
        """With those of one more group."""
        there = chosen.possible
        theirs = np.broadcast_to(owners[:, None], there.shape)
        more = theirs[there], chosen.rows[there], chosen.tokens[there]
        return _Choices(*map(np.append, (self.owners, self.rows, self.tokens), more))


class Diverse:
    """Chooses candidates group by group; each pays for its likeness to what those before it chose.

    Δ is λ times the sum of likenesses to the hypotheses of the groups before: 1 for the same token at this
    step (Hamming), or exp(−n/Γ) with n the places up to here that differ (cumulative). A choice counts though
    it ends a text; a group that has come to its end costs nothing any more. What a hypothesis has paid stays
    with it in the search, as in the authors' program, but is no part of its score.
    """

    def __init__(self, options: BeamOptions) -> None:
        self.groups, self.width = options.groups, options.width // options.groups
        self.strength, self.reach = options.diversity, options.diversity_range
        self.cumulative = options.diversity_kind == "cumulative"

    def __call__(self, living: ActiveBeams, chances: NextTokenLogProbs, count: int) -> Candidates:
        """The ``count`` best continuations of each beam by the augmented log-probability."""
        beams, width = living.keys.shape
        owners, groups = np.divmod(living.beams, self.groups)
        added = chances.added(living.keys)
        shape = beams, count
        found = Candidates(np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.full(shape, -np.inf))
        before = _Choices(*(np.zeros(0, np.int64) for _ in range(3)))
        for group in np.unique(groups):
            here = np.flatnonzero(groups == group)
            rows = (here[:, None] * width + np.arange(width)).ravel()
            others, other, same = self._likeness(np.repeat(owners[here], width), rows, before, living.texts)
            extra = added[rows] - self.strength * np.bincount(others[0], other, len(rows))
            logits = chances.logits[rows]
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
