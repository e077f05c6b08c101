"""The n-gram beside a network: its probabilities by definition, its storage, and how it adapts."""

import math
from collections import Counter
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
import pytest

from rnngen.inference.ngram import NGram
from rnngen.inference.ngram.counts import Prediction
from rnngen.inference.ngram.mixture import ADAPTIVE_PRIOR, PRIOR, Mixture, features, fitted, surprisals
from rnngen.inference.ngram.recent import LONGEST, SHORTEST, Recent
from rnngen.numerics import log_softmax32

END, V = 0, 5
ROOM = 1 << 20
HISTORIES = [], [1], [END, 2], [1, 1, 1, 1, 1, 1], [4, 4, 4], [2, END, 1], [3, 1, 2, 1]


def text(seed, length=400, vocabulary=V, ends=0.05):
    rng = np.random.default_rng(seed)
    letters = rng.choice(np.arange(1, vocabulary), length, p=[0.5, 0.3, 0.15, 0.05])
    return np.concatenate([[END], np.where(rng.random(length) < ends, END, letters), [END]])


def counted(tokens, order, *, predicts_end=True, room=ROOM):
    return NGram.count(tokens, V, order, end=END, predicts_end=predicts_end, bytes_=room)


def after(ngram, tokens):
    nodes = ngram.start(1)
    for token in tokens:
        nodes = ngram.advance(nodes, np.array([token]))
    return nodes


def contexts_of(tokens, place, order):
    """The contexts of a place from the empty one on: each reaches back to the last end, that included."""
    context, contexts = (), [()]
    while len(context) < order - 1 and place > 0:
        place -= 1
        context = (int(tokens[place]), *context)
        contexts.append(context)
        if tokens[place] == END:
            break
    return contexts


def definition(tokens, history, order, *, predicts_end=True):
    """P(w | history) for all w, by counting with fractions (Witten and Bell 1991, method C)."""
    followers = {}
    for place in range(1, len(tokens)):
        if predicts_end or tokens[place] != END:
            for context in contexts_of(tokens, place, order):
                followers.setdefault(context, Counter())[int(tokens[place])] += 1
    probs = [Fraction(1, V)] * V
    for context in contexts_of(history, len(history), order):
        if counts := followers.get(context):
            total, kinds = sum(counts.values()), len(counts)
            probs = [(counts[w] + kinds * p) / Fraction(total + kinds) for w, p in enumerate(probs)]
    return np.array([float(p) for p in probs])


@pytest.mark.parametrize("predicts_end", [True, False])
@pytest.mark.parametrize("order", [2, 3, 5])
def test_probabilities_are_the_definition(order, predicts_end):
    tokens = text(1)
    ngram = counted(tokens, order, predicts_end=predicts_end)
    for history in (
        [],
        [1],
        [END, 2],
        [1, 1, 1, 1, 1, 1],
        [4, 4, 4],
        [2, END, 1],
        [3, 1, 2, 1],
        tokens[:50].tolist(),
    ):
        found = np.exp(ngram.predict(after(ngram, history)).log_probs[0])
        expected = definition(tokens, history, order, predicts_end=predicts_end)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert found.sum() == pytest.approx(1, abs=1e-5)


def test_a_context_is_as_long_as_what_occurred_and_counts_how_often():
    ngram = counted(np.array([END, 1, 2, 3, 1, 2, 4, END]), 4)
    one = ngram.predict(after(ngram, [3, 1, 2]))
    assert (one.lengths.tolist(), one.counts.tolist()) == ([3], [1])
    two = ngram.predict(after(ngram, [4, 1, 2]))
    assert (two.lengths.tolist(), two.counts.tolist()) == ([2], [2])


def test_streams_side_by_side_are_each_what_it_is_alone():
    ngram = counted(text(2), 4)
    histories = [text(seed, 9).tolist() for seed in range(6)]
    nodes = np.concatenate([after(ngram, history) for history in histories])
    together = ngram.predict(nodes)
    for row, history in enumerate(histories):
        alone = ngram.predict(after(ngram, history))
        np.testing.assert_array_equal(together.log_probs[row], alone.log_probs[0])


