"""Weights for a vocabulary that has grown."""

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.inference.build import numpy_layers
from rnngen.inference.numpy_model import NumpyStep
from rnngen.nn.build import load_weights
from rnngen.nn.growth import grown
from rnngen.nn.network import RecurrentNetwork, weights_of
from rnngen.nn.regularizers import TrainingSetup
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

V, NEW = 300, 7
SHAPES = {
    "full": {},
    "tied": {"tied": True, "embed": 6},
    "mixture": {"head": "mixture", "mixture": 2},
    "mixture, tied": {"head": "mixture", "tied": True},
    "adaptive": {"head": "adaptive"},
}
COUNTS = torch.arange(V) % 50


def network_of(shape, vocabulary=V, sizes=(), setup=None):
    options = NetworkOptions(hidden=8, dropout=0.0, **shape)
    return RecurrentNetwork(vocabulary, options, lambda i, h: LSTM(i, h, LSTMOptions()), setup, sizes)


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


@pytest.fixture
def old(shape):
    torch.manual_seed(1)
    return network_of(shape, setup=TrainingSetup(COUNTS, TrainingOptions())).eval()


def extend(network, shape, sizes=(V,), new=NEW):
    weights = weights_of(network)
    fresh = weights_of(network_of(shape, sizes[-1] + new, sizes))
    larger = network_of(shape, sizes[-1] + new, sizes).eval()
    load_weights(larger, grown(weights, fresh, (COUNTS > 0).numpy() if sizes == (V,) else None))
    return larger


def predicted(network, tokens):
    with torch.inference_mode():
        return torch.log_softmax(network(tokens, network.start(len(tokens)))[0].float(), -1)


def test_old_tokens_keep_their_probabilities_and_new_ones_take_next_to_nothing(old, shape):
    tokens = torch.randint(V, (3, 20))
    before, after = predicted(old, tokens), predicted(extend(old, shape), tokens)
    assert after.shape[-1] == V + NEW
    assert after[..., V:].exp().sum(-1).max() < 1e-3
    torch.testing.assert_close(after[..., :V], before, atol=1e-3, rtol=0)


def test_a_vocabulary_may_grow_twice(old, shape):
    tokens = torch.randint(V, (2, 9))
    twice = extend(extend(old, shape), shape, (V, V + NEW), 3)
    torch.testing.assert_close(predicted(twice, tokens)[..., :V], predicted(old, tokens), atol=2e-3, rtol=0)


@pytest.mark.slow
def test_a_grown_network_learns_and_is_the_same_in_numpy(old, shape):
    network = extend(old, shape).train()
    tokens = torch.randint(V - 5, V + NEW, (4, 16))
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss, _ = network.nll(tokens[:, :-1], tokens[:, 1:], network.start(4))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    cell = choose(Registry(), {"cell": "lstm"}, {})["cell"]
    weights = weights_of(network)
    step = NumpyStep(weights, numpy_layers(cell, weights, 1))
    logits, _ = step(tokens[:, 0].numpy(), step.start(4))
    expected = predicted(network.eval(), tokens[:, :1])[:, 0].numpy()
    found = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_network_that_has_not_grown_keeps_its_weights(old, shape):
    weights = weights_of(old)
    same = grown(weights, weights_of(network_of(shape)))
    assert same.keys() == weights.keys()
    assert all(same[name] is array for name, array in weights.items())
