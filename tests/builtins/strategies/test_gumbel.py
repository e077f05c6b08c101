"""Stochastic beam search draws without replacement, with the probabilities that that has."""

from itertools import permutations

import numpy as np
import pytest

from rnngen.builtins.strategies.beam.candidates import conditioned
from rnngen.builtins.strategies.beam.search import beam_search
from rnngen.builtins.strategies.options import BeamOptions

END, SAMPLES = 2, 6000


class Tree:
    """Tokens 0, 1 and the end, by a table of the last token and the depth."""

    fixed = 0
    table = np.random.default_rng(3).normal(size=(3, 3, 3)).astype(np.float32) / 4

    def start(self, batch):
        return (np.zeros(batch, np.int64),)

    def __call__(self, tokens, state):
        return self.table[state[0], tokens].copy(), (state[0] + 1,)


def leaves(length):
    """The probability of every text of at most so many tokens, its end included."""
    found = {}

    def grow(text, last, chance):
        logits = Tree.table[len(text), last].astype(np.float64)
        p = np.exp(logits) / np.exp(logits).sum() * chance
        found[text + ((END,) if len(text) < length else ())] = p[END]
        for token in (0, 1):
            if len(text) + 1 < length:
                grow((*text, token), token, p[token])
            else:
                found[(*text, token)] = p[token]

    grow((), 0, 1.0)
    return {tuple(t for t in text if t != END): p for text, p in found.items()}


def drawn(width, length, seeds):
    options = BeamOptions(width, stochastic=True)
    lengths = [length] * len(seeds)
    return beam_search(
        Tree(), Tree().start(len(seeds)), [[0]] * len(seeds), lengths, options, eos_id=END, seeds=list(seeds)
    )


@pytest.fixture(scope="module")
def samples():
    return [[h.tokens for h in one] for one in drawn(2, 2, range(SAMPLES))]


def test_the_tree_has_few_leaves_that_sum_to_one():
    assert len(leaves(2)) == 7
    assert sum(leaves(2).values()) == pytest.approx(1)


def test_each_text_is_included_as_often_as_it_should_be(samples):
    """P(i in a sample of 2) = pᵢ + Σ over j of pⱼ·pᵢ/(1 − pⱼ)."""
    p = leaves(2)
    for text, chance in p.items():
        others = sum(q * chance / (1 - q) for other, q in p.items() if other != text)
        expected = chance + others
        found = sum(text in sample for sample in samples) / SAMPLES
        deviation = np.sqrt(expected * (1 - expected) / SAMPLES)
        assert abs(found - expected) < 4 * deviation


def test_samples_come_in_the_order_of_draws_without_replacement(samples):
    p = leaves(2)
    pairs = list(permutations(p, 2))
    expected = np.array([p[a] * p[b] / (1 - p[a]) for a, b in pairs]) * SAMPLES
    counts = np.array([samples.count([a, b]) for a, b in pairs])
    assert counts.sum() == SAMPLES
    assert expected.min() > 5
    statistic = ((counts - expected) ** 2 / expected).sum()
    assert statistic < len(pairs) - 1 + 4 * np.sqrt(2 * (len(pairs) - 1))


@pytest.mark.slow
def test_the_best_perturbed_log_probability_is_gumbel_distributed():
    scores = np.array([one[0].score for one in drawn(2, 2, range(SAMPLES))])
    assert abs(scores.mean() - np.euler_gamma) < 4 * np.pi / np.sqrt(6 * SAMPLES)
    assert scores.var() == pytest.approx(np.pi**2 / 6, rel=0.1)


def test_a_full_beam_draws_everything_once_and_knows_its_probability():
    p = leaves(3)
    for found in drawn(40, 3, range(5)):
        assert {h.tokens for h in found} == set(p)
        assert len(found) == len(p)
        for one in found:
            assert one.log_probability == pytest.approx(np.log(p[one.tokens]), rel=1e-5)
        scores = [one.score for one in found]
        assert scores == sorted(scores, reverse=True)


def test_a_narrower_beam_draws_the_first_of_a_wider_one_where_both_see_every_node():
    """The K highest are the same however many more are kept, as long as the noise is."""
    for seed in range(20):
        (wide,), (full,) = drawn(7, 2, [seed]), drawn(20, 2, [seed])
        assert wide == full


def test_same_seed_same_texts_and_another_seed_others():
    assert drawn(2, 3, [5]) == drawn(2, 3, [5])
    assert drawn(2, 3, range(9)) != drawn(2, 3, range(1, 10))


def test_lengths_are_not_normalised():
    (found,) = drawn(3, 3, [1])
    options = BeamOptions(3, stochastic=True, penalty="average", alpha=1.0)
    (other,) = beam_search(Tree(), Tree().start(1), [[0]], [3], options, eos_id=END, seeds=[1])
    assert found == other


def test_conditioning_keeps_the_order_and_sets_the_maximum():
    rng = np.random.default_rng(0)
    noisy = rng.gumbel(size=(4, 50)) * np.array([[1], [2], [0.1], [3]])
    noisy[:, 7] = -np.inf
    maximum = np.array([0.0, -2.0, 3.0, 1e-9])
    moved = conditioned(noisy, maximum)
    np.testing.assert_array_equal(moved.max(axis=1), maximum)
    np.testing.assert_array_equal(moved.argmax(axis=1), noisy.argmax(axis=1))
    for before, after in zip(noisy, moved, strict=True):
        assert (np.diff(after[np.argsort(before)]) >= 0).all()
        assert after[7] == -np.inf


def test_conditioning_is_its_formula_where_that_can_be_computed():
    noisy = np.array([[0.3, -0.4, 1.1, -2.0]])
    formula = -np.log(np.exp(-0.7) - np.exp(-1.1) + np.exp(-noisy))
    np.testing.assert_allclose(conditioned(noisy, np.array([0.7])), formula)
