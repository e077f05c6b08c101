"""Every output layer is a distribution, its loss is that distribution's, and its twin says the same."""

import numpy as np
import pytest
import torch
from torch.nn.functional import nll_loss

from rnngen.contracts import IGNORE
from rnngen.inference.numpy_model import make_head as make_step_head
from rnngen.nn import loss
from rnngen.nn.heads import cuts, make_head
from rnngen.nn.network import RecurrentNetwork
from rnngen.nn.regularizers import TrainingSetup
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

INPUTS, V = 16, 31
COUNTS = torch.randint(1, 50, (V,), generator=torch.Generator().manual_seed(7))
KINDS = {
    "full": {},
    "mixture": {"head": "mixture", "mixture": 3},
    "adaptive": {"head": "adaptive"},
}
TARGETS = torch.randint(V, (3, 7), generator=torch.Generator().manual_seed(8))
TARGETS[0, ::2] = IGNORE


def make(kind, weight=None, counts=COUNTS, smoothing=0.0):
    """An output layer with every parameter away from where it starts."""
    torch.manual_seed(5)
    setup = TrainingSetup(counts, TrainingOptions(label_smoothing=smoothing))
    head = make_head(NetworkOptions(**KINDS[kind]), INPUTS, V, weight, setup)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.3)
    return head.train()


@pytest.fixture
def x():
    return torch.randn(3, 7, INPUTS, generator=torch.Generator().manual_seed(2))


def learnt(head, x):
    """The loss and all gradients."""
    head.zero_grad()
    x = x.clone().requires_grad_()
    loss = head.nll(x, TARGETS)
    loss.backward()
    return [loss.detach(), x.grad, *(parameter.grad.clone() for parameter in head.parameters())]


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_is_that_of_the_distribution(kind, x):
    head = make(kind)
    logs = head(x).log_softmax(-1).flatten(0, 1)
    expected = nll_loss(logs, TARGETS.flatten(), ignore_index=IGNORE, reduction="sum")
    for training in (True, False):
        torch.testing.assert_close(head.train(training).nll(x, TARGETS), expected)


