"""What disturbs training does so as its source says, and never reaches evaluation."""

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.contracts import IGNORE, Chunk
from rnngen.data.batches import StreamBatches
from rnngen.data.token_store import TokenStore
from rnngen.errors import UsageError
from rnngen.evaluation.perplexity import Loss
from rnngen.inference.numpy_model import NumpyStep
from rnngen.nn.network import RecurrentNetwork
from rnngen.nn.regularizers import ActivationRegularizer, EmbeddingDropout, TrainingSetup, WeightDrop
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry import Registry
from rnngen.training.optimizers import NOISE_FALLS, add_noise
from rnngen.training.trainer import Trainer

V, B, T, H = 37, 3, 11, 8
ALL = {"embed_dropout": 0.3, "weight_drop": 0.4, "activation_reg": 2.0, "temporal_reg": 1.0}
CELLS = ["lstm", "gru", "rnn"]


def layer(inputs, hidden):
    spec = Registry().find("cell", "rnn")
    return spec.resolve()(inputs, hidden, spec.spec.options())


def build(cell="lstm", shape=None, **training):
    spec = Registry().find("cell", cell)
    torch.manual_seed(0)
    options = NetworkOptions(**{"hidden": H, "dropout": 0.0, **(shape or {})})
    setup = TrainingSetup(torch.ones(V, dtype=torch.long), TrainingOptions(**training), restricted=False)
    return RecurrentNetwork(V, options, lambda i, h: spec.resolve()(i, h, spec.spec.options()), setup)


def tokens(seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, V, (B, T)))


def targets():
    some = tokens(1)
    some[0, 3], some[2, 5:] = IGNORE, IGNORE
    return some


def nll(network):
    return network.nll(tokens(), targets(), network.start(B))[0]


# ── evaluation and generation never see it ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("shape", [{}, {"layers": 2, "tied": True, "embed": 5}], ids=["plain", "stacked"])
def test_evaluation_and_the_numpy_step_are_those_of_a_network_without(cell, shape):
    plain, noisy = build(cell, shape).eval(), build(cell, shape, **ALL).eval()
    noisy.train()
    nll(noisy).backward()  # as after a step
    noisy.eval()
    assert plain.state_dict().keys() == noisy.state_dict().keys()
    with torch.no_grad():
        expected, _ = plain(tokens(), plain.start(B))
        assert torch.equal(noisy(tokens(), noisy.start(B))[0], expected)
        assert torch.equal(nll(noisy), nll(plain))
    found = Registry().find("cell", cell)
    weights = {name: tensor.numpy() for name, tensor in noisy.state_dict().items()}
    parts = [f"layers.{i}." for i in range(len(noisy.layers))]
    layers = [
        found.resolve(found.spec.numpy)(
            {name.removeprefix(part): w for name, w in weights.items() if name.startswith(part)},
            found.spec.options(),
        )
        for part in parts
    ]
    step = NumpyStep(weights, layers)
    state = step.start(B)
    for t in range(T):
        logits, state = step(tokens()[:, t].numpy(), state)
        np.testing.assert_allclose(logits, expected[:, t], atol=2e-6)


@pytest.mark.parametrize("name", ALL)
def test_each_alone_changes_the_training_loss_and_every_parameter_learns(name):
    network, plain = build(**{name: ALL[name]}), build()
    loss = nll(network)
    assert loss.item() != nll(plain).item()
    loss.backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_without_them_training_is_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    assert torch.equal(nll(build().train()), nll(build().eval()))
    torch.manual_seed(5)
    nll(network := build())
    torch.manual_seed(5)
    nll(network)
    assert torch.equal(torch.get_rng_state(), before)  # no number is drawn


# ── weight drop ────────────────────────────────────────────────────────────────────────────────────────────


class Spy(nn.Module):
    """Gives the matrix that it has while it is called."""

    def __init__(self, size=60):
        super().__init__()
        self.weight_hh_l0 = nn.Parameter(torch.ones(4 * size, size))
        self.weight_ih_l0 = nn.Parameter(torch.ones(4 * size, size))

    def forward(self):
        return self.weight_hh_l0, self.weight_ih_l0


def dropping(share):
    return WeightDrop(share)


def test_weight_drop_thins_recurrent_matrices_by_its_share_and_scales_the_rest():
    torch.manual_seed(0)
    spy = Spy()
    recurrent, entry = dropping(0.3)(spy)
    assert recurrent.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (recurrent == 0).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert entry is spy.weight_ih_l0


def test_weight_drop_draws_anew_at_each_call_and_leaves_the_layer_its_own():
    torch.manual_seed(0)
    spy, drop = Spy(), dropping(0.3)
    kept = spy.weight_hh_l0
    assert not torch.equal(drop(spy)[0], drop(spy)[0])
    assert spy.weight_hh_l0 is kept
    assert (kept == 1).all()
    assert drop.eval()(spy)[0] is kept


