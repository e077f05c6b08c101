"""The conformance suite for decoding strategies: a toy network, jobs for it, and what texts must be."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import (
    DecodingJob,
    Floats,
    Generated,
    GenerationState,
    State,
    Strategy,
    StrategySpec,
    TokenIds,
    imported,
)
from rnngen.decoding.prefill import next_logits, prefill
from rnngen.decoding.sampler import Sampler
from rnngen.options import build
from rnngen.testing import checks

END, OPENING, NEVER = 0, 1, 2
"""The token that ends a text; one that only prefixes have, as the network gives it no chance; one that jobs
forbid, though the network likes it best."""
VOCABULARY = 9
PREFIXES = ((OPENING, 3, 4), (OPENING, 5, 5), (OPENING, 8, 3))
MOST = (12, 0, 7)
"""Tokens of each text at most."""
ONLY = 6
"""The token that a filter leaves alone."""

Texts = list[tuple[int, tuple[int, ...]]]
"""Texts with the numbers of their prompts."""


@checks.suite
def check_strategy(spec: StrategySpec, **options: str) -> None:
    """Check a strategy against its contract; one that generates several texts of a prompt is asked for two.

    The network has every capability that a strategy may ask for, and computes each stream by itself.
    """

    def make() -> Strategy:
        chosen = build(spec.options, options, owner=f"strategy {spec.name!r}")
        strategy: Strategy = imported(spec.load)(chosen)
        return strategy

    count = 2 if "count" in spec.can else 1
    texts = _check_texts(make, _job(count=count))
    for prompt, tokens in _check_texts(make, _job(count=count, model=ToyNetwork(ends_after=5))):
        limit = min(5, MOST[prompt])
        assert len(tokens) <= limit, f"a text goes on after its end: {len(tokens)} tokens, {limit} expected"
    assert _texts(make, _job(count=count)) == texts, "the same seeds give other texts the second time"
    _check_seeds(spec, make, _job(count=count), texts)
    for prompt, tokens in _texts(make, _job(count=count, filters=[_Watchful(), _only])):
        assert set(tokens) <= {ONLY}, f"prompt {prompt} has tokens that the job's filters forbid: {tokens}"
    _check_alone(make, count, texts)
    _check_let_go(make, _job(count=count), texts)
    _check_abilities(spec, make, count)


class ToyNetwork:
    """A recurrent network that shows features and reads chunks; no stream's bits depend on the others.

    Args:
        ends_after: from so many generated tokens on, nothing but the end may come; None: never the end.
    """

    fixed, feature_size = 0, 6

    def __init__(self, ends_after: int | None = None) -> None:
        rng = np.random.default_rng(3)
        self.inputs, self.recurrent = rng.normal(size=(VOCABULARY, 4)), rng.normal(size=(4, 4))
        self.outputs = 1.5 * rng.normal(size=(4, VOCABULARY))
        self.ends_after = ends_after

    def start(self, batch: int) -> State:
        """Return h (B,4) and how many tokens were read (B,1)."""
        return np.zeros((batch, 4), np.float32), np.zeros((batch, 1), np.int64)

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """Read a token of each stream → logits (B,V) and the state."""
        features, state = self.features(tokens, state)
        return self.logits(features, state), state

    def features(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """Return h (B,4) with the number of tokens and a constant beside it, and the state."""
        pairs = zip(self.inputs[tokens], state[0], strict=True)
        h = np.array([np.tanh(x + row @ self.recurrent) for x, row in pairs], np.float32).reshape(-1, 4)
        read = state[1] + 1
        return np.hstack([h, read, np.ones_like(read)]).astype(np.float32), (h, read)

    def logits(self, features: Floats, state: State) -> Floats:  # noqa: ARG002
        """Features (B,6) and the state after their tokens → logits (B,V)."""
        logits: Floats = np.array([row[:4] @ self.outputs for row in features], np.float32)
        logits = logits.reshape(-1, VOCABULARY)
        logits[:, OPENING], logits[:, NEVER] = -np.inf, 6
        if self.ends_after is None:
            logits[:, END] = -np.inf
        else:
            over = features[:, 4] >= len(PREFIXES[0]) + self.ends_after
            logits[over] = np.where(np.arange(VOCABULARY) == END, 0, -np.inf)
        return logits

    def forward_chunk(self, tokens: TokenIds, state: State) -> tuple[Floats, list[State]]:
        """Read several tokens of one stream."""
        rows, states = [], []
        for token in tokens:
            logits, state = self(np.array([token]), state)
            rows.append(logits)
            states.append(state)
        return np.concatenate(rows), states

    def attended(self, state: State) -> None:  # noqa: ARG002
        """Return nothing: there is no source."""
        return


class _Watchful:
    """A filter that leaves all as it is, and sees to it that it is called as filters are."""

    def initial(self, seeds: TokenIds) -> State:
        return (np.zeros(len(seeds), np.int64),)

    def __call__(self, logits: Floats, history: Sequence[Sequence[int]], state: State) -> Floats:
        assert len(history) == len(logits) == len(state[0]), (
            f"filters get {len(history)} histories and {len(state[0])} states for {len(logits)} rows"
        )
        for past, observed in zip(history, state[0].tolist(), strict=True):
            assert tuple(past[: len(PREFIXES[0])]) in PREFIXES, "a filter's history lacks the prefix"
            made = len(past) - len(PREFIXES[0])
            assert observed == made, f"a filter observed {observed} of the {made} tokens generated"
        return logits

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:
        assert len(tokens) == len(surprisal), "not every token comes with its surprisal"
        assert (surprisal > -1e-6).all(), f"a surprisal is {surprisal.min()}: it is −ln p, of a filtered p"
        return (state[0] + 1,)


def _only(logits: Floats, history: object) -> Floats:  # noqa: ARG001
    """Leave one token."""
    return np.where(np.arange(VOCABULARY) == ONLY, logits, -np.inf).astype(np.float32)


def _job(
    places: Sequence[int] = range(len(PREFIXES)),
    *,
    model: ToyNetwork | None = None,
    most: Sequence[int | None] = MOST,
    **given: Any,
) -> DecodingJob:
    """A job for some of the prompts."""
    network = model or ToyNetwork(ends_after=40)
    prefixes = tuple(PREFIXES[place] for place in places)
    start = partial(network.start, len(prefixes))
    own = {
        "model": network,
        "prefixes": prefixes,
        "start": start,
        "prefill": lambda: prefill(network, start(), prefixes),
        "max_tokens": tuple(most[place] for place in places),
        "seeds": tuple(70 + place for place in places),
        "eos_id": END,
        "forbidden": (NEVER,),
        "filters": (_Watchful(),),
        "text": lambda tokens: (chr(ord("a") + token) for token in tokens),
        "load_model": lambda _: ToyNetwork(network.ends_after),
    }
    return DecodingJob(**{**own, **given})


def _texts(make: Any, job: DecodingJob) -> Texts:
    """Every text, in the order in which they come."""
    return [(one.prompt, tuple(one.tokens)) for one in make().generate(job)]


# ── what is checked ────────────────────────────────────────────────────────────────────────────────────────


def _check_texts(make: Any, job: DecodingJob) -> Texts:
    texts = _texts(make, job)
    counts = Counter(prompt for prompt, _ in texts)
    for prompt, most in enumerate(job.max_tokens):
        wanted = job.count if most else min(job.count, counts[prompt])  # the empty text may come once
        assert counts[prompt] == wanted >= 1, (
            f"prompt {prompt} has {counts[prompt]} texts, and count={job.count} was asked for"
        )
    assert sum(counts.values()) == len(texts), "a text is of a prompt that there is not"
    for prompt, tokens in texts:
        most = job.max_tokens[prompt]
        assert most is None or len(tokens) <= most, f"a text has {len(tokens)} tokens, and at most {most}"
        for token, fault in (
            (OPENING, "the prefix, or a token of probability 0, is part of a text"),
            (NEVER, "a forbidden token is part of a text"),
            (END, "the end token is part of a text"),
        ):
            assert token not in tokens, f"{fault}: {tokens}"
    return texts


def _check_seeds(spec: StrategySpec, make: Any, job: DecodingJob, texts: Texts) -> None:
    others = [
        _texts(make, replace(job, seeds=tuple(seed + more for seed in job.seeds))) for more in (100, 200, 300)
    ]
    if spec.draws:
        assert any(other != texts for other in others), "it draws, says its spec, yet no seed matters"
    else:
        assert all(other == texts for other in others), "it does not draw, says its spec, yet seeds matter"


def _check_alone(make: Any, count: int, texts: Texts) -> None:
    for place in range(len(PREFIXES)):
        alone = [tokens for _, tokens in _texts(make, _job([place], count=count))]
        together = [tokens for prompt, tokens in texts if prompt == place]
        fault = f"the texts of a prompt depend on the others beside it: {together}, and {alone} alone"
        assert alone == together, fault


def _check_let_go(make: Any, job: DecodingJob, texts: Texts) -> None:
    for taken in (0, 2):
        found = []
        for place, one in enumerate(make().generate(job)):
            tokens = iter(one.tokens)
            found.append((one.prompt, tuple(tokens if place % 2 else islice(tokens, taken))))
        expected = [(n, text if place % 2 else text[:taken]) for place, (n, text) in enumerate(texts)]
        assert found == expected, f"where only {taken} tokens of a text are taken, the next one is another"


def _check_abilities(spec: StrategySpec, make: Any, count: int) -> None:
    """Hold what the spec says that it can."""
    endless = _job([0], model=ToyNetwork(), most=(None,))
    if "endless" in spec.can:
        first = next(iter(make().generate(endless)))
        assert len([*islice(first.tokens, 60)]) == 60, "a text without a limit does not go on"
    if "resume" in spec.can:
        job = _job([0], model=ToyNetwork())
        assert _resumable(make(), job) == _texts(make, job)[0][1], (
            "what `sampler` draws token by token is not the text that `generate` gives"
        )
    if "blend" in spec.can:
        job, other = _job([0], count=count, filters=()), _job([1], count=count, filters=(), most=(0, 12))
        given = next_logits(other.model, other.prefill())
        blended = replace(job, prefill=lambda: GenerationState(job.prefixes, given.state, given.logits))
        expected = [tokens for _, tokens in _texts(make, replace(other, seeds=job.seeds))]
        assert [tokens for _, tokens in _texts(make, blended)] == expected, (
            "texts do not go on from what `prefill` gives, which may be a blend"
        )
    if "rank" in spec.can:
        scores = [_score(one) for one in make().generate(_job([0], count=count))]
        assert scores == sorted(scores, reverse=True), f"the texts do not come best first: {scores}"


def _resumable(strategy: Any, job: DecodingJob) -> tuple[int, ...]:
    """A text of a sampler, gone on with from one state after another."""
    sampler: Sampler = strategy.sampler(job)
    state, tokens = sampler.start(job.prefill(), [np.random.default_rng([job.seeds[0], 0])]), []
    for _ in range(job.max_tokens[0] or 0):
        (token,), state = sampler.step(state)
        tokens.append(int(token))
    return tuple(tokens)


def _score(one: Generated) -> float:
    for _ in one.tokens:
        pass
    assert one.hypothesis is not None, "it ranks texts, says its spec, yet gives no hypothesis"
    return one.hypothesis.score
