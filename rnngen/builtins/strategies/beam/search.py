"""Beam search: the most probable texts, found by keeping K hypotheses of each sentence alive side by side.

::

    N·K states ─▸ logits (N·K,V) ─▸ the best 2K of each sentence ─▸ finished ones aside, K go on
         ▴                                                                                   │
         └──────────────────────────────── step, the state reordered ◂───────────────────────┘

A *beam* is what one group of one sentence keeps; there is one group unless the search is a diverse one. All
beams have as many rows as the fullest has active hypotheses; a row that is none of them is dead, a copy of
its beam's first. A beam that is settled leaves the batch::

    beam 0   a b c        a b c
    beam 1   d e †    ─▸              beam 1 settled
    beam 2   f g h        i j †       one of beam 2 ended
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnngen.builtins.strategies.beam.candidates import (
    ActiveBeams,
    Candidates,
    Diverse,
    NextTokenLogProbs,
    Stochastic,
    plain,
)
from rnngen.builtins.strategies.beam.hypotheses import (
    RECORD,
    Backpointers,
    Covering,
    Finished,
    Scores,
    assembled,
    coverage_penalty,
)
from rnngen.builtins.strategies.beam.trace import Trace
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import (
    NO_TOKEN,
    AnyFilter,
    DecodingJob,
    Floats,
    Generated,
    Hypothesis,
    NetworkStep,
    SearchNode,
    State,
    TokenIds,
)
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import read_prefixes, select_rows
from rnngen.decoding.sampler import SamplerState
from rnngen.errors import OptionError, RnngenError
from rnngen.numerics import Doubles

ROWS = 320
"""Hypotheses that are searched side by side, over all prompts; 64 prompts with 5 each…"""
CELLS = 2**15
"""…and source tokens that they have together, with the padding: memory and time go by these."""
WEIGHTS = 2**26
"""Attention weights that are kept (256 MiB); a search that comes to more keeps none."""
Mask = NDArray[np.bool_]
Chooser = Callable[[ActiveBeams, NextTokenLogProbs, int], Candidates]
"""``choose(active, log_probs, C)`` → the C best continuations of each beam."""


@dataclass(frozen=True)
class Sentence:
    """One sentence of a search."""

    prompt: Sequence[int]
    length: int
    """Tokens at most."""
    seed: int
    source: int | None
    """Number of source tokens; None for as many as there are weights."""


class Search:
    """One search over N sentences whose prompts have been read; arguments are those of ``beam_search``."""

    def __init__(
        self,
        step: NetworkStep,
        sentences: Sequence[Sentence],
        options: BeamOptions,
        *,
        eos_id: int | None,
        chain: FilterChain,
        forbidden: TokenIds,
        attention: bool,
        count: int | None = None,
        trace: list[SearchNode] | None = None,
    ) -> None:
        self.trace = None if trace is None else Trace(trace)
        self.step, self.sentences, self.options, self.eos_id = step, sentences, options, eos_id
        self.chain, self.forbidden, self.attention = chain, forbidden, attention
        self.groups, self.width = self.options.groups, self.options.width // self.options.groups
        # a group whose search ends costs the others nothing any more: each searches for all of its texts
        self.wanted = self.width if count is None or self.groups > 1 else min(count, self.width)
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
        sources = [sentence.source for sentence in self.sentences]
        return assembled(records, self.backpointers, self.eos_id, sources)

    def _begin(self, logits: Floats, state: State) -> None:
        """One active hypothesis in each beam, the empty text; where nothing may follow, it is finished."""
        empty = np.zeros((len(self.owners), 1), RECORD)
        empty["score"][self.limits > 0] = -np.inf
        self.finished.add(np.arange(len(self.owners)), empty)
        beams = np.flatnonzero(self.limits > 0)
        rows = self.owners[beams]
        seeds = np.array([sentence.seed for sentence in self.sentences], np.int64)
        filters = self.chain.initial(seeds[rows], [self.sentences[row].prompt for row in rows])
        self.streams = SamplerState((), select_rows(state, rows), filters, (), logits[rows])
        self.choose: Chooser = Diverse(self.options) if self.groups > 1 else plain
        keys = np.zeros(len(beams))
        if self.options.stochastic:
            self.choose = stochastic = Stochastic(seeds.tolist())
            keys = stochastic.roots()[beams]
        cumulative = self.groups > 1 and self.options.diversity_kind == "cumulative"
        texts = np.zeros((len(rows), 0), np.int64) if self.chain.filters or cumulative else None
        self.active = ActiveBeams(beams, keys[:, None], np.zeros((len(rows), 1)), texts)

    def _step(self, made: int) -> None:
        """Choose the ``made``-th token of all hypotheses, and compute what may follow it."""
        log_probs = self._next_log_probs(made)
        more = self.eos_id is not None or self.trace is not None
        found = self.choose(self.active, log_probs, (1 + more) * self.width)
        ended = found.possible & (found.tokens == (NO_TOKEN if self.eos_id is None else self.eos_id))
        self._set_aside(made, found, ended & (np.arange(ended.shape[1]) < self.width), log_probs)
        alive = found.first(self.width, found.possible & ~ended)
        over = self.limits[self.active.beams] == made
        self._set_aside(made, alive, alive.possible & over[:, None], log_probs)
        totals, active = self._totals(found, log_probs), self.active
        self._go_on(alive, np.flatnonzero(~over & ~self._settled(made, alive, log_probs)), log_probs)
        if self.trace:
            self.trace.note(found, totals, ended, active, self.active, over=bool(over.any()))

    def _next_log_probs(self, made: int) -> NextTokenLogProbs:
        """The distributions of the ``made``-th token, filtered."""
        logits = self.streams.logits
        assert logits is not None
        logits[:, self.forbidden] = -np.inf
        if self.eos_id is not None and made <= self.options.least:
            logits[:, self.eos_id] = -np.inf
        if self.attention and (looked := self.step.attended(self.streams.network)) is not None:
            self.attention = self.backpointers.look(looked, WEIGHTS)
        return NextTokenLogProbs(self.chain(logits, self._history(), self.streams.filters))

    def _history(self) -> list[list[int]]:
        """The prompt and the tokens so far of each row, for filters, or the latest that they want."""
        texts, most = self.active.texts, self.chain.lookback
        if not self.chain.filters or texts is None:
            return []
        owners = np.repeat(self.owners[self.active.beams], self.active.keys.shape[1]).tolist()
        if most is None:
            before = [sentence.prompt for sentence in self.sentences]
        else:
            made = texts.shape[1]
            before = [one.prompt[max(0, len(one.prompt) + made - most) :] for one in self.sentences]
            texts = texts[:, max(0, made - most) :]
        return [[*before[owner], *text] for owner, text in zip(owners, texts.tolist(), strict=True)]

    def _totals(self, found: Candidates, log_probs: NextTokenLogProbs) -> Doubles:
        """The log-probabilities (n,C) of candidates; -inf where there is none."""
        totals = self.active.totals.ravel()[found.rows] + log_probs.of(found.rows, found.tokens)
        return np.where(found.possible, totals, -np.inf)

    def _worth(self, found: Candidates, log_probs: NextTokenLogProbs) -> Doubles:
        return found.keys if self.options.stochastic else self._totals(found, log_probs)

    def _set_aside(self, made: int, found: Candidates, wanted: Mask, log_probs: NextTokenLogProbs) -> None:
        """Count the wanted (n,C) among candidates as finished."""
        some = np.flatnonzero(wanted.any(axis=1))
        if not len(some):
            return
        found = found.at(some, wanted.shape[1])
        covered = self._covered(found.rows, self.active.beams[some])
        scores = self.scores.finished(self._worth(found, log_probs), made, covered)
        records = np.empty(scores.shape, RECORD)
        records["score"] = np.where(wanted[some], scores, -np.inf)
        records["total"], records["made"] = self._totals(found, log_probs), made
        records["row"], records["token"] = found.rows, found.tokens
        self.finished.add(self.active.beams[some], records)

    def _covered(self, rows: TokenIds, beams: TokenIds) -> Doubles | None:
        """The coverage penalties (k,C) of what goes on from rows (k,C) of k beams."""
        if not self.options.coverage:
            return None
        attended: Floats = self.streams.network[-1][rows]  # ``Covering`` put it there
        return coverage_penalty(attended, self.sources[self.owners[beams]][:, None])

    def _settled(self, made: int, alive: Candidates, log_probs: NextTokenLogProbs) -> Mask:
        """True for beams (n,) that have nothing to gain any more."""
        beams = self.active.beams
        best = self._worth(alive, log_probs).max(axis=1)
        bound = self.scores.attainable(best, made, self.limits[beams])
        full = self.finished.ranked(beams, self.width) > -np.inf
        return (self.finished.ranked(beams, self.wanted) >= bound) | full & self.options.early

    def _go_on(self, alive: Candidates, kept: TokenIds, log_probs: NextTokenLogProbs) -> None:
        """Let the living of the beams that are kept take their tokens."""
        before = self.active
        beams, width = before.beams[kept], int(alive.possible[kept].sum(axis=1).max(initial=0))
        alive = alive.at(kept, width)
        rows, tokens = alive.filled()
        totals = self._totals(alive, log_probs)
        texts = None if before.texts is None else np.append(before.texts[rows], tokens[:, None], axis=1)
        self.active = ActiveBeams(beams, alive.keys, totals, texts)
        if len(beams):
            same = (len(beams), width) == before.keys.shape
            self.backpointers.add(rows, tokens)
            self._feed(rows, tokens, -log_probs.of(rows, tokens), same)

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


def beam_search(
    step: NetworkStep,
    state: State,
    prompts: Sequence[Sequence[int]],
    lengths: Sequence[int],
    options: BeamOptions,
    *,
    eos_id: int | None,
    filters: Sequence[AnyFilter] = (),
    forbidden: Sequence[int] = (),
    seeds: Sequence[int] | None = None,
    sources: Sequence[int] | None = None,
    attention: bool = False,
    count: int | None = None,
    trace: list[SearchNode] | None = None,
) -> list[list[Hypothesis]]:
    """The best hypotheses of N sentences, best first, at most ``count`` each.

    Args:
        step: the network.
        state: of N streams, before the prompts.
        prompts: what each goes on from, at least one token.
        lengths: tokens at most, the end included; a hypothesis that reaches it counts as finished.
        options: how to search.
        eos_id: the token that finishes a hypothesis; None where text does not end by itself.
        filters: shape the distribution before scoring, as in sampling.
        forbidden: tokens that never come.
        seeds: of the filters that toss coins and of a stochastic beam, one a sentence; 0 by default.
        sources: how many source tokens each sentence has, where they were padded; only these are looked at
            for ``attention`` and the coverage penalty. By default all.
        attention: whether to keep the attention weights.
        count: how many are wanted of each sentence; by default K, which is the most there are.
        trace: where everything that is weighed is noted, for one sentence.

    An end token counts only among the K best candidates, as in fairseq and transformers: so a beam of one
    without a length penalty is greedy. Of equals that win which go on from the better hypothesis, then those
    of the lowest id.

    A sentence is settled, unless ``early``, when no active hypothesis can still beat the best ``count``
    finished ones (``Scores.attainable`` says why); what it gives is what a search to full length would.

    Raises:
        UsageError: if the coverage penalty is asked of a network that does not attend.
        RnngenError: if filters leave a sentence nothing to write, or a logit is not a number.
    """
    given = zip(
        prompts,
        lengths,
        [0] * len(prompts) if seeds is None else seeds,
        [None] * len(prompts) if sources is None else sources,
        strict=True,
    )
    sentences = [Sentence(*one) for one in given]
    found: list[list[Hypothesis]] = [[] for _ in sentences]
    chain, never = FilterChain(filters), np.array(sorted({*forbidden}), np.int64)
    if options.coverage:
        step = covering = Covering(step)
        state = covering.begin(state, len(sentences))
    for members, logits, begun in read_prefixes(step, state, prompts):
        some = [sentences[member] for member in members]
        search = Search(
            step,
            some,
            options,
            eos_id=eos_id,
            chain=chain,
            forbidden=never,
            attention=attention,
            count=count,
            trace=trace,
        )
        for member, hypotheses in zip(members, search.run(logits, begun), strict=True):
            found[member] = hypotheses[:count]
    return found


class BeamSearch:
    """Searches for the most probable texts, at most as many as the beam is wide."""

    def __init__(self, options: BeamOptions) -> None:
        self.options = options
        self.draws, self.most = options.stochastic, options.width
        self.follows_output = options.least > 0
        """True where tokens are counted, which those that write the prompt's end again are not to be."""

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Return the best texts of each prompt, best first."""
        if job.count > self.options.width:
            raise OptionError(
                f"`count={job.count}` of `beam={self.options.width}`: a beam finds no more texts than it is "
                "wide"
            )
        if None in job.max_tokens:
            raise OptionError("beam search has to come to an end; give a `length` of 0 or more")
        longest = max(job.source_lengths or (1,))
        size = max(1, min(ROWS // max(5, self.options.width), CELLS // (self.options.width * longest)))
        for first in range(0, len(job.prefixes), size):
            rows = range(first, min(first + size, len(job.prefixes)))
            for prompt, hypotheses in zip(rows, self._search(job, rows), strict=True):
                for hypothesis in hypotheses[: job.count]:
                    yield Generated(prompt, hypothesis.tokens, hypothesis)

    def _search(self, job: DecodingJob, rows: range) -> list[list[Hypothesis]]:
        lengths = job.source_lengths
        return beam_search(
            job.model,
            job.start() if len(rows) == len(job.prefixes) else select_rows(job.start(), [*rows]),
            [job.prefixes[row] for row in rows],
            [job.max_tokens[row] or 0 for row in rows],
            self.options,
            eos_id=job.eos_id,
            filters=job.filters,
            forbidden=job.forbidden,
            seeds=[job.seeds[row] for row in rows],
            sources=None if lengths is None else [lengths[row] for row in rows],
            attention=job.attention,
            count=job.count if job.trace is None else None,  # who looks at a search looks at all of it
            trace=job.trace,
        )
