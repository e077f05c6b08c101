"""A draft changes nothing of a text: neither a token of it, nor what it is distributed as, nor its state."""

from itertools import islice, product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fixtures.toys import feed

from rnngen.builtins.filters.adaptive import mirostat, xtc
from rnngen.builtins.filters.options import (
    CountOptions,
    MirostatOptions,
    NoRepeatOptions,
    TemperatureOptions,
    TopKOptions,
    XTCOptions,
)
from rnngen.builtins.filters.penalties import frequency, no_repeat_ngram
from rnngen.builtins.filters.truncation import temperature, top_k
from rnngen.builtins.strategies.options import SpeculativeOptions
from rnngen.builtins.strategies.sampling import Sample
from rnngen.builtins.strategies.speculative import Lookup, SmallModel, Speculative, SpeculativeSampler
from rnngen.contracts import DecodingJob
from rnngen.decoding.prefill import prefill
from rnngen.decoding.sampler import Sampler, SamplerState, TokenHistory
from rnngen.errors import UsageError
from rnngen.inference.build import numpy_layers
from rnngen.inference.numpy_model import NumpyStep
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import NetworkOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

NEVER_ENDS = SimpleNamespace(eos_id=-1)
"""A tokenizer whose end token never comes."""

V = 9
CHAINS = {
    "none": (),
    "greedy": (temperature(TemperatureOptions(0.0)),),
    "sharp": (temperature(TemperatureOptions(0.3)), top_k(TopKOptions(4))),
    "penalties": (
        frequency(CountOptions(penalty=0.2), NEVER_ENDS),
        no_repeat_ngram(NoRepeatOptions(n=5), NEVER_ENDS),
    ),
    "mirostat": (mirostat(MirostatOptions(tau=2.0, eta=0.3)),),
    "xtc after mirostat": (
        mirostat(MirostatOptions(tau=3.0)),
        xtc(XTCOptions(probability=0.5, threshold=0.2)),
    ),
}
SEEDS = range(4)