@pytest.mark.parametrize("kind", ["mixture", "adaptive"])
def test_what_stands_for_logits_are_log_probabilities(kind, x):
    torch.testing.assert_close(make(kind)(x).logsumexp(-1), torch.zeros(3, 7), atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_in_chunks_it_learns_the_same(kind, x, monkeypatch):
    head = make(kind)
    whole = learnt(head, x)
    monkeypatch.setattr(loss, "LIMIT", 1)
    monkeypatch.setattr(loss, "CHUNK", 4 * V)
    for mine, expected in zip(learnt(head, x), whole, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["full", "mixture"])
def test_restricted_and_smoothed_in_chunks_it_learns_the_same(kind, x, monkeypatch):
    counts = torch.zeros(V, dtype=torch.long)
    counts[TARGETS[TARGETS != IGNORE]] = 1
    head = make(kind, counts=counts, smoothing=0.2)
    whole = learnt(head, x)
    monkeypatch.setattr(loss, "LIMIT", 1)
    for mine, expected in zip(learnt(head, x), whole, strict=True):
        torch.testing.assert_close(mine, expected, rtol=1e-4, atol=1e-5)
    assert not head.weight.grad[counts == 0].any()


def test_smoothing_a_mixture_spreads_over_all_tokens(x):
    head = make("mixture", smoothing=0.3)
    logs, counted = head(x)[TARGETS != IGNORE], TARGETS[TARGETS != IGNORE]
    expected = -(0.7 * logs.gather(1, counted[:, None])[:, 0] + 0.3 * logs.mean(-1)).sum()
    torch.testing.assert_close(head.nll(x, TARGETS), expected)


def test_a_mixture_is_the_sum_that_the_paper_gives(x):
    head = make("mixture")
    shares = torch.softmax(x @ head.prior.weight.T, -1)
    expected = torch.zeros(3, 7, V)
    for k, (weight, bias) in enumerate(
        zip(head.contexts.weight.split(INPUTS), head.contexts.bias.split(INPUTS), strict=True)
    ):
        one = torch.softmax(torch.tanh(x @ weight.T + bias) @ head.weight.T + head.bias, -1)
        expected += shares[..., k, None] * one
    torch.testing.assert_close(head(x).exp(), expected)


def test_an_adaptive_softmax_is_torchs_own_on_tokens_in_order_of_frequency(x):
    head = make("adaptive")
    theirs = torch.nn.AdaptiveLogSoftmaxWithLoss(INPUTS, V, cuts(V), head_bias=True)
    own = [head.root.weight, head.root.bias]
    for tail in head.tails:
        own += [tail.narrow.weight, tail.wide.weight]
    with torch.no_grad():
        for parameter, mine in zip(theirs.parameters(), own, strict=True):
            parameter.copy_(mine)
    order = COUNTS.argsort(descending=True, stable=True)
    expected = theirs.log_prob(x.flatten(0, 1)).unflatten(0, (3, 7))
    torch.testing.assert_close(head(x)[..., order], expected)


def test_before_it_learns_an_adaptive_softmax_gives_each_cluster_its_share():
    head = make_head(NetworkOptions(head="adaptive"), INPUTS, V, setup=TrainingSetup(COUNTS))
    chances = head(torch.zeros(INPUTS)).exp()[COUNTS.argsort(descending=True, stable=True)]
    expected = (COUNTS.sort(descending=True).values + 0.1) / (COUNTS + 0.1).sum()
    torch.testing.assert_close(chances[: cuts(V)[0]], expected[: cuts(V)[0]])
    for one, other in zip(chances.tensor_split(cuts(V)), expected.tensor_split(cuts(V)), strict=True):
        torch.testing.assert_close(one.sum(), other.sum())


@pytest.mark.parametrize("vocabulary", [3, 13, 257, 30_000])
def test_clusters_share_out_any_vocabulary(vocabulary):
    first, second = cuts(vocabulary)
    assert 0 < first < second < vocabulary


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("narrowed", [False, True])
def test_the_twin_for_numpy_says_the_same(kind, narrowed, x):
    weights = {"embedding.weight": torch.randn(V, INPUTS, generator=torch.Generator().manual_seed(3))}
    if narrowed and kind != "adaptive":
        weights["projection.weight"] = torch.randn(INPUTS, 9, generator=torch.Generator().manual_seed(4))
        x = x[..., :9]
    head = make(kind)
    weights |= {f"head.{name}": array for name, array in head.state_dict().items()}
    read = x @ weights["projection.weight"].T if "projection.weight" in weights else x
    twin = make_step_head({name: array.numpy() for name, array in weights.items()})
    expected = head(read)[:, 0].detach().numpy()
    np.testing.assert_allclose(twin(x[:, 0].numpy()), expected, atol=2e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_twin_lets_all_its_large_matrices_be_replaced(kind, x):
    head, made = make(kind), []
    weights = {f"head.{name}": array.numpy() for name, array in head.state_dict().items()}
    twin = make_step_head({"embedding.weight": np.zeros((V, INPUTS), np.float32), **weights})
    before = twin(x[:, 0].numpy())
    twin.quantize(lambda matrix: made.append(matrix.size) or matrix)
    np.testing.assert_array_equal(twin(x[:, 0].numpy()), before)
    kept = head.prior.weight.numel() if kind == "mixture" else 0
    assert sum(made) == sum(p.numel() for p in head.parameters() if p.ndim == 2) - kept


def test_a_mixture_shares_its_matrix_with_the_embedding():
    shared = torch.nn.Parameter(torch.randn(V, INPUTS))
    assert make("mixture", shared).weight is shared


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_is_to_be_trained_prepares_it(kind):
    def head(setup):
        options = NetworkOptions(hidden=INPUTS, **KINDS[kind])
        cell = choose(Registry(), {"cell": "gru"}, {})["cell"]
        made = RecurrentNetwork(V, options, cell.build, setup).head
        return made.root.bias if kind == "adaptive" else made.bias

    assert not head(None).any()
    torch.testing.assert_close(head(TrainingSetup(COUNTS)), first_bias(kind))


def first_bias(kind):
    """Log-frequencies of tokens; of the adaptive softmax those of frequent tokens, and of its clusters."""
    shares = (COUNTS + 0.1) / (COUNTS + 0.1).sum()
    if kind != "adaptive":
        return shares.log()
    first, *rest = shares.sort(descending=True).values.tensor_split(cuts(V))
    return torch.cat([first, *(one.sum().view(1) for one in rest)]).log()
