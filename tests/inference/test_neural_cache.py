"""The cache of a step predicts as the one that reads a text does, and is part of the state."""

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.evaluation.perplexity import Cache
from rnngen.generation.prefix_cache import arrays_of, state_from
from rnngen.inference.build import numpy_layers
from rnngen.inference.neural_cache import CachedStep
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.torch_model import torch_step
from rnngen.nn.network import RecurrentNetwork
from rnngen.numerics import log_softmax
from rnngen.options.model import EvaluationOptions, NetworkOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

V = 13
TEXT = np.random.default_rng(5).integers(0, 6, 200).tolist()


def network(**sizes):
    torch.manual_seed(3)
    made = RecurrentNetwork(V, NetworkOptions(hidden=9, **sizes), lambda i, h: LSTM(i, h, LSTMOptions()))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return made.eval()


def on_numpy(made):
    weights = {name: array.numpy().copy() for name, array in made.state_dict().items()}
    part = choose(Registry(), {"cell": "lstm"}, {})["cell"]
    return NumpyStep(weights, numpy_layers(part, weights, len(made.layers)))


def cached(size=30, weight=0.25, flatness=1.5, inner=None):
    return CachedStep(inner or on_numpy(network()), size=size, weight=weight, flatness=flatness)


def walk(step, tokens, state=None):
    """The log-probabilities after each token (T,V), and the state."""
    state, found = state or step.start(1), []
    for token in tokens:
        logits, state = step(np.array([token]), state)
        found.append(logits[0])
    return np.array(found), state


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 64, 65, 130, 1000])
@pytest.mark.parametrize("sizes", [{}, {"tied": True, "embed": 5}, {"layers": 2}], ids=str)
@pytest.mark.parametrize("face", [on_numpy, torch_step])
def test_it_predicts_what_the_cache_of_eval_does(face, sizes, size):
    made = network(**sizes)
    step = cached(size, inner=face(made))
    logs, _ = walk(step, TEXT[:-1])
    reading = EvaluationOptions(cache_size=size, cache_weight=0.25, cache_flatness=1.5)
    targets = torch.tensor(TEXT[1:])
    with torch.inference_mode():
        h, _ = made.hidden(torch.tensor([TEXT[:-1]]), made.start(1))
        own = torch.log_softmax(made.predict(h[0]), dim=-1).gather(1, targets[:, None])[:, 0]
        expected = Cache(reading).read(h[0], targets, own).numpy()
    told = -logs[np.arange(len(targets)), TEXT[1:]]
    np.testing.assert_allclose(told, expected, atol=3e-5)


def test_what_it_predicts_is_a_distribution():
    logs, _ = walk(cached(), TEXT)
    np.testing.assert_allclose(np.exp(logs.astype(float)).sum(axis=1), 1, atol=1e-5)


def test_an_empty_memory_leaves_the_network_as_it_is():
    step = cached()
    first = walk(step, TEXT[:1])[0]
    np.testing.assert_allclose(first, log_softmax(walk(step.step, TEXT[:1])[0]), atol=1e-6)


def test_what_followed_is_likelier_and_what_never_did_is_less_likely():
    weight = 0.25
    with_memory, without = (walk(cached(weight=weight), TEXT)[0][-1], walk(cached(weight=0), TEXT)[0][-1])
    np.testing.assert_allclose(with_memory[6:] - without[6:], np.log(1 - weight), atol=1e-5)
    assert (with_memory[:6] > without[:6] + np.log(1 - weight)).all()


def test_a_step_writes_to_nothing_that_it_is_given():
    step = cached(size=5)
    state = walk(step, TEXT[:63])[1]
    before = [array.copy() for array in state]
    tokens = np.array([3])
    for _ in range(3):
        step(tokens, state)
    assert tokens.tolist() == [3]
    for old, array in zip(before, state, strict=True):
        np.testing.assert_array_equal(old, array)


def test_streams_that_fork_remember_each_their_own():
    step, one, other = cached(), TEXT[:70], TEXT[70:110]
    state = tuple(array[[0, 0]] for array in walk(step, one)[1])
    found = []
    for pair in zip(other, reversed(other), strict=True):
        logits, state = step(np.array(pair), state)
        found.append(logits)
    for row, tokens in enumerate((other, other[::-1])):
        alone = walk(step, one + tokens)[0][len(one) :]
        np.testing.assert_allclose(np.array(found)[:, row], alone, atol=1e-5)


