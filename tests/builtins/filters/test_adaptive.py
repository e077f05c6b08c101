"""XTC and Mirostat: what they keep by their definitions, and how their state goes on."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rnngen.builtins.filters import adaptive, options

NEVER = -math.inf
rows = st.lists(st.floats(-8, 8, width=32, allow_subnormal=False), min_size=1, max_size=9)


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [power / sum(powers) for power in powers]


def kept(row):
    return {token for token, logit in enumerate(row) if logit > NEVER}


def apply(keep, row, state):
    logits = np.array([row], np.float32)
    logits.flags.writeable = False
    result = keep(logits, [[]], state)[0]
    assert all(result[token] == logits[0, token] for token in kept(result))
    return kept(result)


# ── XTC ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(row=rows, threshold=st.floats(0.01, 0.6))
def test_xtc_excludes_all_top_choices_but_the_least_probable(row, threshold):
    probability = softmax(row)
    assume(all(abs(p - threshold) > 1e-6 for p in probability))
    top = sorted((token for token, p in enumerate(probability) if p >= threshold), key=lambda t: (row[t], -t))
    keep = adaptive.xtc(options.XTCOptions(1.0, threshold))
    assert apply(keep, row, keep.initial(np.array([3]))) == set(range(len(row))) - set(top[1:])


def test_xtc_of_probability_0_does_nothing_and_otherwise_comes_as_often_as_said():
    row = [2.0, 2.0, 0.0]
    never = adaptive.xtc(options.XTCOptions(0.0))
    assert apply(never, row, never.initial(np.array([3]))) == {0, 1, 2}
    keep, excluded, number = adaptive.xtc(options.XTCOptions(0.3)), 0, 2000
    state = keep.initial(np.array([3]))
    for _ in range(number):
        excluded += apply(keep, row, state) == {1, 2}
        state = keep.observe(np.array([1]), np.zeros(1), state)
    assert abs(excluded - 0.3 * number) < 4 * math.sqrt(number * 0.3 * 0.7)


def test_coins_depend_on_the_seed_and_the_step_alone():
    keep, logits = adaptive.xtc(options.XTCOptions(0.5)), np.zeros((4, 3), np.float32)

    def course(seeds):
        state, made = keep.initial(np.array(seeds)), []
        for _ in range(60):
            made.append(np.isfinite(keep(logits[: len(seeds)], [[]] * len(seeds), state)).all(axis=1))
            state = keep.observe(np.zeros(len(seeds), np.int64), np.zeros(len(seeds)), state)
        return np.array(made)

    together = course([5, 6, 5, 7])
    for place, seed in enumerate([5, 6, 5, 7]):
        assert (course([seed])[:, 0] == together[:, place]).all()
    assert (together[:, 0] != together[:, 1]).any()


# ── Mirostat ───────────────────────────────────────────────────────────────────────────────────────────────


@given(row=rows, bound=st.floats(0.1, 12))
def test_mirostat_2_drops_what_surprises_more_than_the_bound(row, bound):
    surprisal = [-math.log2(p) for p in softmax(row)]
    assume(all(abs(s - bound) > 1e-6 for s in surprisal))
    expected = {t for t, s in enumerate(surprisal) if s <= bound} | {
        t for t, x in enumerate(row) if x == max(row)
    }
    assert apply(adaptive.mirostat(options.MirostatOptions(2)), row, (np.array([bound]),)) == expected


@given(
    row=st.lists(st.floats(-8, 8, width=32), min_size=3, max_size=130, unique=True), bound=st.floats(0.1, 12)
)
def test_mirostat_1_keeps_the_k_of_zipfs_law(row, bound):
    inorder = sorted(row)
    assume(all(b - a > 1e-4 for a, b in pairwise(inorder)))  # as float32 probabilities these would tie
    p = sorted(softmax(row), reverse=True)
    best = p[:100]
    b = [math.log(best[i] / best[i + 1]) for i in range(len(best) - 1)]
    t = [math.log((i + 2) / (i + 1)) for i in range(len(best) - 1)]
    s = sum(x * y for x, y in zip(t, b, strict=True)) / sum(x * x for x in t)
    assume(abs(s - 1) > 1e-4 and s > 0.05)
    epsilon = s - 1
    k = (epsilon * 2**bound / (1 - len(row) ** -epsilon)) ** (1 / s)
    assume(k > len(row) or abs(k - round(k)) > 1e-3)
    expected = sorted(range(len(row)), key=lambda token: -row[token])[: max(int(min(k, len(row))), 1)]
    assert apply(adaptive.mirostat(options.MirostatOptions(1)), row, (np.array([bound]),)) == set(expected)


@pytest.mark.parametrize(
    "row", [[1.0], [0.0, NEVER], [2.0] * 7, [0.0, -1000.0, -1000.0], [5.0, 5.0, NEVER, 1.0]]
)
@pytest.mark.parametrize("bound", [-50.0, 0.0, 3.0, 5000.0])
@pytest.mark.parametrize("version", [1, 2])
def test_mirostat_always_keeps_something_possible(row, bound, version):
    found = apply(adaptive.mirostat(options.MirostatOptions(version)), row, (np.array([bound]),))
    assert found
    assert found <= kept(row)


def test_the_bound_starts_at_twice_the_target_and_follows_the_surprise():
    keep = adaptive.mirostat(options.MirostatOptions(2, tau=3.0, eta=0.5))
    state = keep.initial(np.arange(2))
    assert state[0].tolist() == [6, 6]
    after = keep.observe(np.array([0, 0]), np.array([5.0, 1.0]) * math.log(2), state)
    np.testing.assert_allclose(after[0], [6 - 0.5 * (5 - 3), 6 - 0.5 * (1 - 3)])
    assert state[0].tolist() == [6, 6]


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("tau", [2.0, 4.0])
def test_the_surprise_of_a_long_text_comes_near_the_target(version, tau):
    """Words by Zipf's law, whose own surprise is 7 bits."""
    rng, keep = np.random.default_rng(0), adaptive.mirostat(options.MirostatOptions(version, tau))
    logits = -np.log(np.arange(1, 1001, dtype=np.float32))[None]
    state, total, number = keep.initial(np.array([0])), 0.0, 1500
    for _ in range(number):
        weights = np.exp(keep(logits, [[]], state)[0].astype(np.float64))
        p = weights / weights.sum()
        token = rng.choice(len(p), p=p)
        total -= math.log2(p[token])
        state = keep.observe(np.array([token]), -np.log(p[[token]]), state)
    assert abs(total / number - tau) < 0.2