class Wrong:
    """A draft that is never right for long, and proposes other numbers of tokens at every call."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def propose(self, sampler, state, count):
        return self.rng.integers(V, size=self.rng.integers(count + 1)).tolist()


class Prophet:
    """A draft that knows the text."""

    def __init__(self, text):
        self.text = text

    def propose(self, sampler, state, count):
        made = len(state.histories[0])
        return self.text[made : made + count]


def network(cell="lstm", layers=2, seed=3, scale=0.5, hidden=12):
    """A network of random weights on NumPy."""
    part = choose(Registry(), {"cell": cell}, {})["cell"]
    torch.manual_seed(seed)
    made = RecurrentNetwork(V, NetworkOptions(hidden=hidden, layers=layers), part.build)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=scale)
    weights = {name: array.numpy().copy() for name, array in made.state_dict().items()}
    return NumpyStep(weights, numpy_layers(part, weights, layers))


@pytest.fixture(scope="module")
def large():
    return network()


@pytest.fixture(scope="module")
def small():
    return network("gru", 1, hidden=4)


class Text:
    """A text in the making: an iterator of its tokens, which keeps the state after the last."""

    def __init__(self, sampler, prompt, seed):
        step, self.sampler = sampler.model, sampler
        given = prefill(step, step.start(1), [prompt])
        self.state = sampler.start(given, [np.random.default_rng(seed)])

    def __iter__(self):
        return self

    def __next__(self):
        (token,), self.state = self.sampler.step(self.state)
        return int(token)

    @property
    def kept(self):
        """What states in files keep of it: arrays, and all else."""
        state = self.state
        arrays = [*state.network, *state.filters]
        arrays += [array for array in (state.logits, state.surprisal) if array is not None]
        return arrays, (list(state.histories[0]), state.draws[0].state, len(state.filters))


def plain(step, seed, filters=(), prompt=(0, 3, 1), forbidden=()):
    return Text(Sampler(step, filters, forbidden=forbidden), prompt, seed)


def drafted(step, draft, seed, filters=(), prompt=(0, 3, 1), *, length=5, forbidden=()):
    return Text(SpeculativeSampler(step, draft, length, filters, forbidden=forbidden), prompt, seed)


def taken(text, count=60):
    return list(islice(text, count))


def assert_close(one, other):
    for array, same in zip(one, other, strict=True):
        np.testing.assert_allclose(array, same, atol=1e-5, rtol=1e-4)


# ── Reading ahead ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_reading_ahead_is_reading_one_by_one(cell, count):
    step, tokens = network(cell, 3), np.arange(count) % V
    _, state = step(np.array([5]), step.start(1))
    logits, states = step.forward_chunk(tokens, state)
    assert logits.shape == (count, V)
    for token, row, after in zip(tokens, logits, states, strict=True):
        expected, state = step(np.array([token]), state)
        np.testing.assert_allclose(row, expected[0], atol=1e-5)
        assert_close(after, state)


# ── The same text ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", ["lookup", "small", "itself", "wrong"])
def test_a_draft_changes_no_token(large, small, kind, chain, seed):
    forbidden = [2]
    drafts = {
        "lookup": Lookup,
        "small": lambda: SmallModel(small, forbidden),
        "itself": lambda: SmallModel(large, forbidden),
        "wrong": Wrong,
    }
    filters = CHAINS[chain]
    found = taken(drafted(large, drafts[kind](), seed, filters, forbidden=forbidden))
    assert found == taken(plain(large, seed, filters, forbidden=forbidden))
    assert 2 not in found


@pytest.mark.parametrize("length", [1, 2, 3, 7, 200])
def test_however_far_a_draft_guesses_the_text_is_the_same(large, length):
    expected = taken(plain(large, 4))
    for draft in (Wrong(), Prophet([0, 3, 1, *expected]), SmallModel(large)):
        assert taken(drafted(large, draft, 4, length=length)) == expected


@pytest.mark.parametrize("made", [1, 2, 3, 10, 11])
def test_a_text_left_off_anywhere_holds_what_it_holds_without_a_draft(large, made):
    """What ``--save-state`` keeps: state, filters' memory, history and the generator."""
    filters = CHAINS["xtc after mirostat"]
    both = plain(large, 6, filters), drafted(large, SmallModel(large), 6, filters)
    for text in both:
        taken(text, made)
    (arrays, record), (others, other_record) = (text.kept for text in both)
    assert record == other_record
    assert len(arrays) == len(others)
    assert_close(arrays, others)


def test_drafts_leave_the_state_as_it_is(large, small):
    text = plain(large, 1, CHAINS["mirostat"])
    taken(text, 20)
    before = [array.copy() for array in text.kept[0]], text.kept[1]
    for draft in (Lookup(), SmallModel(small)):
        draft.propose(text.sampler, text.state, 6)
    arrays, record = text.kept
    assert record == before[1]
    for array, other in zip(arrays, before[0], strict=True):
        np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("kind", ["lookup", "small", "itself", "wrong"])
def test_going_back_to_an_older_state_draws_the_same_again(large, small, kind):
    """However much a draft has read ahead or noted of what was taken back."""
    drafts = {
        "lookup": Lookup,
        "small": lambda: SmallModel(small),
        "itself": lambda: SmallModel(large),
        "wrong": Wrong,
    }
    text = drafted(large, drafts[kind](), 3, CHAINS["mirostat"], (0, 3, 1, 0, 3, 1, 0, 3))
    states, tokens = [text.state], []
    for _ in range(50):
        tokens.append(next(text))
        states.append(text.state)
    for place in (49, 12, 0, 30, 1):
        text.state = states[place]
        assert taken(text, 50 - place) == tokens[place:]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_small_model_reads_anew_what_replaced_a_text_that_was_taken_back(large, seed):
    text, other = plain(large, seed), plain(large, seed, prompt=(4, 2, 5, 1))
    draft = SmallModel(large)
    draft.propose(text.sampler, text.state, 4)
    expected = SmallModel(large).propose(other.sampler, other.state, 4)
    assert draft.propose(other.sampler, other.state, 4) == expected == taken(other, 4)