@pytest.mark.parametrize("cell", CELLS)
def test_weight_drop_is_the_cell_with_a_thinned_matrix_and_its_gradient(cell):
    """One mask for all steps: what the fused layer gives of thinned weights, and their gradient masked."""
    network, other = build(cell, weight_drop=0.5), build(cell)
    torch.manual_seed(3)
    mask = nn.functional.dropout(torch.ones_like(other.layers[0].rnn.weight_hh_l0), 0.5)
    with torch.no_grad():
        other.layers[0].rnn.weight_hh_l0.mul_(mask)
    torch.manual_seed(3)
    loss, expected = nll(network), nll(other)
    torch.testing.assert_close(loss, expected)
    loss.backward(), expected.backward()
    gradient = other.layers[0].rnn.weight_hh_l0.grad * mask
    torch.testing.assert_close(network.layers[0].rnn.weight_hh_l0.grad, gradient)


# ── embedding dropout ──────────────────────────────────────────────────────────────────────────────────────


def test_embedding_dropout_drops_whole_tokens_wherever_they_stand():
    torch.manual_seed(0)
    drop, embedding = EmbeddingDropout(0.25), nn.Embedding(500, 4)
    nn.init.ones_(embedding.weight)
    ids = torch.arange(500).repeat(3, 2)  # each stands six times
    dropped = drop(ids, embedding)
    assert dropped.unique().tolist() == pytest.approx([0, 4 / 3])
    by_token = dropped.view(6, 500, 4)
    assert (by_token == by_token[:1, :, :1]).all()
    assert (by_token[0, :, 0] == 0).float().mean().item() == pytest.approx(0.25, abs=0.06)
    assert torch.equal(drop.eval()(ids, embedding), embedding(ids))


def test_a_tied_output_layer_keeps_what_the_embedding_drops():
    network = build(shape={"tied": True}, embed_dropout=0.9)
    with torch.no_grad():
        network.nll(tokens(), targets(), network.start(B))
        assert network.head(torch.ones(1, H)).ne(0).all()


# ── AR and TAR ─────────────────────────────────────────────────────────────────────────────────────────────


def penalty(dropped, raw, counts, size, change):
    """Loop by loop, in float64."""
    squares = [np.mean(dropped[b, t] ** 2) for b in range(B) for t in range(T) if counts[b, t]]
    changes = [
        np.mean((raw[b, t] - raw[b, t - 1]) ** 2)
        for b in range(B)
        for t in range(1, T)
        if counts[b, t] and counts[b, t - 1]
    ]
    return len(squares) * (size * np.mean(squares) + change * np.mean(changes))


@pytest.mark.parametrize(("size", "change"), [(2.0, 0.0), (0.0, 1.5), (2.0, 1.5)])
def test_ar_and_tar_are_their_formulas_over_the_targets_that_count(size, change):
    rng, counts = np.random.default_rng(0), (targets() != IGNORE)
    dropped, raw = rng.normal(size=(2, B, T, H))
    regularizer = ActivationRegularizer(size, change)
    made = regularizer(torch.from_numpy(dropped), torch.from_numpy(raw), counts)
    assert made.item() == pytest.approx(penalty(dropped, raw, counts.numpy(), size, change), rel=1e-5)
    assert regularizer.eval()(torch.from_numpy(dropped), torch.from_numpy(raw), counts) == 0


@pytest.mark.parametrize("layers", [1, 2])
def test_they_are_added_to_the_loss_of_the_last_layer(layers):
    shape = {"layers": layers}
    network, plain = build(shape=shape, activation_reg=2.0, temporal_reg=1.0), build(shape=shape)
    with torch.no_grad():
        h = plain.hidden(tokens(), plain.start(B))[0].double().numpy()
        added = nll(network).item() - nll(plain).item()
    assert added == pytest.approx(penalty(h, h, (targets() != IGNORE).numpy(), 2.0, 1.0), rel=1e-3)


def test_where_no_target_counts_nothing_is_added():
    network = build(activation_reg=2.0, temporal_reg=1.0)
    loss, _ = network.nll(tokens(), torch.full((B, T), IGNORE), network.start(B))
    assert loss.item() == 0


# ── refusals ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ALL)
def test_a_network_that_reads_a_source_is_refused_with_the_reason(session, ask, name):
    session.plan(ask(**{name: ALL[name]}))
    with pytest.raises(UsageError, match=f"{name}: a network that reads a source builds its own layers"):
        session.plan(ask(task="pairs", **{name: ALL[name]}))


class Plain(nn.Linear):
    """A layer whose matrices have other names."""

    def initial_state(self, batch):
        return (torch.zeros(batch, self.out_features),)


def test_a_cell_without_recurrent_matrices_by_name_has_no_weights_to_drop():
    def make(share):
        setup = TrainingSetup(torch.ones(V), TrainingOptions(weight_drop=share))
        return RecurrentNetwork(V, NetworkOptions(hidden=H), Plain, setup)

    make(0.0)
    with pytest.raises(UsageError, match="weight_drop needs a cell with matrices called weight_hh"):
        make(0.5)


@pytest.mark.parametrize("name", ["embed_dropout", "weight_drop", "vary_seq"])
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_a_share_is_from_zero_to_below_one(name, value):
    with pytest.raises(ValueError, match=f"{name}={value:g}: a number from 0 to below 1"):
        TrainingOptions(**{name: value})


