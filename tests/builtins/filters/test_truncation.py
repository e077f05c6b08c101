"""The filters that judge by the whole distribution, each against its definition in float64."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnngen.builtins.filters import options, truncation

NEVER = -math.inf
numbers = st.one_of(
    st.floats(-12, 12, width=32, allow_subnormal=False), st.integers(-3, 3).map(float), st.just(NEVER)
)
fractions = st.floats(0.01, 0.99)


@st.composite
def batches(draw, rows=None):
    """Logits (B,V), each row with a token that can come."""
    shape = rows or draw(st.integers(1, 3)), draw(st.integers(1, 9))
    logits = draw(hnp.arrays(np.float32, shape, elements=numbers))
    assume(np.isfinite(logits).any(axis=1).all())
    logits.flags.writeable = False
    return logits


chains = st.one_of(
    st.builds(
        lambda low, more: truncation.dynatemp(options.DynatempOptions(low, low + more)),
        st.floats(0, 3),
        st.floats(0, 3),
    ),
    st.builds(lambda p: truncation.typical(options.TypicalOptions(p)), fractions),
    st.builds(lambda e: truncation.epsilon(options.EpsilonOptions(e)), fractions),
    st.builds(lambda e: truncation.eta(options.EtaOptions(e)), fractions),
    st.builds(lambda n: truncation.top_nsigma(options.TopNSigmaOptions(n)), st.floats(0, 4)),
)


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [power / sum(powers) for power in powers]


def entropy(row):
    return -sum(p * math.log(p) for p in softmax(row) if p > 0)


def kept(row):
    return {token for token, logit in enumerate(row) if logit > NEVER}


def best(row):
    return {token for token, logit in enumerate(row) if logit == max(row)}


def check_cut(keep, logits, define):
    """A cut keeps the tokens that the definition names, with their logits."""
    for row, cut in zip(logits.tolist(), keep(logits, [[]] * len(logits)).tolist(), strict=True):
        assert kept(cut) == define(row) & kept(row)
        assert all(cut[token] == row[token] for token in kept(cut))


def apart(values, border):
    """No value is so near the border that rounding decides."""
    assume(all(abs(value - border) > 1e-6 for value in values))


# ── What holds for all ─────────────────────────────────────────────────────────────────────────────────────


@given(logits=batches(rows=3), keep=chains)
def test_a_stream_does_not_depend_on_its_neighbours(logits, keep):
    together = keep(logits, [[]] * 3)
    for row in range(3):
        assert keep(logits[row : row + 1], [[]])[0].tobytes() == together[row].tobytes()


@given(logits=batches(), keep=chains)
def test_what_was_forbidden_stays_so_and_the_best_is_left_or_something_typical(logits, keep):
    before = logits.copy()
    result = keep(logits, [[]] * len(logits))
    assert (logits.tobytes(), result.shape, result.dtype) == (before.tobytes(), before.shape, np.float32)
    assert not np.isnan(result).any()
    assert (result[np.isneginf(logits)] == NEVER).all()
    assert np.isfinite(result).any(axis=1).all()


# ── Each by its definition ─────────────────────────────────────────────────────────────────────────────────


@given(logits=batches(), low=st.floats(0.1, 2), more=st.floats(0, 2), exponent=st.floats(0.2, 3))
def test_dynamic_temperature_goes_from_low_to_high_with_the_entropy(logits, low, more, exponent):
    result = truncation.dynatemp(options.DynatempOptions(low, low + more, exponent))(
        logits, [[]] * len(logits)
    )
    for row, scaled in zip(logits.tolist(), result, strict=True):
        choices = len(kept(row))
        ratio = entropy(row) / math.log(choices) if choices > 1 else 0
        assume(ratio > 1e-9 or ratio == 0)
        np.testing.assert_allclose(
            scaled, np.array(row) / (low + more * max(ratio, 0) ** exponent), rtol=1e-5
        )


def test_dynamic_temperature_is_low_for_the_sure_and_high_for_the_clueless():
    logits = np.array([[200.0, 0.0, 0.0], [3.0, 3.0, 3.0]], np.float32)
    result = truncation.dynatemp(options.DynatempOptions(0.5, 1.5))(logits, [[], []])
    np.testing.assert_allclose(result, [[400, 0, 0], [2, 2, 2]], rtol=1e-6)


def test_dynamic_temperature_of_nothing_is_greedy():
    logits = np.log(np.array([[0.2, 0.5, 0.1, 0.2]], np.float32))
    result = truncation.dynatemp(options.DynatempOptions(0, 0))(logits, [[]])
    assert np.exp(result - result.max()).round(6).tolist() == [[0, 1, 0, 0]]


@given(logits=batches(), p=fractions)
def test_typical_keeps_the_smallest_set_of_typical_surprise_that_reaches_p(logits, p):
    def define(row):
        probability, h = softmax(row), entropy(row)
        distance = [abs(-math.log(q) - h) if q > 0 else math.inf for q in probability]
        order = sorted(range(len(row)), key=lambda token: (distance[token], token))
        gaps = [distance[b] - distance[a] for a, b in pairwise(order)]
        ties = [row[a] == row[b] for a, b in pairwise(order)]
        assume(all(gap > 1e-6 or tie or math.isnan(gap) for gap, tie in zip(gaps, ties, strict=True)))
        total, typical = 0.0, set()
        for token in order:
            apart([total], p)
            if total >= p:
                break
            typical.add(token)
            total += probability[token]
        return typical

    check_cut(truncation.typical(options.TypicalOptions(p)), logits, define)


def test_typical_may_drop_the_most_probable_token():
    logits = np.log(np.array([[0.4] + [0.1] * 6], np.float32))
    assert kept(truncation.typical(options.TypicalOptions(0.45))(logits, [[]])[0]) == {1, 2, 3, 4, 5}


@given(logits=batches(), epsilon=fractions)
def test_epsilon_keeps_what_is_so_probable_and_the_best(logits, epsilon):
    def define(row):
        probability = softmax(row)
        apart(probability, epsilon)
        return {token for token, p in enumerate(probability) if p >= epsilon} | best(row)

    check_cut(truncation.epsilon(options.EpsilonOptions(epsilon)), logits, define)


@given(logits=batches(), epsilon=fractions)
def test_eta_lowers_the_bound_where_the_entropy_is_high(logits, epsilon):
    def define(row):
        probability = softmax(row)
        least = min(epsilon, math.sqrt(epsilon) * math.exp(-entropy(row)))
        apart(probability, least)
        return {token for token, p in enumerate(probability) if p >= least} | best(row)

    check_cut(truncation.eta(options.EtaOptions(epsilon)), logits, define)


@given(logits=batches(), n=st.floats(0, 4))
def test_top_nsigma_keeps_what_is_within_n_standard_deviations(logits, n):
    def define(row):
        finite = [logit for logit in row if logit > NEVER]
        mean = sum(finite) / len(finite)
        sigma = math.sqrt(sum((logit - mean) ** 2 for logit in finite) / len(finite))
        apart([logit for logit in finite if logit < max(row)], max(row) - n * sigma)
        return {token for token, logit in enumerate(row) if logit >= max(row) - n * sigma} | best(row)

    check_cut(truncation.top_nsigma(options.TopNSigmaOptions(n)), logits, define)


@pytest.mark.parametrize("temperature", [0.25, 4.0])
def test_top_nsigma_keeps_the_same_at_any_temperature(temperature):
    logits = np.random.default_rng(0).normal(size=(5, 50)).astype(np.float32)
    keep = truncation.top_nsigma(options.TopNSigmaOptions(1.0))
    cold = keep(logits / np.float32(temperature), [[]] * 5)
    assert (np.isfinite(cold) == np.isfinite(keep(logits, [[]] * 5))).all()