def test_two_forks_of_a_text_do_not_know_of_each_other(large):
    text, alone = drafted(large, SmallModel(large), 3), plain(large, 3)
    taken(text, 7), taken(alone, 7)
    fork = drafted(large, Lookup(), 3)
    fork.sampler, fork.state = text.sampler, text.state._replace(draws=(text.state.draws[0].next(99),))
    alone_fork = plain(large, 3)
    alone_fork.state = alone.state._replace(draws=(alone.state.draws[0].next(99),))
    turns = [(next(text), next(fork)) for _ in range(40)]
    assert turns == [(next(alone), next(alone_fork)) for _ in range(40)]


def test_a_draft_that_breaks_down_costs_no_more_than_its_guesses(large):
    class Broken(Counting):
        def __call__(self, tokens, state):
            logits, state = super().__call__(tokens, state)
            return logits * (np.nan if self.calls % 4 == 0 else 1), state

    text = drafted(large, SmallModel(Broken(large)), 3)
    assert taken(text) == taken(plain(large, 3))
    assert text.sampler.accepted > 0


# ── The same distribution ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["lookup", "small", "wrong"])
def test_texts_are_distributed_as_the_network_says(large, small, kind):
    """All texts of three tokens by enumeration, against 2,000 that were drawn with a draft."""
    prompt, number = [4, 0, 4, 0, 4], 2000
    drafts = {"lookup": Lookup, "small": lambda: SmallModel(small), "wrong": Wrong}
    chances = {text: probability(large, prompt, text) for text in product(range(V), repeat=3)}
    assert sum(chances.values()) == pytest.approx(1)
    counts = dict.fromkeys(chances, 0)
    for seed in range(number):
        counts[tuple(taken(drafted(large, drafts[kind](), seed, (), prompt), 3))] += 1
    observed, expected = pooled(counts, {text: number * chance for text, chance in chances.items()})
    freedom = len(expected) - 1
    statistic = ((observed - expected) ** 2 / expected).sum()
    assert freedom > 20
    # Wilson and Hilferty's normal approximation of chi-square: one run in ten thousand would exceed it
    assert statistic < freedom * (1 - 2 / (9 * freedom) + 3.72 * np.sqrt(2 / (9 * freedom))) ** 3


def probability(step, prompt, text):
    logits, state = feed(step, step.start(1), prompt)
    chance = 1.0
    for token in text:
        weights = np.exp(logits[0].astype(np.float64) - logits.max())
        chance *= weights[token] / weights.sum()
        logits, state = step(np.array([token]), state)
    return chance


def pooled(counts, expected):
    """Counts and expectations of texts that should come five times, and of all others together."""
    often = [text for text, value in expected.items() if value >= 5]
    rest = [text for text in expected if expected[text] < 5]
    sums = [
        [table[text] for text in often] + [sum(table[text] for text in rest)] for table in (counts, expected)
    ]
    return np.array(sums, np.float64)


# ── Luck ───────────────────────────────────────────────────────────────────────────────────────────────────


class Counting:
    """A network that counts how often it is asked to read."""

    def __init__(self, step):
        self.step, self.fixed, self.attended, self.start, self.calls = step, 0, None, step.start, 0

    def __call__(self, tokens, state):
        self.calls += 1
        return self.step(tokens, state)

    def forward_chunk(self, tokens, state):
        self.calls += 1
        return self.step.forward_chunk(tokens, state)


def test_a_perfect_draft_of_k_tokens_needs_one_call_for_k_and_one_more(large):
    expected = taken(plain(large, 2), 60)
    step = Counting(large)
    text = drafted(step, Prophet([0, 3, 1, *expected]), 2, length=5)
    step.calls = 0  # the prompt has been read
    assert taken(text, 60) == expected
    assert step.calls == 10
    assert text.sampler.accepted == 50


@pytest.mark.parametrize("chain", CHAINS)
def test_a_network_that_drafts_for_itself_is_always_right(large, chain):
    """So a draft has the draws to come, and the filters' memory as it will be."""
    text = drafted(large, SmallModel(large), 2, CHAINS[chain])
    taken(text, 60)  # ten times five and one more
    assert text.sampler.accepted == text.sampler.proposed == 50


