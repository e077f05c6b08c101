"""``contrastive``: of the few most probable tokens, the one least like what the text says already.

::

    logits ─▸ filters ─▸ the k best ─▸ read, as k rows ─▸ features (k,H) ─▸ how like those so far? ─▸ one row
      ▴                                                                                               │
      └─────────────────────────────────── predict ◂──────────────────────────────────────────────────┘
"""

from collections.abc import Iterator, Sequence
from itertools import islice, takewhile

import numpy as np

from rnngen.builtins.strategies.options import ContrastiveOptions
from rnngen.contracts import (
    AnyFilter,
    DecodingJob,
    FeatureStep,
    Floats,
    Generated,
    NetworkStep,
    State,
    TokenIds,
)
from rnngen.decoding.filter_chain import FilterChain
from rnngen.decoding.prefill import select_rows
from rnngen.errors import RnngenError, UsageError
from rnngen.numerics import Doubles


def contrastive_search(
    step: NetworkStep,
    state: State,
    prompt: Sequence[int],
    options: ContrastiveOptions,
    *,
    filters: Sequence[AnyFilter] = (),
    forbidden: Sequence[int] = (),
    seed: int = 0,
) -> Iterator[int]:
    """Generate tokens for ever; stop asking when there are enough (Su et al. 2022, arXiv 2202.06417).

    Each is the candidate v of the greatest (1 − α)·p(v) − α·maxⱼ cos(hᵥ, hⱼ): hᵥ is what the output layer
    reads after v, and j goes over all tokens so far, the prompt's too. Of equals, the lowest id wins. No
    chance is in it, but for that of filters which toss coins.

    Args:
        step: the network, one that shows its features.
        state: of one stream, before the prompt.
        prompt: tokens to go on from, at least one; not repeated in the output.
        options: how to weigh.
        filters: the chain that shapes p, and so what the candidates are.
        forbidden: tokens that never come, whatever the network says.
        seed: of the filters that toss coins.

    Raises:
        UsageError: at once, if the network shows no features, as an ensemble does not.
        RnngenError: while generating, if filters leave nothing, or a logit is not a number.
    """
    if not isinstance(step, FeatureStep):
        raise UsageError(
            "contrastive search compares what the output layer of one network reads, and this model shows no "
            "such features (several models have none in common, a copying one has none); choose another "
            "strategy"
        )
    never = np.array(forbidden, np.int64)
    return _tokens(step, state, prompt, options, chain=FilterChain(filters), never=never, seed=seed)


def _tokens(
    step: FeatureStep,
    state: State,
    prompt: Sequence[int],
    options: ContrastiveOptions,
    *,
    chain: FilterChain,
    never: TokenIds,
    seed: int,
) -> Iterator[int]:
    seen = Seen(options.window)
    for token in prompt:
        features, state = step.features(np.array([token]), state)
        seen.add(features[0])
    history = [list(prompt)]
    memory = chain.initial(np.array([seed]), history)
    while True:
        logits = step.logits(features, state)
        logits[:, never] = -np.inf
        tokens, probabilities = candidates(chain(logits, history, memory)[0], options.top_k)
        read, after = step.features(tokens, select_rows(state, [0] * len(tokens)))
        scores = (1 - options.alpha) * probabilities - options.alpha * seen.likeness(read)
        best = int(scores.argmax())
        features, state = read[[best]], select_rows(after, [best])
        seen.add(features[0])
        if chain.stateful:
            memory = chain.observe(tokens[[best]], -np.log(probabilities[[best]]), memory)
        token = int(tokens[best])
        if chain.filters:  # nobody else looks back, and a text may be endless
            history[0].append(token)
        yield token


def candidates(logits: Floats, k: int) -> tuple[TokenIds, Doubles]:
    """Logits (V,) → the k most probable tokens, by rising id, and their probabilities among all V.

    Of equals at the edge, those of lowest id; what is forbidden, or of no probability, is none.

    Raises:
        RnngenError: if every token is forbidden, or a logit is not a number.
    """
    highest = logits.max()
    if not -np.inf < highest < np.inf:
        raise RnngenError(
            f"no token can be chosen: the highest logit is {highest}; loosen the filters, or, if there are "
            "none, train the model again with a smaller --lr"
        )
    weights = np.exp(logits.astype(np.float64) - highest)
    edge = np.partition(logits, -k)[-k] if k < len(logits) else -np.inf
    near = np.flatnonzero((logits >= edge) & (weights > 0))
    tokens = np.sort(near[np.argsort(-logits[near], kind="stable")[:k]])
    probabilities: Doubles = weights[tokens] / weights.sum()
    return tokens, probabilities


class ContrastiveSearch:
    """Chooses by probability and by difference from the text so far; no chance is in it."""

    def __init__(self, options: ContrastiveOptions) -> None:
        self.options = options

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Generate one text of each prompt, one prompt after another, token by token."""
        states = job.start()
        for prompt, (prefix, most) in enumerate(zip(job.prefixes, job.max_tokens, strict=True)):
            tokens = contrastive_search(
                job.model,
                select_rows(states, [prompt]),
                prefix,
                self.options,
                filters=job.filters,
                forbidden=job.forbidden,
                seed=job.seeds[prompt],
            )
            yield Generated(prompt, takewhile(lambda token: token != job.eos_id, islice(tokens, most)))


class Seen:
    """The directions of features so far, or of the latest ``window`` of them: memory is flat then.

    ::

        rows   a b c d ─▸ a b c d e · · · ─▸ i j c d e f g h    window 8: the tenth replaces the second
    """

    FIRST = 256
    """Rows to begin with; they are doubled as they fill."""

    def __init__(self, window: int) -> None:
        self.window, self.count = window, 0
        self.rows: Floats = np.empty((0, 0), np.float32)

    def add(self, features: Floats) -> None:
        """Take note of features (H,)."""
        if self.count == len(self.rows) < self.window:
            room = min(max(self.FIRST, 2 * self.count), self.window)
            grown = np.empty((room, len(features)), np.float32)
            if self.count:
                grown[: self.count] = self.rows
            self.rows = grown
        self.rows[self.count % len(self.rows)] = _directions(features)
        self.count += 1

    def likeness(self, features: Floats) -> Doubles:
        """Features (k,H) → the greatest cosine (k,) of each with any that were seen."""
        known = self.rows[: self.count]
        greatest: Doubles = (_directions(features) @ known.T).max(axis=1).astype(np.float64)
        return greatest


def _directions(features: Floats) -> Floats:
    """Vectors (…,H) of length 1; nought stays nought, and is like nothing."""
    wide = features.astype(np.float64)  # in float32 the square of a small number is nought
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    directions: Floats = (wide / np.maximum(lengths, np.finfo(np.float64).tiny)).astype(np.float32)
    return directions
