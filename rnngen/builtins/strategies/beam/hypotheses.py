"""Finished hypotheses of a beam search: the trail back to the beginning, and their scores.

::

    rows after step 1   a   b   c
                        │ ╲
    rows after step 2   d   e   f     parents 0 0 2: d and e go on from a, f from c
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import Floats, Hypothesis, NetworkStep, State, TokenIds
from rnngen.decoding.likelihood import length_penalty
from rnngen.errors import UsageError
from rnngen.numerics import Doubles

RECORD = np.dtype([("score", "f8"), ("total", "f8"), ("made", "i8"), ("row", "i8"), ("token", "i8")])
"""A finished hypothesis: its ``made``-th token, the last, went on from that row of the step before."""
UNSEEN = float(np.finfo(np.float32).tiny)
"""Weight of a source token that was not attended to at all, so that its logarithm is a number."""


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

    def ranked(self, beams: TokenIds, rank: int) -> Doubles:
        """The score of the ``rank``-th best, which a newcomer has to beat; -inf where there is room."""
        scores: Doubles = self.table["score"][beams, rank - 1]
        return scores

    def of_sentences(self, groups: int) -> list[NDArray[Any]]:
        """The records of each sentence, best first, all its groups together."""
        tables = self.table.reshape(-1, groups * self.table.shape[1])
        order = np.argsort(-tables["score"], axis=1, kind="stable")
        tables = np.take_along_axis(tables, order, axis=1)
        return [table[table["score"] > -np.inf] for table in tables]


class Backpointers:
    """The row that each row went on from, by which token, and the attention weights for it."""

    def __init__(self) -> None:
        self.parents: list[TokenIds] = []
        self.tokens: list[TokenIds] = []
        self.looks: list[Floats] = []
        """(rows,S) for each step, if kept: by the rows of the step before, for whichever token follows."""
        self.looked = 0

    def add(self, parents: TokenIds, tokens: TokenIds) -> None:
        """Note a step."""
        self.parents.append(parents)
        self.tokens.append(tokens)

    def look(self, weights: Floats, most: int) -> bool:
        """Keep attention weights (rows,S), or none of any step where they come to more than ``most``."""
        self.looked += weights.size
        self.looks.append(weights)
        if self.looked > most:
            self.looks.clear()
        return self.looked <= most

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
    """Return the hypotheses of each sentence from its records, best first, no text twice.

    ``eos_id`` does not belong to a text; ``sources`` are the source tokens of each sentence, None for as many
    as there are weights.
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
            total, score = float(record["total"]), float(record["score"])
            by_text.setdefault(tokens, Hypothesis(tokens[: len(tokens) - ended], total, score, weights))
            place += 1
        found.append(list(by_text.values()))
    return found


# ── Scores ─────────────────────────────────────────────────────────────────────────────────────────────────


class Scores:
    """Scores by length penalty and coverage; a stochastic beam ranks by perturbed log-probability alone."""

    def __init__(self, options: BeamOptions) -> None:
        self.options, self.penalty = options, "none" if options.stochastic else options.penalty

    def finished(self, totals: Doubles, made: int, covered: Doubles | None = None) -> Doubles:
        """The scores of log-probabilities (…) of texts of ``made`` tokens with coverage penalties (…)."""
        scores = totals / self._penalty(made)
        if covered is not None:
            scores += self.options.coverage * covered
        return scores

    def attainable(self, totals: Doubles, made: int, limits: NDArray[np.int64]) -> Doubles:
        """A bound on what hypotheses of ``made`` tokens will score once they have ``limits`` (…) at most.

        A log-probability is never positive and only falls, so a text that ends after n tokens scores no more
        than totals / penalty(n), with n from made + 1 to its limit. Whichever penalty and alpha, the penalty
        is monotone in n; hence it is largest, and the quotient of a number that is not positive with it, at
        one of the two ends. The coverage penalty is at most 0. For a perturbed log-probability the bound
        holds since a node's best child inherits its value.
        """
        bounds: Doubles = totals / np.maximum(self._penalty(made + 1), self._penalty(limits))
        return bounds

    def _penalty(self, length: ArrayLike) -> Doubles:
        return length_penalty(length, self.options.alpha, self.penalty, self.options.offset)


# ── Coverage ───────────────────────────────────────────────────────────────────────────────────────────────


class Covering:
    """A network's step whose state also holds the sum of all attention weights, as its last array (B,S).

    The weights with which a prompt was read are among them: what a forced beginning says need not be said
    again. So are, after each step, those with which the token that follows will be written.
    """

    def __init__(self, step: NetworkStep) -> None:
        self.step, self.fixed = step, step.fixed

    def start(self, about: Any) -> State:
        """Return the network's state before the first token, with nothing attended to."""
        return self.begin(self.step.start(about), about if isinstance(about, int) else len(about))

    def begin(self, state: State, streams: int) -> State:
        """Return a state of the network before the first token, with nothing attended to."""
        return (*state, np.zeros((streams, 1), np.float32))

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state.

        Raises:
            UsageError: if the network does not attend.
        """
        logits, after = self.step(tokens, state[:-1])
        looked = self.step.attended(after)
        if looked is None:
            raise UsageError(
                "this network does not attend to a source, so nothing can be said of what it covered; leave "
                "the coverage penalty out"
            )
        return logits, (*after, state[-1] + looked)

    def attended(self, state: State) -> "Floats | None":
        """Attention weights for the last token, (B,S)."""
        return self.step.attended(state[:-1])


def coverage_penalty(attended: NDArray[Any], sources: NDArray[Any] | None = None) -> Doubles:
    """Σ log min(sum of weights, 1) over source tokens: at most 0 (Wu et al. 2016, equation 14).

    Args:
        attended: (…,S) the sum of the weights that each received.
        sources: (…,) how many there are, the others being padding. By default all.
    """
    logs = np.log(np.clip(attended, UNSEEN, 1), dtype=np.float64)
    if sources is not None:
        logs = np.where(np.arange(attended.shape[-1]) < sources[..., None], logs, 0)
    penalty: Doubles = logs.sum(axis=-1)
    return penalty
