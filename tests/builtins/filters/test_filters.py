"""Each filter against its definition, in float64 and a token at a time."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from rnngen.builtins.filters import options, penalties, truncation

NEVER_ENDS = SimpleNamespace(eos_id=-1)
"""A tokenizer whose end token never comes."""

NEVER = -math.inf
numbers = st.one_of(
    st.floats(-12, 12, width=32, allow_subnormal=False),
    st.integers(-3, 3).map(float),  # for ties
    st.just(NEVER),
)


@st.composite
def batches(draw, rows=None):
    """Logits (B,V), each row with a token that can come, and a history for each row."""
    shape = rows or draw(st.integers(1, 4)), draw(st.integers(1, 9))
    logits = draw(hnp.arrays(np.float32, shape, elements=numbers))
    assume(np.isfinite(logits).any(axis=1).all())
    token = st.integers(0, shape[1] - 1)
    histories = st.lists(st.lists(token, max_size=6), min_size=shape[0], max_size=shape[0])
    logits.flags.writeable = False
    return logits, draw(histories)


chains = st.one_of(
    st.builds(truncation.temperature, st.builds(options.TemperatureOptions, st.floats(0, 5))),
    st.builds(truncation.top_k, st.builds(options.TopKOptions, st.integers(1, 12))),
    st.builds(truncation.top_p, st.builds(options.TopPOptions, st.floats(0.01, 1))),
    st.builds(truncation.min_p, st.builds(options.MinPOptions, st.floats(0, 1))),
    st.builds(
        penalties.repetition,
        st.builds(options.RepetitionOptions, st.floats(0.1, 9), window=st.integers(0, 4)),
        st.just(NEVER_ENDS),
    ),
)


def softmax(row):
    powers = [math.exp(x - max(row)) for x in row]
    return [power / sum(powers) for power in powers]


def best_first(row):
    """Ids by falling logit; of equals, the lower id first."""
    return sorted(range(len(row)), key=lambda token: (-row[token], token))


def kept(row):
    return {token for token, logit in enumerate(row) if logit > NEVER}


# ── What holds for all ─────────────────────────────────────────────────────────────────────────────────────


@given(batch=batches(), keep=chains)
def test_arguments_stay_as_they_were(batch, keep):
    logits, history = batch
    before, past = logits.copy(), [list(row) for row in history]
    keep(logits, history)
    assert logits.tobytes() == before.tobytes()
    assert history == past


@given(batch=batches(rows=3), keep=chains)
def test_a_stream_does_not_depend_on_its_neighbours(batch, keep):
    logits, history = batch
    together = keep(logits, history)
    for row in range(3):
        alone = keep(logits[row : row + 1], history[row : row + 1])
        assert alone[0].tobytes() == together[row].tobytes()


@given(batch=batches(), keep=chains)
def test_what_was_forbidden_stays_so_and_something_is_left(batch, keep):
    logits, history = batch
    result = keep(logits, history)
    assert result.shape == logits.shape
    assert result.dtype == np.float32
    assert not np.isnan(result).any()
    assert (result[np.isneginf(logits)] == NEVER).all()
    assert np.isfinite(result).any(axis=1).all()


# ── Each by its definition ─────────────────────────────────────────────────────────────────────────────────


@given(batch=batches(), temperature=st.floats(0.05, 20))
def test_temperature_divides_the_logits(batch, temperature):
    logits, history = batch
    scaled = truncation.temperature(options.TemperatureOptions(temperature))(logits, history)
    np.testing.assert_allclose(scaled, logits.astype(np.float64) / temperature, rtol=1e-6)


@given(batch=batches())
def test_temperature_0_draws_the_argmax_and_the_next_best_where_that_is_forbidden(batch):
    logits, history = batch
    cold = truncation.temperature(options.TemperatureOptions(0.0))(logits, history)
    for row, result in zip(logits, cold, strict=True):
        best, p = int(row.argmax()), np.array(softmax(result.tolist()))
        assert (p[best], p.sum()) == (1, 1)
        assert kept(result) == kept(row)
        rest, others = result.copy(), row.copy()
        rest[best] = others[best] = -np.inf
        if kept(others):
            near = 1e-6 * float(
                np.abs(row[np.isfinite(row)]).max()
            )  # gaps from the best are rounded to float32
            assert others[rest.argmax()] == pytest.approx(others.max(), abs=max(near, 1e-20))


@given(batch=batches(), temperature=st.sampled_from([1e-320, 1e-46, 1e-40, 1e-25, 1e25, 1e40, 1e300]))
def test_temperatures_beyond_float32_are_cold_and_hot_not_nonsense(batch, temperature):
    logits, history = batch
    result = truncation.temperature(options.TemperatureOptions(temperature))(logits, history)
    for row, scaled in zip(logits, result, strict=True):
        expected = best_first(row)[0] if temperature < 1 else None
        assert kept(scaled) <= kept(row)
        if expected is not None:
            assert scaled.argmax() == expected
        else:
            finite = scaled[np.isfinite(row)]
            assert np.ptp(finite) < 1e-20


@given(batch=batches(), k=st.integers(1, 12))
def test_top_k_keeps_the_k_best(batch, k):
    logits, history = batch
    result = truncation.top_k(options.TopKOptions(k))(logits, history)
    for row, cut in zip(logits, result, strict=True):
        assert kept(cut) == set(best_first(row)[:k]) & kept(row)
        assert all(cut[token] == row[token] for token in kept(cut))


@given(batch=batches(), p=st.floats(0.01, 1))
def test_top_p_keeps_the_smallest_set_that_reaches_p(batch, p):
    logits, history = batch
    result = truncation.top_p(options.TopPOptions(p))(logits, history)
    for row, cut in zip(logits.tolist(), result.tolist(), strict=True):
        probability, total, nucleus = softmax(row), 0.0, set()
        for token in best_first(row):
            assume(abs(total - p) > 1e-5)  # at the border, rounding decides
            if total >= p:
                break
            nucleus.add(token)
            total += probability[token]
        assert kept(cut) == nucleus & kept(row)
        assert all(cut[token] == row[token] for token in kept(cut))


@pytest.mark.parametrize(("p", "count"), [(0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (0.76, 4), (1.0, 4)])
def test_top_p_reached_exactly_is_reached(p, count):
    result = truncation.top_p(options.TopPOptions(p))(np.zeros((1, 4), np.float32), [[]])
    assert kept(result[0]) == set(range(count))


@given(batch=batches(), p=st.floats(0.001, 1))
def test_min_p_keeps_what_is_near_the_best(batch, p):
    logits, history = batch
    result = truncation.min_p(options.MinPOptions(p))(logits, history)
    for row, cut in zip(logits.tolist(), result.tolist(), strict=True):
        least = max(row) + math.log(p)
        assume(all(abs(logit - least) > 1e-5 for logit in row) or p == 1)
        assert kept(cut) == {token for token, logit in enumerate(row) if logit >= least and logit > NEVER}
        assert all(cut[token] == row[token] for token in kept(cut))


@given(batch=batches())
def test_min_p_of_0_and_top_p_of_1_do_nothing(batch):
    logits, history = batch
    np.testing.assert_array_equal(truncation.min_p(options.MinPOptions(0.0))(logits, history), logits)
    whole = truncation.top_p(options.TopPOptions(1.0))(logits, history)
    lost = np.isneginf(whole) & ~np.isneginf(logits)
    spread = logits.max(axis=1, keepdims=True) - logits
    assert (spread[lost] > 15).all()  # only what float32 can no longer tell from impossible


@given(batch=batches(), penalty=st.floats(0.2, 5), window=st.integers(0, 4))
def test_repetition_divides_above_zero_and_multiplies_below(batch, penalty, window):
    logits, history = batch
    result = penalties.repetition(options.RepetitionOptions(penalty, window), NEVER_ENDS)(logits, history)
    for row, past, changed in zip(logits.tolist(), history, result, strict=True):
        lately = past[len(past) - window :] if 0 < window < len(past) else past
        expected = [
            logit if token not in lately else logit / penalty if logit > 0 else logit * penalty
            for token, logit in enumerate(row)
        ]
        np.testing.assert_allclose(changed, expected, rtol=1e-6)


@pytest.mark.parametrize("penalty", [1e-300, 1e-46, 1e46, 1e300])
def test_penalties_beyond_float32_give_numbers(penalty):
    logits = np.array([[3.0, -3.0, 0.0, NEVER]], np.float32)
    result = penalties.repetition(options.RepetitionOptions(penalty), NEVER_ENDS)(logits, [[0, 1, 2, 3]])
    assert np.isfinite(result[0, :3]).all()
    assert result[0, 3] == NEVER
    np.testing.assert_array_equal(np.sign(result[0, :3]), [1, -1, 0])