def test_streams_of_different_ages_share_a_batch():
    step = cached(size=20)
    ages = [0, 3, 64, 100]
    states = [walk(step, TEXT[:age])[1] if age else step.start(1) for age in ages]
    state = tuple(np.concatenate(arrays) for arrays in zip(*states, strict=True))
    found = []
    for token in TEXT[100:180]:
        logits, state = step(np.full(len(ages), token), state)
        found.append(logits)
    for row, age in enumerate(ages):
        alone = walk(step, TEXT[:age] + TEXT[100:180])[0][age:]
        np.testing.assert_allclose(np.array(found)[:, row], alone, atol=1e-5)


def test_a_state_that_was_kept_goes_on_to_the_bit():
    step = cached(size=20)
    whole, _ = walk(step, TEXT)
    _, state = walk(step, TEXT[:90])
    again, _ = walk(step, TEXT[90:], state_from(arrays_of(state), step.start(1)))
    np.testing.assert_array_equal(again, whole[90:])


def test_a_beam_ranks_by_the_mixture():
    from rnngen.builtins.strategies.beam.search import beam_search

    step = cached(weight=0.6)
    (found,) = beam_search(
        step, step.start(1), [TEXT[:40]], [4], BeamOptions(width=4, penalty="none"), eos_id=None
    )
    best = found[0]
    logs, _ = walk(step, [*TEXT[:40], *best.tokens])
    told = sum(logs[39 + place, token] for place, token in enumerate(best.tokens))
    assert best.log_probability == pytest.approx(told, abs=1e-4)


def test_steps_with_other_memories_are_told_apart():
    assert (
        len({cached(**given).identity for given in ({}, {"size": 31}, {"weight": 0.3}, {"flatness": 1})}) == 4
    )


# ── A network with a source ────────────────────────────────────────────────────────────────────────────────


class Reader:
    """A step that reads a source; its state: the source's sum (B,3), fixed, h (B,3), weights (B,S)."""

    fixed = 1
    feature_size = 3

    def __init__(self):
        rng = np.random.default_rng(2)
        self.inputs = rng.normal(size=(V, 3)).astype(np.float32)
        self.outputs = rng.normal(size=(3, V)).astype(np.float32)

    def start(self, source):
        memory = self.inputs[source].sum(axis=1)
        return memory, np.zeros_like(memory), np.full(source.shape, 0.5, np.float32)

    def features(self, tokens, state):
        memory, h, weights = state
        h = np.tanh(self.inputs[tokens] + h + memory)
        return h, (memory, h, weights / 2)

    def logits(self, features, state):
        return features @ self.outputs

    def __call__(self, tokens, state):
        features, state = self.features(tokens, state)
        return self.logits(features, state), state

    def attended(self, state):
        return state[2]


SOURCES = np.array([[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 0, 1]])


def test_a_step_with_a_source_keeps_its_fixed_arrays_in_front():
    step = cached(inner=Reader())
    state = step.start(SOURCES)
    assert step.fixed == 1
    assert {len(array) for array in state} == {3}
    for token in (3, 1, 3):
        _, after = step(np.full(3, token), state)
        assert after[0] is state[0]
        np.testing.assert_array_equal(step.attended(after), state[2] / 2)
        state = after


def test_each_source_has_a_memory_of_its_own():
    step = cached(inner=Reader(), weight=0.5)
    tokens = np.random.default_rng(1).integers(0, V, (90, 3))
    state, found = step.start(SOURCES), []
    for row in tokens:
        logits, state = step(row, state)
        found.append(logits)
    for row in range(3):
        alone, _ = walk(step, tokens[:, row], step.start(SOURCES[[row]]))
        np.testing.assert_allclose(np.array(found)[:, row], alone, atol=1e-5)


def test_the_mixture_about_a_source_is_the_definition():
    weight, flatness = 0.25, 1.5
    step, tokens = cached(inner=Reader(), weight=weight, flatness=flatness), [3, 1, 3, 2, 1]
    logs, _ = walk(step, tokens, step.start(SOURCES[:1]))
    state, keys = step.step.start(SOURCES[:1]), []
    for token in tokens:
        features, state = step.step.features(np.array([token]), state)
        keys.append(features[0].astype(float))
    alpha = np.exp([flatness * keys[i] @ keys[-1] for i in range(len(tokens) - 1)])
    expected = (1 - weight) * np.exp(log_softmax(step.step.logits(features, state))[0])
    np.add.at(expected, tokens[1:], weight * alpha / alpha.sum())
    np.testing.assert_allclose(np.exp(logs[-1]), expected, rtol=1e-4)


def test_its_states_depend_on_the_step_within():
    assert cached().identity == "cache 30 0.25 1.5 of NumpyStep"
    assert cached(inner=Reader()).identity == "cache 30 0.25 1.5 of Reader"
    assert cached(inner=torch_step(network())).identity == "cache 30 0.25 1.5 of TorchStep"
