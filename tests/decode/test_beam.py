"""Beam search against enumeration, where that can be done, and against its definition elsewhere."""

from itertools import product

import numpy as np
import pytest

from rnngen.builtins.filters import temperature, top_k
from rnngen.builtins.options import TemperatureOptions, TopKOptions
from rnngen.decode.beam import beam_search, length_penalty, log_softmax

V, LENGTH, END = 4, 4, 3
PROMPT = [1, 0]
ALPHAS = [0.0, 0.6, 1.0, 2.5]


def everything(network, end, alpha, length=LENGTH):
    """Every hypothesis of at most ``length`` tokens with its score, best first, by definition."""
    alive = [token for token in range(V) if token != end]
    found = list(product(alive, repeat=length))
    if end is not None:
        shorter = (product(alive, repeat=made) for made in range(length))
        found += [(*tokens, end) for some in shorter for tokens in some]
    scored = []
    for tokens in found:
        total = sum(network.log_probabilities(PROMPT, tokens))
        shown = tuple(token for token in tokens if token != end)
        scored.append((total / ((5 + len(tokens)) / 6) ** alpha, total, shown))
    return sorted(scored, reverse=True)


def by_definition(network, width, end, alpha, length):
    """Keep K, extend each by each token, keep K, to full length; nothing is stopped early."""
    alive, finished = [((), 0.0)], []
    for _ in range(length):
        extended = []
        for tokens, _ in alive:
            for token in range(V):
                more = (*tokens, token)
                extended.append((more, sum(network.log_probabilities(PROMPT, more))))
        extended.sort(key=lambda one: -one[1])
        finished += [one for one in extended[:width] if one[0][-1] == end]
        alive = [one for one in extended if one[0][-1] != end][:width]
    scored = [(total / length_penalty(len(tokens), alpha), tokens) for tokens, total in finished + alive]
    ranked = sorted(scored, reverse=True)[:width]
    return [tuple(token for token in tokens if token != end) for _, tokens in ranked]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("end", [None, END])
def test_a_full_beam_ranks_everything_as_enumeration_does(toy, end, alpha, seed):
    network = toy(V, seed)
    found = beam_search(
        network, network.start(1), PROMPT, width=V**LENGTH, length=LENGTH, end=end, alpha=alpha
    )
    expected = everything(network, end, alpha)
    assert len(found) == len(expected)
    np.testing.assert_allclose([h.score for h in found], [score for score, _, _ in expected], rtol=1e-5)
    assert found[0].tokens == expected[0][2]
    assert found[0].log_probability == pytest.approx(expected[0][1], rel=1e-5)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize("end", [None, END])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_narrow_beam_keeps_to_the_definition_though_it_stops_early(toy, width, end, alpha, seed):
    network = toy(V, seed)
    found = beam_search(network, network.start(1), PROMPT, width=width, length=5, end=end, alpha=alpha)
    assert [h.tokens for h in found] == by_definition(network, width, end, alpha, 5)


def test_it_stops_when_nothing_better_can_come(toy):
    network = toy(V, sharpness=1.0)
    found = beam_search(network, network.start(1), PROMPT, width=3, length=10_000, end=END, alpha=0.6)
    assert len(found) == 3
    assert network.steps < 1000


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("end", [None, END])
def test_a_beam_of_one_without_penalty_is_greedy(toy, end, seed):
    network, text = toy(V, seed), [*PROMPT]
    while len(text) < 12:
        token = max(range(V), key=lambda one: network.log_probabilities(text, [one]))
        if token == end:
            break
        text.append(token)
    (found,) = beam_search(network, network.start(1), PROMPT, width=1, length=10, end=end, alpha=0.0)
    assert list(found.tokens) == text[2:]


def test_of_equals_the_lowest_ids_win():
    class Uniform:
        def start(self, batch):
            return (np.zeros((batch, 1), np.float32),)

        def __call__(self, tokens, state):
            return np.zeros((len(tokens), 500), np.float32), state

    for width in (1, 2, 7):
        found = beam_search(Uniform(), Uniform().start(1), [0], width=width, length=2)
        assert [h.tokens for h in found] == [(0, token) for token in range(width)]


@pytest.mark.parametrize("width", [1, 2, 5, 1000])
def test_hypotheses_are_distinct_best_first_and_what_their_tokens_are_worth(toy, width):
    network = toy(V, seed=4)
    found = beam_search(network, network.start(1), PROMPT, width=width, length=6, alpha=0.6)
    scores = [h.score for h in found]
    assert scores == sorted(scores, reverse=True)
    assert len({h.tokens for h in found}) == len(found) == min(width, V**6)
    for hypothesis in found[:20]:
        total = sum(network.log_probabilities(PROMPT, hypothesis.tokens))
        assert hypothesis.log_probability == pytest.approx(total, rel=1e-5)
        assert hypothesis.score == pytest.approx(total / length_penalty(6, 0.6), rel=1e-5)


def test_forbidden_tokens_never_come_and_the_others_share_their_probability(toy):
    network = toy(V, seed=5)
    found = beam_search(network, network.start(1), PROMPT, width=V**3, length=3, alpha=0.0, forbidden=[0, 2])
    assert {token for h in found for token in h.tokens} == {1, 3}
    assert len(found) == 8
    assert sum(np.exp(h.log_probability) for h in found) == pytest.approx(1, rel=1e-5)
    for hypothesis in found:
        total = sum(network.log_probabilities(PROMPT, hypothesis.tokens, forbidden=[0, 2]))
        assert hypothesis.log_probability == pytest.approx(total, rel=1e-5)


def test_filters_shape_what_is_scored(toy):
    network = toy(V, seed=6)
    (only,) = beam_search(
        network, network.start(1), PROMPT, width=5, length=4, filters=[top_k(TopKOptions(1))]
    )
    assert only.log_probability == 0
    cool = beam_search(
        network,
        network.start(1),
        PROMPT,
        width=64,
        length=3,
        alpha=0.0,
        filters=[temperature(TemperatureOptions(0.5))],
    )
    assert sum(np.exp(h.log_probability) for h in cool) == pytest.approx(1, rel=1e-5)


def test_filters_see_the_history_of_their_own_hypothesis(toy):
    seen = set()

    def watch(logits, history):
        assert len(history) == len(logits)
        seen.update(tuple(row) for row in history)
        return logits

    found = beam_search(toy(V), toy(V).start(1), PROMPT, width=V**2, length=3, filters=[watch])
    assert seen == {(*PROMPT, *h.tokens[:made]) for h in found for made in range(3)} | {
        (*PROMPT, *tokens) for made in range(3) for tokens in product(range(V), repeat=made)
    }


def test_no_length_is_the_empty_text(toy):
    (found,) = beam_search(toy(V), toy(V).start(1), PROMPT, width=3, length=0, end=END)
    assert (found.tokens, found.log_probability) == ((), 0)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_length_penalty_is_that_of_wu_et_al(alpha):
    assert length_penalty(1, alpha) == 1
    assert length_penalty(7, alpha) == pytest.approx(2**alpha)


def test_log_softmax_is_exact_in_float64():
    logits = np.array([[0, 1, -np.inf, 700], [-700, -701, -702, -703]], np.float32)
    result = log_softmax(logits)
    assert result.dtype == np.float64
    np.testing.assert_allclose(np.exp(result).sum(axis=1), 1)
    assert result[0, 2] == -np.inf
    np.testing.assert_allclose(result[1, 0] - result[1], [0, 1, 2, 3])
