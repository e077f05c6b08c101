"""The network is one function of tokens and state, however it is cut, stacked, tied or run."""

import numpy as np
import pytest
import torch

from rnngen.contracts import IGNORE
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.torch_model import TorchStep
from rnngen.nn.network import RecurrentNetwork
from rnngen.nn.regularizers import TrainingSetup, VariationalDropout
from rnngen.options.model import NetworkOptions
from rnngen.registry import Registry

V, B, T = 37, 3, 11
SHAPES = {
    "plain": {},
    "two layers": {"layers": 2},
    "three layers": {"layers": 3, "embed": 5},
    "tied": {"tied": True},
    "tied and narrow": {"tied": True, "embed": 5},
    "tied, two layers": {"tied": True, "layers": 2},
    "learned state": {"learn_state": True},
    "all of it": {"layers": 2, "embed": 5, "tied": True, "learn_state": True},
}
CELLS = ["lstm", "gru", "rnn"]


def build(cell="lstm", setup=None, **shape):
    spec = Registry().find("cell", cell)
    torch.manual_seed(0)
    options = NetworkOptions(**{"hidden": 8, "dropout": 0.0, **shape})
    network = RecurrentNetwork(V, options, lambda i, h: spec.resolve()(i, h, spec.spec.options()), setup)
    with torch.no_grad():  # zeros would hide what is forgotten
        for parameter in (*network.initial, network.head.bias):
            parameter.uniform_(-1, 1)
    return network


def tokens(length=T):
    return torch.from_numpy(np.random.default_rng(0).integers(0, V, (B, length)))


def numpy_step(network, cell="lstm"):
    found = Registry().find("cell", cell)
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    layers = [
        found.resolve(found.spec.numpy)(
            {n.removeprefix(f"layers.{i}."): w for n, w in weights.items() if n.startswith(f"layers.{i}.")},
            found.spec.options(),
        )
        for i in range(len(network.layers))
    ]
    return NumpyStep(weights, layers)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_whole_sequence_equals_step_by_step_equals_numpy(cell, shape):
    network = build(cell, **shape).eval()
    with torch.no_grad():
        whole, last = network(tokens(), network.start(B))
    for step in (TorchStep(network), numpy_step(network, cell)):
        state = step.start(B)
        for t in range(T):
            logits, state = step(tokens()[:, t].numpy(), state)
            np.testing.assert_allclose(logits, whole[:, t], atol=2e-6)
        assert len(state) == len(last)
        for mine, theirs in zip(state, last, strict=True):
            np.testing.assert_allclose(mine, theirs, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("cut", [1, 5, 10])
def test_a_sequence_cut_in_two_equals_the_whole(shape, cut):
    network = build(**shape).eval()
    with torch.no_grad():
        whole, _ = network(tokens(), network.start(B))
        first, state = network(tokens()[:, :cut], network.start(B))
        second, _ = network(tokens()[:, cut:], state)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, atol=2e-6, rtol=0)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_streams_do_not_see_each_other(shape):
    network = build(**shape).eval()
    with torch.no_grad():
        whole, state = network(tokens(), network.start(B))
        for row in range(B):
            alone, after = network(tokens()[row : row + 1], network.start(1))
            torch.testing.assert_close(alone[0], whole[row], atol=2e-6, rtol=0)
            for mine, theirs in zip(after, state, strict=True):
                torch.testing.assert_close(mine[0], theirs[row], atol=2e-6, rtol=0)


def test_a_numpy_step_without_its_table_gives_the_same(monkeypatch):
    network = build().eval()
    tabulated = numpy_step(network)
    monkeypatch.setattr(NumpyStep, "TABLE_LIMIT", 0)
    projected = numpy_step(network)
    assert (tabulated.table is None, projected.table is None) == (False, True)
    ids = tokens()[:, 0].numpy()
    one, other = tabulated(ids, tabulated.start(B))[0], projected(ids, projected.start(B))[0]
    np.testing.assert_allclose(one, other, atol=1e-6)  # BLAS rounds V rows otherwise than B


def test_a_table_of_projections_is_only_kept_where_it_is_small(monkeypatch):
    monkeypatch.setattr(NumpyStep, "TABLE_LIMIT", V * 4 * 8 - 1)
    assert numpy_step(build().eval()).table is None
    monkeypatch.setattr(NumpyStep, "TABLE_LIMIT", V * 4 * 8)
    assert numpy_step(build().eval()).table is not None


