"""The filters against repetition, each against its definition, a token at a time."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.builtins.filters import penalties
from rnngen.builtins.filters.options import CountOptions, DryOptions, NoRepeatOptions, RepetitionOptions

V = 4
pasts = st.lists(st.integers(0, V - 1), max_size=14)
windows = st.integers(0, 8)


class Signs:
    """A tokenizer of four tokens, of which the last breaks repetitions."""

    pieces = (b"a", b"b", b"c", b"x.")
    eos_id = -1


def changed(keep, past):
    """What a filter makes of logits of 0, for one stream beside another."""
    logits = np.zeros((2, V), np.float32)
    logits.flags.writeable = False
    return keep(logits, [past, []])[0].tolist()


def lately(past, window):
    return past[len(past) - window :] if 0 < window < len(past) else past


@given(past=pasts, window=windows, penalty=st.floats(-2, 2, width=32))
def test_frequency_counts_and_presence_does_not(past, window, penalty):
    counts = [lately(past, window).count(token) for token in range(V)]
    options = CountOptions(penalty, window)
    expected = [-penalty * count for count in counts]
    np.testing.assert_allclose(changed(penalties.frequency(options, Signs()), past), expected, rtol=1e-6)
    expected = [-penalty * (count > 0) for count in counts]
    np.testing.assert_allclose(changed(penalties.presence(options, Signs()), past), expected, rtol=1e-6)


@pytest.mark.parametrize("make", [penalties.repetition, penalties.frequency, penalties.presence])
def test_the_end_that_examples_stand_after_does_not_count_as_repeated(make):
    options = RepetitionOptions(2.0) if make is penalties.repetition else CountOptions(2.0)
    keep = make(options, SimpleNamespace(eos_id=3))
    once = keep(np.ones((1, V), np.float32), [[3, 0]])[0]
    assert once[0] < once[1] == once[2] == once[3] == 1


def test_an_example_may_end_though_an_end_stands_before_it():
    keep = penalties.no_repeat_ngram(NoRepeatOptions(1), SimpleNamespace(eos_id=3))
    assert np.isfinite(keep(np.zeros((1, V), np.float32), [[3, 0]])[0]).tolist() == [False, True, True, True]


@given(past=pasts, window=windows, n=st.integers(1, 4))
def test_no_ngram_comes_twice_and_nothing_else_is_forbidden(past, window, n):
    result = changed(penalties.no_repeat_ngram(NoRepeatOptions(n, window), Signs()), past)
    text = lately(past, window)
    for token in range(V):
        more = [*text, token]
        grams = [tuple(more[i : i + n]) for i in range(len(more) - n + 1)]
        twice = bool(grams) and grams[-1] in grams[:-1]
        assert (result[token] == -np.inf) == twice


def repetition_length(text, token, breaker):
    """The longest end of a text that stands before ``token`` in it; by trying all."""
    for length in range(len(text) - 1, 0, -1):
        end = text[len(text) - length :]
        if breaker in end:
            continue
        if any(text[i : i + length] == end and text[i + length] == token for i in range(len(text) - length)):
            return length
    return 0


@given(past=pasts, window=windows, allowed=st.integers(1, 3), base=st.floats(1, 3))
def test_dry_punishes_a_repetition_that_goes_on_by_its_length(past, window, allowed, base):
    keep = penalties.dry(DryOptions(0.5, base, allowed, window, breakers="."), Signs())
    text = lately(past, window)
    lengths = [repetition_length(text, token, breaker=3) for token in range(3)] + [0]
    expected = [-0.5 * base ** (length - allowed) if length >= allowed else 0 for length in lengths]
    np.testing.assert_allclose(changed(keep, past), expected, rtol=1e-5)


def test_dry_stays_a_number_however_long_the_repetition():
    keep = penalties.dry(DryOptions(1.0, 4.0, window=0, breakers=""), Signs())
    result = changed(keep, [0, 1] * 2000)
    assert -2e31 < result[0] < -1e28
    assert result[1:] == [0, 0, 0]


@pytest.mark.parametrize(
    "make",
    [
        lambda: penalties.frequency(CountOptions(), Signs()),
        lambda: penalties.presence(CountOptions(), Signs()),
        lambda: penalties.no_repeat_ngram(NoRepeatOptions(2), Signs()),
        lambda: penalties.dry(DryOptions(), Signs()),
    ],
)
def test_a_stream_does_not_depend_on_its_neighbours_and_what_was_forbidden_stays_so(make):
    logits = np.random.default_rng(0).normal(size=(3, V)).astype(np.float32)
    logits[:, 1] = -np.inf
    history, keep = [[0, 1, 0, 1, 0], [2], [2, 2, 2, 2, 1, 2, 2, 2]], make()
    together = keep(logits, history)
    assert (together[:, 1] == -np.inf).all()
    for row in range(3):
        assert keep(logits[row : row + 1], history[row : row + 1])[0].tobytes() == together[row].tobytes()
