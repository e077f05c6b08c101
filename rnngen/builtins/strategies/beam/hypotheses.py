"""What a beam search has found, and the trail that leads back from there to the beginning.

::

    rows after step 1   a   b   c
                        │ ╲
    rows after step 2   d   e   f     parents 0 0 2: d and e go on from a, f from c
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, Hypothesis, TokenIds

Doubles = NDArray[np.float64]
RECORD = np.dtype([("score", "f8"), ("total", "f8"), ("made", "i8"), ("row", "i8"), ("token", "i8")])
"""A finished hypothesis: its ``made``-th token, the last, went on from that row of the step before."""


class Finished:
    """The best finished hypotheses of each beam, best first; of equals those found first."""

    def __init__(self, beams: int, width: int) -> None:
        self.table = np.zeros((beams, width), RECORD)
        self.table["score"] = -np.inf

    def add(self, beams: TokenIds, records: NDArray[Any]) -> None:
        """Put records (n,C) among those of n beams; a score of -inf is none."""
        together = np.concatenate([self.table[beams], records], axis=1)
        order = np.argsort(-together["score"], axis=1, kind="stable")[:, : self.table.shape[1]]
        self.table[beams] = np.take_along_axis(together, order, axis=1)

    def worst(self, beams: TokenIds) -> Doubles:
        """The score that a newcomer has to beat: -inf where there is room."""
        scores: Doubles = self.table["score"][beams, -1]
        return scores

    def of_sentences(self, groups: int) -> list[NDArray[Any]]:
        """The records of each sentence, best first, all its groups together."""
        tables = self.table.reshape(-1, groups * self.table.shape[1])
        order = np.argsort(-tables["score"], axis=1, kind="stable")
        tables = np.take_along_axis(tables, order, axis=1)
        return [table[table["score"] > -np.inf] for table in tables]


class Backpointers:
    """Which row each row went on from, by which token, and where the network looked for it."""

    def __init__(self) -> None:
        self.parents: list[TokenIds] = []
        self.tokens: list[TokenIds] = []
        self.looks: list[Floats] = []
        """(rows,S) for each step, if kept: by the rows of the step before, for whichever token follows."""

    def add(self, parents: TokenIds, tokens: TokenIds) -> None:
        """Note a step."""
        self.parents.append(parents)
        self.tokens.append(tokens)

    def back(self, has_eos: NDArray[Any]) -> "tuple[TokenIds, Floats | None]":
        """Walk back from records (M,) → tokens (M,T) and, if kept, weights (M,T,S), filled from the left."""
        made, rows = has_eos["made"], has_eos["row"].copy()
        longest = max(made, default=0)
        texts = np.zeros((len(has_eos), longest), np.int64)
        looked = np.zeros((*texts.shape, self.looks[0].shape[1]), np.float32) if self.looks else None
        for step in range(longest, 0, -1):
            last, before = np.flatnonzero(made == step), np.flatnonzero(made > step)
            texts[last, step - 1] = has_eos["token"][last]
            if len(before):
                texts[before, step - 1] = self.tokens[step - 1][rows[before]]
                rows[before] = self.parents[step - 1][rows[before]]
            if looked is not None:
                there = np.flatnonzero(made >= step)
                looked[there, step - 1] = self.looks[step - 1][rows[there]]
        return texts, looked


def assembled(
    records: Sequence[NDArray[Any]], trail: Backpointers, eos_id: int | None, sources: Sequence[int | None]
) -> list[list[Hypothesis]]:
    """The hypotheses of each sentence from their records, no text twice.

    Args:
        records: of each sentence, best first.
        trail: of the search.
        eos_id: the token that does not belong to a text.
        sources: how many source tokens each sentence has; None for as many as there are weights.
    """
    texts, looked = trail.back(np.concatenate(records))
    found: list[list[Hypothesis]] = []
    place = 0
    for table, source in zip(records, sources, strict=True):
        by_text: dict[tuple[int, ...], Hypothesis] = {}
        for record in table:
            tokens = tuple(texts[place, : record["made"]].tolist())
            weights = None if looked is None else looked[place, : record["made"], :source].copy()
            ended = bool(tokens) and tokens[-1] == eos_id
            by_text.setdefault(
                tokens,
                Hypothesis(
                    tokens[: len(tokens) - ended], float(record["total"]), float(record["score"]), weights
                ),
            )
            place += 1
        found.append(list(by_text.values()))
    return found