def test_after_a_miss_a_draft_guesses_less(large):
    class Noting(Wrong):
        def propose(self, sampler, state, count):
            counts.append(count)
            return super().propose(sampler, state, count)

    counts = []
    taken(drafted(large, Noting(), 0, length=16))
    assert counts[0] == 16
    assert np.mean(counts) < 4


# ── Looking up ─────────────────────────────────────────────────────────────────────────────────────────────


def looked_up(lookup, tokens, count):
    state = SamplerState((TokenHistory(tokens),), (), (), ())
    return lookup.propose(None, state, count)


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("a long word, a long", " word"),
        ("123456abcdefgP-zabcdefgQ-123456abcdefg", "P-zab"),  # the longest ending counts, not the last
        ("nothing twice", ""),
        ("ab", ""),
        ("-------", "-----"),
        ("abcabcabc", "abcab"),
    ],
)
def test_a_lookup_guesses_what_followed_the_longest_ending_that_came_before(text, guess):
    found = looked_up(Lookup(), map(ord, text), 5)
    assert "".join(map(chr, found)) == guess


def test_what_a_lookup_says_does_not_depend_on_how_the_text_came():
    text = list(map(ord, "to be or not to be, that is the question; to be or not to"))
    step_by_step = Lookup()
    for made in range(1, len(text)):
        looked_up(step_by_step, text[:made], 3)
    assert looked_up(step_by_step, text, 5) == looked_up(Lookup(), text, 5)


def test_endings_that_mislead_are_trusted_no_more_until_they_are_right_again():
    rng = np.random.default_rng(0)
    lookup, misleading = Lookup(), []
    for number in rng.permutation(1000):
        misleading += [*map(ord, "mislead"), 1000 + int(number)]
    assert looked_up(lookup, [*misleading, *map(ord, "mislead")], 1) == []
    right = [*map(ord, "mislead!" * 60)]
    assert looked_up(lookup, [*misleading, *right, *map(ord, "mislead")], 1) == [ord("!")]


def test_a_lookup_goes_on_after_some_of_the_text_was_taken_back():
    text = list(map(ord, "one two three one two three one"))
    lookup = Lookup()
    looked_up(lookup, text, 3)
    for length in range(len(text), 0, -1):
        guess = looked_up(lookup, text[:length], 3)
        assert guess in ([], (text + text)[length : length + 3], text[length:] + guess[len(text) - length :])


# ── As a strategy ──────────────────────────────────────────────────────────────────────────────────────────


def job_of(step, **given):
    prompts = ((0, 3, 1), (4, 4, 2))

    def start():
        return step.start(len(prompts))

    return DecodingJob(
        **{
            "model": step,
            "prefixes": prompts,
            "start": start,
            "prefill": lambda: prefill(step, start(), prompts),
            "max_tokens": (40, 30),
            "seeds": (5, 6),
            "eos_id": 0,
            "count": 2,
            "filters": CHAINS["sharp"],
            "forbidden": (2,),
            **given,
        }
    )


@pytest.mark.parametrize("draft", ["lookup", "other"])
def test_the_strategy_gives_the_texts_of_sampling_and_reports_its_luck(large, small, draft):
    strategy = Speculative(SpeculativeOptions(draft=draft))
    assert strategy.report() == ""
    job = job_of(large, load_model={"other": small}.__getitem__)
    found = [(one.prompt, list(one.tokens)) for one in strategy.generate(job)]
    assert found == [(one.prompt, list(one.tokens)) for one in Sample().generate(job)]
    done = strategy.sampler(job)
    assert strategy.report() == f"draft: {done.accepted} of {done.proposed} guessed tokens were right"


def test_a_model_that_reads_no_chunks_is_refused_in_one_line(toy):
    with pytest.raises(UsageError, match="reads one token at a time") as caught:
        next(Speculative(SpeculativeOptions()).generate(job_of(toy(V)))).tokens.__next__()
    assert "\n" not in str(caught.value)


def test_a_draft_model_where_none_can_be_opened_is_refused(large):
    with pytest.raises(UsageError, match="no other model can be opened here; use draft=lookup"):
        Speculative(SpeculativeOptions(draft="other")).sampler(job_of(large))