def test_it_is_read_back_as_it_was_written():
    tokens = np.concatenate([text(3, 4000), np.tile([1, 2], 400)])  # counts above what one byte holds
    ngram = counted(tokens, 5)
    back = NGram.of_tensors(ngram.tensors())
    for history in ([1], [2, 1], tokens[:30].tolist()):
        nodes = after(ngram, history)
        np.testing.assert_array_equal(after(back, history), nodes)
        np.testing.assert_array_equal(back.predict(nodes).log_probs, ngram.predict(nodes).log_probs)


@pytest.mark.parametrize("share", [0.8, 0.4, 0.1])
def test_it_keeps_to_its_room_by_leaving_out_what_is_rarest(share):
    tokens = text(4, 3000)
    whole = sum(array.nbytes for array in counted(tokens, 6).tensors().values())
    small = counted(tokens, 6, room=int(share * whole))
    size = sum(array.nbytes for array in small.tensors().values())
    assert size <= share * whole + 200
    probs = np.exp(small.predict(after(small, [1, 1, 2])).log_probs[0])
    assert probs.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(
        np.exp(small.predict(after(small, [1])).log_probs[0]), definition(tokens, [1], 2), rtol=1e-5
    )


@pytest.mark.parametrize("change", ["tokens", "counts", "successors", "shape"])
def test_arrays_that_do_not_fit_are_refused(change):
    tensors = counted(text(5), 3).tensors()
    broken = {
        "tokens": tensors["ngram.tokens"] + 200,
        "counts": tensors["ngram.counts"][:-1],
        "successors": tensors["ngram.successors"] + 1,
        "shape": np.array([V, 0, END]),
    }
    with pytest.raises(ValueError, match=r"fit|mask|assign"):
        NGram.of_tensors({**tensors, f"ngram.{change}": broken[change]})


# ── what was just read ─────────────────────────────────────────────────────────────────────────────────────


def recent_definition(below, history):
    """Witten-Bell over the text so far, from contexts of ``SHORTEST`` tokens on, above ``below``."""
    probs, longest, seen = below.astype(float), 0, 0
    for length in range(SHORTEST, LONGEST + 1):
        ending = history[len(history) - length :]
        found = [
            history[end]
            for end in range(length, len(history))
            if len(ending) == length and history[end - length : end] == ending
        ]
        if found:
            counts, longest, seen = Counter(found), length, len(found)
            probs = np.array([counts[w] + len(counts) * p for w, p in enumerate(probs)])
            probs /= len(found) + len(counts)
    return probs, longest, seen


def test_an_adaptive_ngram_is_the_definition_at_every_place():
    rng, recent, history = np.random.default_rng(0), Recent.start(1, window=500), []
    below = rng.dirichlet(np.ones(4)).astype(np.float32)
    given = Prediction(np.log(below)[None], np.array([3]), np.array([9]))
    for token in np.tile(rng.integers(4, size=23), 5).tolist() + rng.integers(4, size=60).tolist():
        history.append(token)
        recent = recent.after(np.array([token]))
        expected, longest, seen = recent_definition(below, history)
        found = recent.predict(given)
        np.testing.assert_allclose(np.exp(found.log_probs[0]), expected, rtol=1e-4)
        assert (found.lengths.tolist(), found.counts.tolist()) == ([longest], [seen])


def test_it_forgets_what_is_older_than_its_window_and_writes_to_nothing():
    short, long = Recent.start(2, window=6), Recent.start(2, window=60)
    for token in [1, 2, 3, 0, 0, 0, 0, 0, 1, 2]:
        before = long
        kept = [array.copy() for array in before]
        short, long = (one.after(np.array([token, token])) for one in (short, long))
        for array, same in zip(before, kept, strict=True):
            np.testing.assert_array_equal(array, same)
    below = Prediction(np.full((2, 4), -math.log(4), np.float32), np.zeros(2, int), np.ones(2, int))
    assert long.predict(below).lengths.tolist() == [2, 2]
    assert short.predict(below).lengths.tolist() == [0, 0]
    np.testing.assert_array_equal(short.predict(below).log_probs, below.log_probs)


