"""A draft changes nothing of a text: neither a token of it, nor what it is distributed as, nor its state."""

from itertools import islice, product

import numpy as np
import pytest
import torch

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
from rnngen.builtins.strategies.drafts import Lookup, SmallModel
from rnngen.builtins.strategies.speculative import Foresight
from rnngen.decoding.sampler import Sampler, feed, sample
from rnngen.generation.snapshot import take_down
from rnngen.inference.build import numpy_layers
from rnngen.inference.numpy_model import NumpyStep
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import NetworkOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

V = 9
CHAINS = {
    "none": (),
    "greedy": (temperature(TemperatureOptions(0.0)),),
    "sharp": (temperature(TemperatureOptions(0.3)), top_k(TopKOptions(4))),
    "penalties": (frequency(CountOptions(penalty=0.2)), no_repeat_ngram(NoRepeatOptions(n=5))),
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

    def propose(self, sampler, count):
        return self.rng.integers(V, size=self.rng.integers(count + 1)).tolist()


class Prophet:
    """A draft that knows the text."""

    def __init__(self, text):
        self.text = text

    def propose(self, sampler, count):
        made = len(sampler.history[0])
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


def plain(step, seed, filters=(), prompt=(0, 3, 1), forbidden=()):
    return sample(step, step.start(1), prompt, filters, np.random.default_rng(seed), forbidden=forbidden)


def hastened(step, draft, seed, *given, length=5, **named):
    sampler = plain(step, seed, *given, **named)
    sampler.step = Foresight(step, sampler, draft, length)
    return sampler


def taken(sampler: Sampler, count=60):
    return list(islice(sampler, count))


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
    found = taken(hastened(large, drafts[kind](), seed, filters, forbidden=forbidden))
    assert found == taken(plain(large, seed, filters, forbidden=forbidden))
    assert 2 not in found


@pytest.mark.parametrize("length", [1, 2, 3, 7, 200])
def test_however_far_a_draft_guesses_the_text_is_the_same(large, length):
    expected = taken(plain(large, 4))
    for draft in (Wrong(), Prophet([0, 3, 1, *expected]), SmallModel(large)):
        assert taken(hastened(large, draft, 4, length=length)) == expected


@pytest.mark.parametrize("made", [1, 2, 3, 10, 11])
def test_a_text_left_off_anywhere_holds_what_it_holds_without_a_draft(large, made):
    """What ``--save-state`` keeps: state, filters' memory, history and the generator."""
    filters = CHAINS["xtc after mirostat"]
    both = plain(large, 6, filters), hastened(large, SmallModel(large), 6, filters)
    for sampler in both:
        taken(sampler, made)
    (arrays, record), (others, other_record) = map(take_down, both)
    assert record == other_record
    assert arrays.keys() == others.keys()
    assert_close(arrays.values(), others.values())


def test_drafts_leave_the_sampler_as_it_is(large, small):
    sampler = plain(large, 1, CHAINS["mirostat"])
    taken(sampler, 20)
    before = take_down(sampler)
    for draft in (Lookup(), SmallModel(small)):
        draft.propose(sampler, 6)
    arrays, record = take_down(sampler)
    assert record == before[1]
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, before[0][name])


def test_a_draft_that_breaks_down_costs_no_more_than_its_guesses(large):
    class Broken(Counting):
        def __call__(self, tokens, state):
            logits, state = super().__call__(tokens, state)
            return logits * (np.nan if self.calls % 4 == 0 else 1), state

    sampler = hastened(large, SmallModel(Broken(large)), 3)
    assert taken(sampler) == taken(plain(large, 3))
    assert sampler.step.accepted > 0


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
        counts[tuple(taken(hastened(large, drafts[kind](), seed, (), prompt), 3))] += 1
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
    sampler = hastened(step, Prophet([0, 3, 1, *expected]), 2, length=5)
    step.calls = 0  # the prompt has been read
    assert taken(sampler, 60) == expected
    assert step.calls == 10
    assert sampler.step.accepted == 50


@pytest.mark.parametrize("chain", CHAINS)
def test_a_network_that_drafts_for_itself_is_always_right(large, chain):
    """So a draft has the draws to come, and the filters' memory as it will be."""
    sampler = hastened(large, SmallModel(large), 2, CHAINS[chain])
    taken(sampler, 60)  # ten times five and one more
    assert sampler.step.accepted == sampler.step.proposed == 50


def test_after_a_miss_a_draft_guesses_less(large):
    class Noting(Wrong):
        def propose(self, sampler, count):
            counts.append(count)
            return super().propose(sampler, count)

    counts = []
    taken(hastened(large, Noting(), 0, length=16))
    assert counts[0] == 16
    assert np.mean(counts) < 4


# ── Looking up ─────────────────────────────────────────────────────────────────────────────────────────────


class Text:
    """A sampler as far as a lookup looks."""

    def __init__(self, tokens):
        self.history = [list(tokens)]


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
    found = Lookup().propose(Text(map(ord, text)), 5)
    assert "".join(map(chr, found)) == guess


def test_what_a_lookup_says_does_not_depend_on_how_the_text_came():
    text = list(map(ord, "to be or not to be, that is the question; to be or not to"))
    step_by_step = Lookup()
    for made in range(1, len(text)):
        step_by_step.propose(Text(text[:made]), 3)
    assert step_by_step.propose(Text(text), 5) == Lookup().propose(Text(text), 5)


def test_endings_that_mislead_are_trusted_no_more_until_they_are_right_again():
    rng = np.random.default_rng(0)
    lookup, misleading = Lookup(), []
    for number in rng.permutation(1000):
        misleading += [*map(ord, "mislead"), 1000 + int(number)]
    assert lookup.propose(Text([*misleading, *map(ord, "mislead")]), 1) == []
    right = [*map(ord, "mislead!" * 60)]
    assert lookup.propose(Text([*misleading, *right, *map(ord, "mislead")]), 1) == [ord("!")]
