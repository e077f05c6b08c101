"""The two backends of a step are one function, whatever the network is made of."""

import numpy as np
import pytest
import torch

from rnngen.contracts import FeatureStep
from rnngen.inference.build import numpy_layers
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.torch_model import TorchStep, torch_step
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import NetworkOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

V = 13
NETWORKS = [
    *(
        {"layers": layers, **extra}
        for layers in (1, 2, 3)
        for extra in ({}, {"tied": True}, {"learn_state": True})
    ),
    {"layers": 2, "tied": True, "embed": 7, "learn_state": True},
    {"head": "mixture", "mixture": 3, "tied": True, "embed": 5},
    {"head": "mixture", "layers": 2},
    {"head": "adaptive"},
    {"layers": 1, "embed": 20},
]
CELLS = [
    ("lstm", {}),
    ("gru", {}),
    ("rnn", {}),
    ("rnn", {"activation": "relu"}),
    ("rnn", {"activation": "sigmoid"}),
]


@pytest.fixture(scope="module")
def registry():
    return Registry()


def built(registry, cell, settings, sizes):
    """A network with every parameter away from where it starts, and its cell."""
    part = choose(registry, {"cell": cell}, settings)["cell"]
    torch.manual_seed(3)
    network = RecurrentNetwork(V, NetworkOptions(hidden=7, **sizes), part.build)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return network.eval(), part


def on_numpy(network, part):
    weights = {name: array.numpy().copy() for name, array in network.state_dict().items()}
    return NumpyStep(weights, numpy_layers(part, weights, len(network.layers)))


def read(step, tokens, rows=None):
    """The logits after each of (B,T) tokens; ``rows`` reorders the streams half-way."""
    state, found = step.start(len(tokens)), []
    for place, column in enumerate(np.array(tokens).T):
        logits, state = step(column, state)
        found.append(logits)
        if rows is not None and place == len(tokens[0]) // 2:
            state = tuple(array[rows] for array in state)
    return np.stack(found)


TOKENS = [[0, 1, 2, 3, 4, 5, 6, 12], [5, 5, 5, 5, 5, 5, 5, 5], [12, 11, 0, 9, 8, 0, 0, 1]]


@pytest.mark.slow
@pytest.mark.parametrize("sizes", NETWORKS, ids=str)
@pytest.mark.parametrize(("cell", "settings"), CELLS, ids=str)
def test_numpy_step_equals_torch_step_equals_the_whole_sequence(registry, cell, settings, sizes):
    network, part = built(registry, cell, settings, sizes)
    with torch.inference_mode():
        whole = network(torch.tensor(TOKENS), network.start(3))[0].transpose(0, 1).numpy()
    np.testing.assert_allclose(read(TorchStep(network), TOKENS), whole, atol=2e-5, rtol=2e-5)
    np.testing.assert_allclose(read(on_numpy(network, part), TOKENS), whole, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize(("cell", "settings"), CELLS[:3], ids=str)
def test_reordering_the_state_reorders_the_streams_on_both(registry, cell, settings):
    network, part = built(registry, cell, settings, {"layers": 2, "learn_state": True})
    rows = np.array([2, 2, 0])
    swapped = [[*TOKENS[row][:5], *later[5:]] for row, later in zip(rows, TOKENS, strict=True)]
    for step in (on_numpy(network, part), TorchStep(network)):
        np.testing.assert_allclose(read(step, TOKENS, rows)[5:], read(step, swapped)[5:], atol=1e-5)


@pytest.mark.parametrize("sizes", NETWORKS[-2:], ids=str)
def test_without_the_table_the_step_is_the_same(registry, monkeypatch, sizes):
    network, part = built(registry, "lstm", {}, sizes)
    with_table = on_numpy(network, part)
    monkeypatch.setattr(NumpyStep, "TABLE_LIMIT", 0)
    without = on_numpy(network, part)
    assert (with_table.table is None, without.table is None) == (False, True)
    np.testing.assert_allclose(read(with_table, TOKENS), read(without, TOKENS), atol=1e-6)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_step_writes_to_neither_its_state_nor_its_tokens(registry, backend):
    network, part = built(registry, "lstm", {}, {"layers": 2, "learn_state": True})
    step = on_numpy(network, part) if backend == "numpy" else TorchStep(network)
    tokens = np.array([3, 1])
    _, state = step(tokens, step.start(2))
    kept = [np.asarray(array).copy() for array in state]
    once, _ = step(tokens, state)
    once = once.copy()
    again, _ = step(tokens, state)
    np.testing.assert_array_equal(once, again)
    assert tokens.tolist() == [3, 1]
    for array, before in zip(state, kept, strict=True):
        np.testing.assert_array_equal(np.asarray(array), before)


def test_what_a_step_returns_may_be_written_to(registry):
    """Forbidding tokens writes -inf into the logits."""
    network, part = built(registry, "gru", {}, {})
    for step in (on_numpy(network, part), TorchStep(network)):
        logits, state = step(np.array([1]), step.start(1))
        logits[:] = -np.inf
        assert np.isfinite(step(np.array([1]), state)[0]).all()


def test_dropout_is_off_on_the_torch_step(registry):
    part = choose(registry, {"cell": "lstm"}, {})["cell"]
    network = RecurrentNetwork(V, NetworkOptions(hidden=7, dropout=0.9), part.build).train()
    step = TorchStep(network)
    np.testing.assert_array_equal(read(step, TOKENS), read(step, TOKENS))


@pytest.mark.parametrize("sizes", NETWORKS, ids=str)
def test_what_the_output_layer_reads_is_one_thing_on_both_backends(registry, sizes):
    network, part = built(registry, "lstm", {}, sizes)
    tokens, found = np.array([3, 11]), []
    for step in (on_numpy(network, part), torch_step(network)):
        assert isinstance(step, FeatureStep)
        logits, state = step(tokens, step.start(2))
        features, after = step.features(tokens, step.start(2))
        assert features.shape == (2, step.feature_size)
        np.testing.assert_allclose(step.logits(features, after), logits, atol=1e-5)
        found.append([features, *map(np.asarray, (*state, *after))])
    for array, same in zip(*found, strict=True):
        np.testing.assert_allclose(array, same, atol=1e-5)
