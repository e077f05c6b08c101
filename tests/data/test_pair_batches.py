"""Batches of pairs hold every pair once an epoch, within the budget on both sides, each beside its source."""

from dataclasses import replace

import numpy as np
import pytest

from rnngen.contracts import IGNORE, NO_TOKEN
from rnngen.data.batches import SourceBatches
from rnngen.data.token_store import TokenStore
from rnngen.evaluation.perplexity import LossEvaluator

END = 0
BIG = 1_000_000
"""Tokens of sources begin here."""


def side(lengths, base):
    """Examples whose tokens are ``base`` and their own position on."""
    starts = np.concatenate([[0], np.cumsum(np.array(lengths) + 1)])
    tokens = np.arange(starts[-1] + 1) + base
    tokens[starts] = END
    return TokenStore(tokens.astype(np.uint32), starts, sum(lengths), int(tokens.max()) + 1)


def store_of(texts, sources):
    return replace(side(texts, 0), source=side(sources, BIG))


@pytest.fixture
def store():
    rng = np.random.default_rng(3)
    return store_of(rng.integers(1, 40, 300).tolist(), rng.integers(1, 40, 300).tolist())


def rows(batch):
    """What each row reads and writes: its source, its inputs and its targets, without padding."""
    for source, inputs, targets in zip(batch.source, batch.inputs, batch.targets, strict=True):
        counts = targets != IGNORE
        yield tuple(source[source != NO_TOKEN]), tuple(inputs[counts]), tuple(targets[counts])


def expected(store, numbers=None):
    found = set()
    for number in range(store.examples) if numbers is None else numbers:
        text, source = tuple(store.example(number)), tuple(store.source.example(number))
        found.add(((*source, END), (END, *text), (*text, END)))
    return found


def epoch(batches):
    found = [next(batches)]
    while batches.index < len(batches.order):
        found.append(next(batches))
    return found


@pytest.mark.parametrize("budget", [50, 200, 10_000])
def test_an_epoch_holds_every_pair_once_each_beside_its_own_source(store, budget):
    batches = SourceBatches(store, budget)
    for _ in range(3):
        found = [row for batch in epoch(batches) for row in rows(batch)]
        assert len(found) == store.examples
        assert set(found) == expected(store)


def test_few_shapes_come_again_and_again():
    """A matrix library prepares kernels for every new shape, which costs more than padding."""
    rng = np.random.default_rng(5)
    store = store_of(rng.integers(5, 30, 8_000).tolist(), rng.integers(5, 30, 8_000).tolist())
    batches = epoch(SourceBatches(store, 2_048))
    shapes = {(batch.inputs.shape, batch.source.shape) for batch in batches}
    assert len(shapes) < len(batches) / 2
    targets = sum(int((batch.targets != IGNORE).sum()) for batch in batches)
    sources = sum(int((batch.source != NO_TOKEN).sum()) for batch in batches)
    assert targets + sources > 0.6 * sum(batch.inputs.size + batch.source.size for batch in batches)


def test_a_sweep_holds_every_pair_once(store):
    found = [row for batch in SourceBatches(store, 100).sweep() for row in rows(batch)]
    assert len(found) == store.examples
    assert set(found) == expected(store)


@pytest.mark.parametrize("budget", [50, 200])
def test_both_sides_padding_included_are_within_the_budget(store, budget):
    for batch in epoch(SourceBatches(store, budget)):
        assert batch.inputs.size <= budget
        assert batch.source.size <= budget
        assert batch.reset_state.all()


def test_little_is_padding(store):
    found = epoch(SourceBatches(store, 400))
    read = sum(batch.inputs.size + batch.source.size for batch in found)
    real = 2 * store.examples + store.text_tokens + store.source.text_tokens
    assert real / read > 0.7  # sides of unlike lengths: sorting by the longer alone gives little more


def test_a_pair_longer_than_the_budget_comes_alone():
    store = store_of([3, 90, 3], [3, 3, 3])
    assert sorted(len(batch.inputs) for batch in epoch(SourceBatches(store, 20))) == [1, 2]


def test_padding_stands_at_the_end_of_sources_alone(store):
    for batch in epoch(SourceBatches(store, 200)):
        padded = batch.source == NO_TOKEN
        assert (np.diff(padded.astype(int), axis=1) >= 0).all()
        assert not padded.all(axis=1).any()
        assert padded.all(axis=0).sum() < 4  # few columns more than the longest needs
        assert (batch.inputs >= 0).all()


@pytest.mark.parametrize("limit", [10, 20, 39])
def test_pairs_with_a_longer_side_are_left_out_and_counted(store, limit):
    short = [
        number
        for number in range(store.examples)
        if max(len(store.example(number)), len(store.source.example(number))) <= limit
    ]
    batches = SourceBatches(store, 200, limit=limit)
    assert batches.left_out == store.examples - len(short)
    assert {row for batch in epoch(batches) for row in rows(batch)} == expected(store, short)


def test_a_limit_that_leaves_nothing_leaves_no_batch(store):
    batches = SourceBatches(store, 200, limit=0)
    assert batches.left_out == store.examples
    assert len(batches.starts) == 0


@pytest.mark.parametrize("read", [0, 1, 7, 60])
def test_where_it_stands_is_enough_to_read_on_exactly(store, read):
    first, second = SourceBatches(store, 150, seed=4), SourceBatches(store, 150, seed=4)
    for _ in range(read):
        next(first)
    second.restore(first.position())
    for _ in range(40):
        for one, other in zip(next(first), next(second), strict=True):
            np.testing.assert_array_equal(one, other)
    assert first.epoch == second.epoch


def test_epochs_and_seeds_are_in_other_orders(store):
    batches = SourceBatches(store, 150, seed=1)
    first, second = epoch(batches), epoch(batches)
    other = epoch(SourceBatches(store, 150, seed=2))
    orders = {tuple(row for batch in order for row in rows(batch)) for order in (first, second, other)}
    assert len(orders) == 3


def test_the_loss_of_pairs_does_not_depend_on_the_batches(store):
    """A network that says how far a row has got, by what it reads alone."""
    import torch

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(1))

        def start(self, source):
            return ((source != NO_TOKEN).sum(1),)

        def nll(self, tokens, targets, state):
            counts = targets != IGNORE
            return (counts * state[0][:, None]).sum() * self.weight, state

    judge = LossEvaluator(Counting())
    sizes = np.diff(store.starts) * np.diff(store.source.starts)
    for budget in (64, 5000):
        loss = judge.loss(SourceBatches(store, budget).sweep(), store, has_eos=True)
        assert loss.nats == pytest.approx(float(sizes.sum()))
        assert loss.tokens == store.text_tokens + store.examples


def test_the_first_tokens_of_a_store_of_pairs_are_whole_pairs(store):
    for length in (1, 40, 700, 10**6):
        cut = store.prefix(length)
        assert cut.examples == cut.source.examples >= 1
        found = [row for batch in SourceBatches(cut, 150).sweep() for row in rows(batch)]
        assert set(found) == expected(store, range(cut.examples))
