"""The neural cache predicts by its formula, from what came before and nothing else."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import Chunk
from rnngen.data.token_store import TokenStore
from rnngen.errors import UsageError
from rnngen.evaluation import perplexity
from rnngen.evaluation.perplexity import Cache, LossEvaluator, cached_loss
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import EvaluationOptions, NetworkOptions

TEXTS = ["so much depends upon a red wheel barrow", "glazed with rain water", "a red wheel"]
END = 256


@pytest.fixture(params=[{}, {"tied": True, "embed": 5}], ids=["plain", "projected"])
def network(request):
    torch.manual_seed(0)
    sizes = NetworkOptions(hidden=8, dropout=0.5, **request.param)
    return RecurrentNetwork(257, sizes, lambda i, h: LSTM(i, h, LSTMOptions()))


@pytest.fixture
def store(tmp_path):
    return TokenStore.write(tmp_path, [Chunk(text, starts_document=True) for text in TEXTS], ByteTokenizer())


def options(**given):
    return EvaluationOptions(**{"cache_size": 30, "cache_weight": 0.2, "cache_flatness": 1.5, **given})


def by_hand(network, has_eos, size, weight, theta):
    """Token by token, with a list for a memory."""
    network.eval()
    memory, nats = [], 0.0
    for text in TEXTS:
        state, ids = network.start(1), [END, *text.encode(), *([END] * has_eos)]
        for token, target in pairwise(ids):
            with torch.no_grad():
                h, state = network.hidden(torch.tensor([[token]]), state)
                h = h[0, 0]
                p = torch.softmax(network.predict(h), 0)[target].item()
            h = h.double().numpy()
            if near := memory[-size:]:
                scores = np.exp([theta * h @ key for key, _ in near])
                told = sum(s for s, (_, value) in zip(scores, near, strict=True) if value == target)
                p = (1 - weight) * p + weight * told / scores.sum()
            memory.append((h, target))
            nats -= math.log(p)
    return nats


@pytest.mark.slow
@pytest.mark.parametrize("has_eos", [False, True])
@pytest.mark.parametrize("size", [1, 7, 30, 10_000])
@pytest.mark.parametrize("block", [1, 16, 256])
def test_it_is_the_formula_however_much_is_read_at_once(network, store, has_eos, size, block):
    before, perplexity.BLOCK = perplexity.BLOCK, block
    try:
        loss = cached_loss(network, store, has_eos=has_eos, options=options(cache_size=size))
    finally:
        perplexity.BLOCK = before
    assert loss.tokens == sum(len(text) + has_eos for text in TEXTS)
    assert loss.nats == pytest.approx(by_hand(network, has_eos, size, 0.2, 1.5), rel=1e-4)


def test_a_share_of_nothing_is_the_stream(network, store):
    loss = cached_loss(network, store, has_eos=False, options=options(cache_weight=0.0))
    assert loss.nats == pytest.approx(LossEvaluator(network).stream(store, has_eos=False).nats, rel=1e-5)


def test_the_present_token_is_not_known_yet():
    """States that are all alike, and a token that was never there: the cache knows nothing of it."""
    memory = Cache(options(cache_weight=0.5))
    h, logs = torch.ones(3, 4), torch.log(torch.full((3,), 0.25))
    surprisal = memory.read(h, torch.tensor([5, 6, 5]), logs)
    assert surprisal.exp().reciprocal().tolist() == pytest.approx([0.25, 0.125, 0.125 + 0.5 * 0.5])


def test_the_network_is_put_back(network, store):
    for training in (True, False):
        network.train(training)
        cached_loss(network, store, has_eos=False, options=options())
        assert network.training is training


def test_a_network_that_is_not_the_engines_is_refused(store):
    with pytest.raises(UsageError, match="cache needs a network that exposes its features per token"):
        cached_loss(nn.Linear(2, 2), store, has_eos=False, options=options())