@pytest.mark.parametrize("embed", [None, 5])
def test_tied_weights_are_one_matrix(embed):
    network = build(tied=True, embed=embed)
    assert network.head.weight is network.embedding.weight
    untied = build(embed=embed)
    assert untied.head.weight is not untied.embedding.weight
    names = [name for name, _ in network.named_parameters()]
    assert "head.weight" not in names
    assert ("projection.weight" in names) == (embed is not None)


def test_every_parameter_has_a_gradient():
    network = build(layers=2, embed=5, tied=True, learn_state=True)
    logits, _ = network(tokens(), network.start(B))
    logits.square().sum().backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_the_learned_state_is_where_every_stream_begins():
    network = build(learn_state=True, layers=2)
    state = network.start(B)
    assert len(state) == 4
    for array, learned in zip(state, network.initial, strict=True):
        assert array.shape == (B, 8)
        assert (array == learned).all()


def test_the_bias_starts_at_the_tokens_frequencies():
    counts = torch.zeros(V, dtype=torch.int64)
    counts[3], counts[5] = 900, 100
    spec = Registry().find("cell", "rnn")
    make_layer = lambda i, h: spec.resolve()(i, h, spec.spec.options())  # noqa: E731
    network = RecurrentNetwork(V, NetworkOptions(hidden=8), make_layer, TrainingSetup(counts))
    first = torch.softmax(network.head.bias.detach(), dim=0)
    assert first[3] == pytest.approx(0.9, rel=0.02)
    assert first[5] == pytest.approx(0.1, rel=0.02)
    assert 0 < first[0] < 2e-4


def test_dropout_is_for_training_alone():
    network = build(dropout=0.5)
    runs = [network(tokens(), network.start(B))[0] for _ in range(2)]
    assert not torch.equal(*runs)
    network.eval()
    runs = [network(tokens(), network.start(B))[0] for _ in range(2)]
    assert torch.equal(*runs)


def test_dropout_drops_the_same_features_at_all_steps_of_a_row():
    dropped = VariationalDropout(0.25)(torch.ones(50, 7, 40))
    assert (dropped == dropped[:, :1]).all()
    assert not (dropped == dropped[:1]).all()
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)


# ── the loss ───────────────────────────────────────────────────────────────────────────────────────────────


def targets(among=V):
    some = torch.from_numpy(np.random.default_rng(1).integers(0, among, (B, T)))
    some[0, 3], some[2, 5:] = IGNORE, IGNORE
    return some


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("training", [True, False])
def test_surprisal_is_the_negative_log_probability_of_the_targets_that_count(shape, training):
    network = build(**shape).train(training)
    with torch.no_grad():
        logits, state = network(tokens(), network.start(B))
        loss, same = network.nll(tokens(), targets(), network.start(B))
    logs = torch.log_softmax(logits, dim=-1)
    rows = [(b, t) for b in range(B) for t in range(T) if targets()[b, t] != IGNORE]
    expected = -sum(logs[b, t, targets()[b, t]].item() for b, t in rows)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert all(torch.equal(a, b) for a, b in zip(state, same, strict=True))


@pytest.mark.parametrize("shape", [{}, {"tied": True, "embed": 5}])
def test_training_is_among_the_tokens_that_occur_and_judging_among_all(shape):
    counts = torch.zeros(V, dtype=torch.int64)
    counts[[0, 1, 2, 5, 30]] = 3
    network = build(setup=TrainingSetup(counts), **shape)
    there = counts.nonzero().flatten()
    wanted = torch.where(targets(5) == IGNORE, IGNORE, there[targets(5).clamp(min=0)])
    whole, _ = network(tokens(), network.start(B))
    among = torch.full_like(whole, -torch.inf)
    among[..., there] = whole[..., there]
    for training, logits in ((True, among), (False, whole)):
        loss, _ = network.train(training).nll(tokens(), wanted, network.start(B))
        expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="sum")
        torch.testing.assert_close(loss, expected)
    network.zero_grad()
    network.train().nll(tokens(), wanted, network.start(B))[0].backward()
    assert not network.head.bias.grad[counts == 0].any()
    assert network.head.bias.grad[there].all()


@pytest.mark.parametrize(("vocabulary", "size"), [(100, 64), (1024, 64), (1025, 256), (50_000, 256)])
def test_the_embedding_fits_the_vocabulary_and_the_layer(vocabulary, size):
    assert NetworkOptions(hidden=300).embedding(vocabulary) == size
    assert NetworkOptions(hidden=16).embedding(vocabulary) == 16
    assert NetworkOptions(hidden=16, embed=99).embedding(vocabulary) == 99
