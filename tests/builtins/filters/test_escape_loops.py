"""The filter that leaves loops: a text that goes in circles leaves them, any other is as it was."""

import numpy as np
import pytest

from rnngen.builtins.filters.options import EscapeLoopsOptions
from rnngen.builtins.filters.penalties import escape_loops

V = 40


def next_of_cycle(period):
    """Logits of a model that repeats a cycle for ever, its second choice being a token outside of it."""

    def logits(history):
        row = np.zeros((1, V), np.float32)
        row[0, (history[-1] + 1) % period] = 9
        row[0, V - 1] = 5
        return row

    return logits


def greedy(model, keep, steps):
    """Text of the most probable tokens."""
    history = [0]
    for _ in range(steps):
        history.append(int(keep(model(history), [history]).argmax()))
    return history


@pytest.mark.parametrize("period", [1, 2, 7, 30])
def test_a_loop_is_left_once_it_stands_several_times(period):
    options = EscapeLoopsOptions(repeats=3, span=6)
    text = greedy(next_of_cycle(period), escape_loops(options), 4 * period + 8)
    left = text.index(V - 1)
    assert left == max(3 * period, 6)
    assert text[:left] == [place % period for place in range(left)]


def test_a_segment_that_is_too_long_or_too_short_is_no_loop():
    keep = escape_loops(EscapeLoopsOptions(repeats=2, longest=10, span=12))
    assert V - 1 not in greedy(next_of_cycle(11), keep, 60)
    assert greedy(next_of_cycle(1), keep, 30).index(V - 1) == 12


def test_other_texts_and_the_only_token_left_are_as_they_were():
    rng = np.random.default_rng(0)
    keep = escape_loops(EscapeLoopsOptions())
    logits = rng.standard_normal((2, V)).astype(np.float32)
    texts = [rng.permutation(V).tolist(), [1, 2, 3]]
    assert (keep(logits, texts) == logits).all()
    single = np.full((1, V), -np.inf, np.float32)
    single[0, 3] = 1
    assert keep(single, [[3] * 100])[0, 3] == 1
