"""An ensemble is the mean of its members, as a network like any other."""

import numpy as np
import pytest

from rnngen.builtins.strategies.beam.search import beam_search
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.inference.ensemble import Ensemble
from rnngen.numerics import log_softmax

V, END = 5, 4
SOURCES = np.array([[0, 1, 2], [3, 3, -1]])


def mean_of(several):
    return np.log(np.mean([np.exp(log_softmax(logits)) for logits in several], axis=0))


def test_its_logits_are_the_logarithm_of_the_mean_probability(toy):
    members = [toy(V, seed) for seed in range(3)]
    ensemble = Ensemble(members, 1)
    state, states = ensemble.start(2), [member.start(2) for member in members]
    for tokens in ([0, 1], [4, 2], [3, 3]):
        alone = [member(np.array(tokens), own) for member, own in zip(members, states, strict=True)]
        states = [after for _, after in alone]
        logits, state = ensemble(np.array(tokens), state)
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, mean_of([logits for logits, _ in alone]), rtol=1e-5, atol=1e-6)


def test_the_fixed_of_all_come_first_and_stay(attentive, toy):
    a, b = attentive(V, 1), attentive(V, 2)
    ensemble = Ensemble([a, b], SOURCES)
    state = ensemble.start(SOURCES)
    assert ensemble.fixed == 2
    _, after = ensemble(np.array([1, 0]), state)
    assert all(one is other for one, other in zip(after[:2], state[:2], strict=True))
    rows = np.array([1, 1, 0])
    tokens = np.array([2, 0, 1])
    logits, _ = ensemble(tokens, tuple(array[rows] for array in after))
    lone = [Ensemble([one], SOURCES) for one in (a, b)]
    parts = [one(np.array([1, 0]), one.start(SOURCES))[1] for one in lone]
    expected = [
        one(tokens, tuple(array[rows] for array in part))[0] for one, part in zip(lone, parts, strict=True)
    ]
    np.testing.assert_allclose(logits, mean_of(expected), rtol=1e-5)


def test_it_looks_where_those_look_on_average_that_do(attentive, toy):
    class Blind(attentive):
        def attended(self, state):
            return None

    a, b = attentive(V, 1), attentive(V, 2)
    ensemble = Ensemble([a, Blind(V, 3), b], SOURCES)
    _, state = ensemble(np.array([1, 0]), ensemble.start(SOURCES))
    looks = [one.attended(one(np.array([1, 0]), one.start(SOURCES))[1]) for one in (a, b)]
    np.testing.assert_allclose(ensemble.attended(state), (looks[0] + looks[1]) / 2)
    nobody = Ensemble([toy(V), toy(V, 1)], 1)
    assert nobody.attended(nobody(np.array([0]), nobody.start(1))[1]) is None


def test_what_only_one_member_allows_stays_possible_and_what_none_does_is_forbidden():
    class Says:
        fixed = 0

        def __init__(self, *logits):
            self.logits = np.array([logits], np.float32)

        def start(self, batch):
            return ()

        def __call__(self, tokens, state):
            return self.logits, ()

    ensemble = Ensemble([Says(0, -np.inf, -np.inf, -200), Says(-np.inf, 0, -np.inf, -200)], 1)
    logits, _ = ensemble(np.array([0]), ensemble.start(1))
    np.testing.assert_allclose(logits, [[np.log(0.5), np.log(0.5), -np.inf, -200]])


def test_a_beam_over_twice_the_same_network_is_a_beam_over_it(attentive):
    def search(step):
        return beam_search(
            step,
            step.start(SOURCES),
            [[END]] * 2,
            [6, 6],
            BeamOptions(3, coverage=0.4),
            eos_id=END,
            sources=[3, 2],
            attention=True,
        )

    one, two = search(attentive(V, 1)), search(Ensemble([attentive(V, 1), attentive(V, 1)], SOURCES))
    for alone, together in zip(one, two, strict=True):
        assert [h.tokens for h in alone] == [h.tokens for h in together]
        for h, other in zip(alone, together, strict=True):
            assert h.score == pytest.approx(other.score, rel=1e-5)
            np.testing.assert_allclose(h.attention, other.attention, rtol=1e-5)


def test_nobody_is_no_ensemble():
    with pytest.raises(ValueError, match="at least one"):
        Ensemble([], 1)
