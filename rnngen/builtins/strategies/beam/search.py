"""The search behind ``beam_search``, for sentences whose prompts have been read.

A *beam* is what one group of one sentence keeps; there is one group unless the search is a diverse one. All
beams have as many rows as the fullest has living hypotheses; a row that is none of them is dead, a copy of
its beam's first. A beam that is settled leaves the batch::

    beam 0   a b c        a b c
    beam 1   d e †    ─▸              beam 1 settled
    beam 2   f g h        i j †       one of beam 2 ended
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.strategies.beam.candidates import ActiveBeams, Candidates, NextTokenLogProbs, plain
from rnngen.builtins.strategies.beam.coverage import coverage_penalty
from rnngen.builtins.strategies.beam.diversity import Diverse
from rnngen.builtins.strategies.beam.gumbel import Stochastic
from rnngen.builtins.strategies.beam.hypotheses import RECORD, Backpointers, Finished, assembled
from rnngen.builtins.strategies.beam.scores import Scores
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import NO_TOKEN, Floats, Hypothesis, NetworkStep, State, TokenIds
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import select_rows
from rnngen.decoding.sampler import SamplerState
from rnngen.errors import RnngenError

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]
Chooser = Callable[[ActiveBeams, NextTokenLogProbs, int], Candidates]
"""``choose(living, chances, C)`` → the C best continuations of each beam."""


@dataclass(frozen=True)
class Sentence:
    """What differs from sentence to sentence."""

    prompt: Sequence[int]
    length: int
    """Tokens at most."""
    seed: int
    source: int | None
    """How many source tokens it has; None for as many as there are weights."""


@dataclass(frozen=True)
class Rules:
    """What holds for all sentences."""

    options: BeamOptions
    eos_id: int | None
    chain: FilterChain
    forbidden: TokenIds
    attention: bool


class Search:
    """One search over N sentences.

    Args:
        step: the network.
        sentences: N.
        rules: how to search.
    """

    def __init__(self, step: NetworkStep, sentences: Sequence[Sentence], rules: Rules) -> None:
        self.step, self.sentences, self.rules = step, sentences, rules
        self.options, self.chain, self.eos_id = rules.options, rules.chain, rules.eos_id
        self.groups, self.width = self.options.groups, self.options.width // self.options.groups
        self.owners = np.repeat(np.arange(len(sentences)), self.groups)
        self.limits = np.repeat([sentence.length for sentence in sentences], self.groups)
        everything = np.iinfo(np.int64).max
        self.sources = np.array([everything if one.source is None else one.source for one in sentences])
        self.scores, self.backpointers = Scores(self.options), Backpointers()
        self.finished = Finished(len(self.owners), self.width)

    def run(self, logits: Floats, state: State) -> list[list[Hypothesis]]:
        """The hypotheses of each sentence from the logits (N,V) after its prompt, and the state."""
        self._begin(logits, state)
        made = 0
        while len(self.active.beams):
            made += 1
            self._step(made)
        records = self.finished.of_sentences(self.groups)
        if not all(map(len, records)):
            raise RnngenError(
                "nothing can be written: every hypothesis came to where no token is allowed; loosen the "
                "filters, or keep more hypotheses"
            )
        return assembled(
            records, self.backpointers, self.eos_id, [sentence.source for sentence in self.sentences]
        )

    # ── the beginning ──────────────────────────────────────────────────────────────────────────────────────

    def _begin(self, logits: Floats, state: State) -> None:
        """One living hypothesis in each beam, the empty text; where nothing may follow, it is finished."""
        empty = np.zeros((len(self.owners), 1), RECORD)
        empty["score"][self.limits > 0] = -np.inf
        self.finished.add(np.arange(len(self.owners)), empty)
        beams = np.flatnonzero(self.limits > 0)
        rows = self.owners[beams]
        seeds = np.array([sentence.seed for sentence in self.sentences], np.int64)
        filters = self.chain.initial(seeds[rows])
        self.streams = SamplerState((), select_rows(state, rows), filters, (), logits[rows])
        self.choose, keys = self._chooser(beams)
        cumulative = self.groups > 1 and self.options.diversity_kind == "cumulative"
        texts = np.zeros((len(rows), 0), np.int64) if self.chain.filters or cumulative else None
        self.active = ActiveBeams(beams, keys[:, None], np.zeros((len(rows), 1)), texts)

    def _chooser(self, beams: TokenIds) -> tuple[Chooser, Doubles]:
        """How candidates are chosen, and the keys (n,) of the empty texts."""
        if self.options.stochastic:
            stochastic = Stochastic([sentence.seed for sentence in self.sentences])
            return stochastic, stochastic.roots()[beams]
        return (Diverse(self.options) if self.groups > 1 else plain), np.zeros(len(beams))

    # ── a step ─────────────────────────────────────────────────────────────────────────────────────────────

    def _step(self, made: int) -> None:
        """Choose the ``made``-th token of all hypotheses, and compute what may follow it."""
        chances = self._chances(made)
        found = self.choose(self.active, chances, self.width if self.eos_id is None else 2 * self.width)
        ended = found.possible & (found.tokens == (NO_TOKEN if self.eos_id is None else self.eos_id))
        self._set_aside(made, found, ended & (np.arange(ended.shape[1]) < self.width), chances)
        alive = found.first(self.width, found.possible & ~ended)
        over = self.limits[self.active.beams] == made
        self._set_aside(made, alive, alive.possible & over[:, None], chances)
        self._go_on(alive, np.flatnonzero(~over & ~self._settled(made, alive, chances)), chances)

    def _chances(self, made: int) -> NextTokenLogProbs:
        """The distributions of the ``made``-th token, filtered."""
        logits = self.streams.logits
        assert logits is not None
        logits[:, self.rules.forbidden] = -np.inf
        if self.eos_id is not None and made <= self.options.least:
            logits[:, self.eos_id] = -np.inf
        if self.rules.attention and (looked := self.step.attended(self.streams.network)) is not None:
            self.backpointers.looks.append(looked)
        return NextTokenLogProbs(self.chain(logits, self._history(), self.streams.filters))

    def _history(self) -> list[list[int]]:
        """What filters see of each row: its prompt and its tokens so far."""
        if not self.chain.filters or self.active.texts is None:
            return []
        owners = np.repeat(self.owners[self.active.beams], self.active.keys.shape[1]).tolist()
        texts = self.active.texts.tolist()
        return [[*self.sentences[owner].prompt, *text] for owner, text in zip(owners, texts, strict=True)]

    def _totals(self, found: Candidates, chances: NextTokenLogProbs) -> Doubles:
        """The log-probabilities (n,C) of candidates; -inf where there is none."""
        totals = self.active.totals.ravel()[found.rows] + chances.of(found.rows, found.tokens)
        return np.where(found.possible, totals, -np.inf)

    def _worth(self, found: Candidates, chances: NextTokenLogProbs) -> Doubles:
        """What scores are made of."""
        return found.keys if self.options.stochastic else self._totals(found, chances)

    def _set_aside(self, made: int, found: Candidates, wanted: Mask, chances: NextTokenLogProbs) -> None:
        """Count the wanted (n,C) among candidates as finished."""
        some = np.flatnonzero(wanted.any(axis=1))
        if not len(some):
            return
        found = found.at(some, wanted.shape[1])
        covered = self._covered(found.rows, self.active.beams[some])
        scores = self.scores.finished(self._worth(found, chances), made, covered)
        records = np.empty(scores.shape, RECORD)
        records["score"] = np.where(wanted[some], scores, -np.inf)
        records["total"], records["made"] = self._totals(found, chances), made
        records["row"], records["token"] = found.rows, found.tokens
        self.finished.add(self.active.beams[some], records)

    def _covered(self, rows: TokenIds, beams: TokenIds) -> Doubles | None:
        """The coverage penalties (k,C) of what goes on from rows (k,C) of k beams."""
        if not self.options.coverage:
            return None
        attended: Floats = self.streams.network[-1][rows]  # ``Covering`` put it there
        return coverage_penalty(attended, self.sources[self.owners[beams]][:, None])

    def _settled(self, made: int, alive: Candidates, chances: NextTokenLogProbs) -> Mask:
        """Which beams (n,) have nothing to gain any more."""
        worst = self.finished.worst(self.active.beams)
        best = self._worth(alive, chances).max(axis=1)
        bound = self.scores.attainable(best, made, self.limits[self.active.beams])
        return (worst >= bound) | (worst > -np.inf) & self.options.early

    # ── to the next ────────────────────────────────────────────────────────────────────────────────────────

    def _go_on(self, alive: Candidates, kept: TokenIds, chances: NextTokenLogProbs) -> None:
        """Let the living of the beams that are kept take their tokens."""
        before = self.active
        beams, width = before.beams[kept], int(alive.possible[kept].sum(axis=1).max(initial=0))
        alive = alive.at(kept, width)
        rows, tokens = alive.filled()
        totals = self._totals(alive, chances)
        texts = None if before.texts is None else np.append(before.texts[rows], tokens[:, None], axis=1)
        self.active = ActiveBeams(beams, alive.keys, totals, texts)
        if len(beams):
            same = (len(beams), width) == before.keys.shape
            self.backpointers.add(rows, tokens)
            self._feed(rows, tokens, -chances.of(rows, tokens), same)

    def _feed(self, rows: TokenIds, tokens: TokenIds, surprisal: Doubles, same: bool) -> None:
        """Bring the network and the filters up to the tokens chosen; ``same``: its shape stays."""
        network, filters = self.streams.network, self.streams.filters
        if self.chain.stateful:
            filters = self.chain.observe(tokens, surprisal, select_rows(filters, rows))
        fixed, changing = network[: self.step.fixed], network[self.step.fixed :]
        if not same:  # hypotheses of one sentence share what is fixed: it only moves with the beams
            fixed = select_rows(fixed, rows)
        logits, network = self.step(tokens, (*fixed, *select_rows(changing, rows)))
        self.streams = SamplerState((), network, filters, (), logits)