# ── weights ────────────────────────────────────────────────────────────────────────────────────────────────


def experts_and_targets(count=20_000):
    """Two experts, of which one knows much in long contexts and nothing in short ones."""
    rng = np.random.default_rng(7)
    targets, lengths = rng.integers(6, size=count), rng.integers(0, 2, size=count) * 6
    first = log_softmax32(
        rng.normal(size=(count, 6)).astype(np.float32) + np.eye(6, dtype=np.float32)[targets]
    )
    sure = (lengths > 0)[:, None] * 3 * np.eye(6, dtype=np.float32)[targets]
    second = log_softmax32(rng.normal(size=(count, 6)).astype(np.float32) + sure)
    context = Prediction(second, lengths, np.full(count, 4))
    return (first, second), features(context), targets


def test_fitted_weights_are_better_than_either_expert_and_than_weights_nearby():
    experts, known, targets = experts_and_targets()
    weights = fitted(experts, known, targets, PRIOR)
    best = surprisals(experts, known, targets, weights).mean()
    for expert in experts:
        assert best < -expert[np.arange(len(targets)), targets].mean() - 0.05
    for expert, factor in ((0, 0.7), (0, 1.4), (1, 0.7), (1, 1.4)):
        other = weights.copy()
        other[expert] *= factor
        assert surprisals(experts, known, targets, other).mean() > best


def test_few_tokens_leave_the_weights_near_the_prior():
    experts, known, targets = experts_and_targets(3)
    assert abs(fitted(experts, known, targets, PRIOR) - PRIOR).max() < 1


@pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba")
@pytest.mark.parametrize("order", [2, 5])
def test_compiled_functions_say_what_numpy_says(order):
    from rnngen.inference.ngram.compiled import compiled_mixture

    rng = np.random.default_rng(3)
    plain = Mixture(counted(text(1), order), rng.normal([[0.5, 0.2, 0.1]], 0.5, (2, 3)), ADAPTIVE_PRIOR)
    quick = compiled_mixture(plain)
    nodes = plain.ngram.start(3)
    for tokens in rng.integers(0, V, (60, 3)):
        nodes, other = plain.ngram.advance(nodes, tokens), quick.ngram.advance(nodes, tokens)
        np.testing.assert_array_equal(other, nodes)
        known, found = plain.ngram.predict(nodes), quick.ngram.predict(other)
        np.testing.assert_array_equal(found.lengths, known.lengths)
        np.testing.assert_array_equal(found.counts, known.counts)
        np.testing.assert_allclose(found.log_probs, known.log_probs, rtol=1e-5, atol=1e-5)
        logits = rng.normal(size=(3, V)).astype(np.float32)
        np.testing.assert_allclose(
            quick.mixed(logits, found), plain.mixed(logits, known), rtol=1e-4, atol=1e-5
        )


@pytest.mark.slow
@pytest.mark.parametrize("compiled", [False, True])
def test_after_a_long_run_of_one_token_all_others_stay_possible(compiled):
    if compiled and not find_spec("numba"):
        pytest.skip("Numba is not installed")
    tokens = np.concatenate([[END], np.tile(np.concatenate([np.full(199, 1), [2]]), 20_000), [END]])
    ngram = NGram.count(tokens, 5000, 8, end=END, predicts_end=False, bytes_=ROOM)
    if compiled:
        from rnngen.inference.ngram.compiled import compiled_mixture

        ngram = compiled_mixture(Mixture(ngram, PRIOR, ADAPTIVE_PRIOR)).ngram
    nodes = after(ngram, [1] * 20)
    log_probs = ngram.predict(nodes).log_probs
    assert np.isfinite(log_probs).all()
    assert log_probs[0, 4000] < -80
