"""Beam search: the most probable texts, found by keeping K hypotheses of each sentence alive side by side.

::

    N·K states ─▸ logits (N·K,V) ─▸ the best 2K of each sentence ─▸ finished ones aside, K go on
         ▴                                                                                   │
         └──────────────────────────────── step, the state reordered ◂───────────────────────┘
"""

from collections.abc import Sequence

import numpy as np

from rnngen.builtins.strategies.beam.coverage import Covering
from rnngen.builtins.strategies.beam.scores import length_penalty
from rnngen.builtins.strategies.beam.search import Rules, Search, Sentence
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import AnyFilter, Hypothesis, NetworkStep, State
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import read_prefixes

__all__ = ["Hypothesis", "beam_search", "length_penalty"]


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
) -> list[list[Hypothesis]]:
    """The best hypotheses of N sentences, best first, at most K each.

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

    An end token counts only among the K best candidates, as in fairseq and transformers: so a beam of one
    without a length penalty is greedy. Of equals that win which go on from the better hypothesis, then those
    of the lowest id.

    A sentence is settled, unless ``early``, when no living hypothesis can still beat the K best finished ones
    (``Scores.attainable`` says why); what it gives is what a search to full length would.

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
    rules = Rules(options, eos_id, FilterChain(filters), np.array(sorted({*forbidden}), np.int64), attention)
    if options.coverage:
        step = covering = Covering(step)
        state = covering.begin(state, len(sentences))
    for members, logits, begun in read_prefixes(step, state, prompts):
        search = Search(step, [sentences[member] for member in members], rules)
        for member, hypotheses in zip(members, search.run(logits, begun), strict=True):
            found[member] = hypotheses
    return found
