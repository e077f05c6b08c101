"""One step of a network and its n-gram can do what the network can, and is the product of both."""

import numpy as np
import pytest

from rnngen.contracts import ChunkStep, FeatureStep
from rnngen.decoding.prefill import select_rows
from rnngen.inference.ngram import Mixture, NGram, mixed_step
from rnngen.inference.ngram.mixture import ADAPTIVE_PRIOR, PRIOR
from rnngen.numerics import log_softmax

V, WIDTH = 6, 4
TEXT = np.array([0, 1, 2, 3, 1, 2, 4, 5, 1, 2, 3, 3, 1, 2, 3, 0])


class Plain:
    """A network that reads one token at a time; features are its state."""

    fixed = 0

    def __init__(self):
        rng = np.random.default_rng(0)
        self.inputs, self.outputs = rng.normal(size=(V, WIDTH)), rng.normal(size=(WIDTH, V))

    def start(self, about):
        return (np.zeros((about if isinstance(about, int) else len(about), WIDTH), np.float32),)

    def __call__(self, tokens, state):
        h = np.tanh(0.5 * state[0] + self.inputs[tokens]).astype(np.float32)
        return (h @ self.outputs).astype(np.float32), (h,)

    def attended(self, state):
        return state[0] if len(state) == 1 else None


class Featured(Plain):
    feature_size = WIDTH

    def features(self, tokens, state):
        _, after = self(tokens, state)
        return after[0], after

    def logits(self, features, state):
        assert len(state) == 1
        return (features @ self.outputs).astype(np.float32)


class Chunked(Featured):
    def forward_chunk(self, tokens, state):
        rows, states = [], []
        for token in tokens:
            logits, state = self(np.array([token]), state)
            rows.append(logits)
            states.append(state)
        return np.concatenate(rows), states


def mixture(weights=PRIOR):
    ngram = NGram.count(TEXT, V, 4, end=0, predicts_end=True, bytes_=1 << 20)
    return Mixture(ngram, weights, ADAPTIVE_PRIOR)


def walk(step, tokens, state):
    found = []
    for token in tokens:
        logits, state = step(np.array([token]), state)
        found.append(logits[0])
    return np.array(found), state


def test_it_is_the_product_of_both():
    network, mix = Plain(), mixture(np.array([[0.7, 0, 0], [0.4, 0, 0]]))
    step, tokens = mixed_step(network, mix), [1, 2, 3, 5]
    found, _ = walk(step, tokens, step.start(1))
    alone, _ = walk(network, tokens, network.start(1))
    nodes = mix.ngram.start(1)
    for place, token in enumerate(tokens):
        nodes = mix.ngram.advance(nodes, np.array([token]))
        expected = log_softmax(alone[place]) * 0.7 + mix.ngram.predict(nodes).log_probs[0] * 0.4
        np.testing.assert_allclose(log_softmax(found[place]), log_softmax(expected), atol=1e-5)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("network", [Plain, Featured, Chunked])
def test_it_can_do_what_the_network_can(network, adaptive):
    step = mixed_step(network(), mixture(), adaptive=adaptive)
    assert isinstance(step, FeatureStep) == issubclass(network, Featured)
    assert isinstance(step, ChunkStep) == issubclass(network, Chunked)
    tokens = np.array([1, 2, 3, 1, 2, 3, 1, 2, 4])
    expected, last = walk(step, tokens, step.start(1))
    assert step.attended(last) is not None
    if isinstance(step, ChunkStep):
        found, states = step.forward_chunk(tokens, step.start(1))
        np.testing.assert_allclose(found, expected, atol=1e-5)
        for array, same in zip(states[-1], last, strict=True):
            np.testing.assert_allclose(array, same, atol=1e-6)
    if isinstance(step, FeatureStep):
        features, state = step.features(tokens[:1], step.start(1))
        np.testing.assert_allclose(step.logits(features, state)[0], expected[0], atol=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
def test_streams_fork_and_change_places(adaptive):
    step = mixed_step(Plain(), mixture(), adaptive=adaptive)
    one, other = [1, 2, 3, 1, 2], [5, 1, 2, 3, 3]
    state = step.start(2)
    for pair in zip(one, other, strict=True):
        _, state = step(np.array(pair), state)
    swapped = select_rows(state, [1, 0, 1])
    logits, _ = step(np.array([1, 3, 4]), swapped)
    for row, (history, token) in enumerate([(other, 1), (one, 3), (other, 4)]):
        alone, _ = walk(step, [*history, token], step.start(1))
        np.testing.assert_allclose(logits[row], alone[-1], atol=1e-5)


def test_adapting_raises_what_was_just_read():
    plain, adaptive = (mixed_step(Plain(), mixture(), adaptive=adaptive) for adaptive in (False, True))
    tokens = [4, 4, 5] * 8 + [4, 4]
    (before, _), (after, _) = (walk(step, tokens, step.start(1)) for step in (plain, adaptive))
    assert log_softmax(after[-1])[5] > log_softmax(before[-1])[5] + 0.3