@pytest.mark.parametrize("name", ["activation_reg", "temporal_reg", "gradient_noise"])
@pytest.mark.parametrize("value", [-0.1, float("inf"), float("nan")])
def test_a_strength_is_finite_and_not_negative(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}: a number from 0 to"):
        TrainingOptions(**{name: value})


# ── noise ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [0, 99])
def test_the_noise_has_the_variance_of_its_formula(step):
    parameter = nn.Parameter(torch.zeros(300, 300))
    parameter.grad = torch.full_like(parameter, 3.0)
    add_noise([parameter], 0.3, step, seed=1)
    assert parameter.grad.mean().item() == pytest.approx(3.0, abs=0.02)
    assert parameter.grad.var().item() == pytest.approx(0.3 / (1 + step) ** NOISE_FALLS, rel=0.03)


def test_the_trainer_adds_it_once_before_each_update(store):
    """After clipping; it follows from the seed and the step alone."""
    moved = []
    for noise in (0.0, 0.5):
        options = {"optimizer": "sgd", "lr": 1.0, "weight_decay": 0, "warmup": 0, "schedule": "constant"}
        options = TrainingOptions(batch=2, seq=8, steps=3, seed=4, gradient_noise=noise, **options)
        torch.manual_seed(1)
        network = RecurrentNetwork(257, NetworkOptions(hidden=H, dropout=0.0), layer)
        batches = StreamBatches(store, 2, 8)
        trainer = Trainer(network, batches, lambda: Loss(1, 1, 1), options, "fp32", lambda *_: iter(()))
        torch.manual_seed(99 + round(noise))  # nothing but seed and step may matter
        next(trainer.run())
        ordered = [p for group in trainer.optimizer.param_groups for p in group["params"]]
        moved.append([p.detach().clone() for p in ordered])
    alone = [nn.Parameter(torch.zeros_like(p)) for p in moved[0]]
    for parameter in alone:
        parameter.grad = torch.zeros_like(parameter)
    add_noise(alone, 0.5, 0, seed=4)
    for quiet, noisy, parameter in zip(*moved, alone, strict=True):
        torch.testing.assert_close(noisy, quiet - parameter.grad)


@pytest.mark.parametrize("other", [(7, 5), (8, 4)])
def test_another_step_or_seed_is_other_noise_and_so_is_each_matrix(other):
    def noise(step, seed):
        parameters = [nn.Parameter(torch.zeros(4, 4)) for _ in range(2)]
        for parameter in parameters:
            parameter.grad = torch.zeros_like(parameter)
        add_noise(parameters, 1.0, step, seed)
        return [p.grad / p.grad.norm() for p in parameters]

    one, another = noise(7, 4), noise(*other)
    assert not torch.allclose(one[0], one[1])
    assert not torch.allclose(one[0], another[0])


# ── windows of varying length ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def store(tmp_path):
    from rnngen.builtins.tokenizers.byte import ByteTokenizer

    text = "".join(chr(32 + (i * i + i // 7) % 65) for i in range(40_000))
    return TokenStore.write(tmp_path, [Chunk(text, starts_document=True)], ByteTokenizer())


def widths(batches, count):
    return [next(batches).inputs.shape[1] for _ in range(count)]


def test_lengths_vary_around_t_and_once_in_twenty_around_half(store):
    drawn = np.array(widths(StreamBatches(store, 1, 64, vary=0.07, seed=1), 550))
    halves = drawn < 48
    assert halves.mean() == pytest.approx(0.05, abs=0.03)
    assert drawn[~halves].mean() == pytest.approx(64, abs=1)
    assert drawn[~halves].std() == pytest.approx(0.07 * 64, rel=0.15)


def test_whatever_the_lengths_every_token_is_read_once(store):
    batches = StreamBatches(store, 3, 32, vary=0.5, seed=2)
    read = [batch.targets[0][batch.targets[0] != IGNORE] for batch in batches.sweep()]
    stream = store.tokens[1 : batches.edges[1] + 1].astype(np.int64)
    assert np.array_equal(np.concatenate(read), stream[stream != batches.eos_id])
    assert min(map(len, read[:-1])) >= 8
    assert max(map(len, read)) <= 64


def test_lengths_go_on_from_a_position_as_they_would_have(store):
    whole, cut = (StreamBatches(store, 2, 32, vary=0.2, state_reset_prob=0.1, seed=3) for _ in range(2))
    expected = [next(whole) for _ in range(9)]
    for _ in range(4):
        next(cut)
    resumed = StreamBatches(store, 2, 32, vary=0.2, state_reset_prob=0.1, seed=3)
    resumed.restore(cut.position())
    for batch in expected[4:]:
        again = next(resumed)
        assert np.array_equal(again.inputs, batch.inputs)
        assert np.array_equal(again.reset_state, batch.reset_state)


def test_another_seed_gives_other_lengths(store):
    drawn = [widths(StreamBatches(store, 1, 64, vary=0.2, seed=seed), 20) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
