"""Muon does what its formulas say, to each gate alone, and leaves AdamW what is AdamW's."""

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.builtins.cells.gru.torch import GRU
from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions, RNNOptions
from rnngen.builtins.cells.rnn.torch import RNN
from rnngen.nn.network import RecurrentNetwork
from rnngen.options import NoOptions
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.training.optimizers import QUINTIC, ROUNDS, Muon, block_rows, make_optimizer, orthogonal

H, E = 6, 5
CELLS = {
    "lstm": (4, lambda i, h: LSTM(i, h, LSTMOptions())),
    "gru": (3, lambda i, h: GRU(i, h, NoOptions())),
    "rnn": (1, lambda i, h: RNN(i, h, RNNOptions())),
}


class Stranger(nn.Module):
    """A cell with names of its own."""

    def __init__(self, inputs, hidden):
        super().__init__()
        self.past = nn.Parameter(torch.randn(2 * hidden, hidden))
        self.input = nn.Linear(inputs, 2 * hidden)

    def initial_state(self, batch):
        return (torch.zeros(batch, H),)


def build(cell="lstm", **shape):
    torch.manual_seed(0)
    make = Stranger if cell == "stranger" else CELLS[cell][1]
    return RecurrentNetwork(29, NetworkOptions(**{"hidden": H, "embed": E, "dropout": 0.0, **shape}), make)


def gradients(network, seed):
    """Random ones for all parameters."""
    torch.manual_seed(seed)
    for parameter in network.parameters():
        parameter.grad = torch.randn_like(parameter)
    return {name: p.grad.double().numpy().copy() for name, p in network.named_parameters()}


def weights(network):
    return {name: p.detach().double().numpy().copy() for name, p in network.named_parameters()}


def newton_schulz(block):
    """One matrix in float64, by powers of its singular values' matrix."""
    a, b, c = QUINTIC
    x = block / (np.linalg.norm(block) + 1e-7)
    for _ in range(ROUNDS):
        x = a * x + b * (x @ x.T) @ x + c * (x @ x.T) @ (x @ x.T) @ x
    return x


def names(network, **options):
    """Muon's parameters by name, with the rows of their blocks."""
    chosen = block_rows(network, **options)
    return {name: chosen[p] for name, p in network.named_parameters() if p in chosen}


# ── the iteration ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (9, 5)])
def test_each_block_is_what_the_iteration_gives_of_it_alone(shape):
    blocks = torch.randn(3, *shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    made = orthogonal(blocks, torch.float64)
    for block, one in zip(blocks.numpy(), made.numpy(), strict=True):
        np.testing.assert_allclose(one, newton_schulz(block), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_singular_values_end_near_one_and_directions_stay(dtype):
    torch.manual_seed(1)
    u, v = (torch.linalg.qr(torch.randn(16, 16))[0] for _ in range(2))
    sizes = torch.logspace(0, -1.5, 16)
    made = orthogonal((u * sizes @ v.T)[None], dtype)[0].float()
    turned = u.T @ made @ v
    assert ((turned.diagonal() > 0.6) & (turned.diagonal() < 1.3)).all()
    assert (turned - turned.diagonal().diag()).abs().max() < (1e-4 if dtype == torch.float32 else 0.05)


def test_the_size_of_a_gradient_does_not_matter_and_nothing_stays_nothing():
    block = torch.randn(1, 7, 7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(orthogonal(1000 * block), orthogonal(block), atol=1e-4, rtol=0)
    assert not orthogonal(torch.zeros(2, 7, 7)).any()


# ── whose is what ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_matrices_alone_are_muons(cell):
    assert names(build(cell, layers=2)) == {f"layers.{i}.rnn.weight_hh_l0": H for i in range(2)}


def test_by_option_all_matrices_of_the_layers_are_gate_by_gate():
    chosen = names(build(layers=2, tied=True, learn_state=True), where="layers")
    matrices = ("weight_hh_l0", "weight_ih_l0")
    assert chosen == {f"layers.{i}.rnn.{name}": H for i in range(2) for name in matrices}


def test_of_a_strangers_cell_it_takes_squares_one_below_the_other():
    assert names(build("stranger")) == {"layers.0.past": H}
    assert names(build("stranger"), where="layers") == {"layers.0.past": H, "layers.0.input.weight": 2 * H}
    assert names(build("stranger", embed=H)) == {"layers.0.past": H, "layers.0.input.weight": H}


def test_what_is_frozen_is_nobodys():
    network = build()
    network.layers[0].rnn.weight_hh_l0.requires_grad_(False)
    assert names(network) == {}
    frozen = network.layers[0].rnn.weight_hh_l0
    groups = make_optimizer(network, TrainingOptions(optimizer="muon")).param_groups
    assert all(p is not frozen for group in groups for p in group["params"])


@pytest.mark.parametrize("where", ["recurrent", "layers"])
def test_every_parameter_is_in_one_group(where):
    network = build(layers=2, tied=True, embed=E, learn_state=True)
    groups = make_optimizer(network, TrainingOptions(optimizer="muon", muon=where)).param_groups
    held = [id(p) for group in groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in network.parameters())


# ── a step ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_three_steps_are_nesterov_momentum_made_orthogonal_gate_by_gate(cell, decay):
    network = build(cell)
    name, gates, lr = "layers.0.rnn.weight_hh_l0", CELLS[cell][0], 0.01
    options = TrainingOptions(optimizer="muon", lr=lr, weight_decay=decay, precision="fp32")
    optimizer = make_optimizer(network, options)
    expected, mean = weights(network)[name], np.zeros((gates * H, H))
    for step in range(3):
        gradient = gradients(network, step)[name]
        mean = 0.95 * mean + 0.05 * gradient
        ahead = 0.05 * gradient + 0.95 * mean
        moved = np.concatenate([newton_schulz(ahead[g * H : (g + 1) * H]) for g in range(gates)])
        expected = expected * (1 - lr * decay) - lr * 0.2 * H**0.5 * moved
        optimizer.step()
    np.testing.assert_allclose(weights(network)[name], expected, atol=2e-6)


def test_everything_else_moves_as_with_adamw():
    mine, theirs = build(), build()
    muon, adamw = (
        make_optimizer(network, TrainingOptions(optimizer=name, weight_decay=0.1))
        for network, name in ((mine, "muon"), (theirs, "adamw"))
    )
    for step in range(3):
        gradients(mine, step), gradients(theirs, step)
        muon.step(), adamw.step()
    for name, weight in weights(mine).items():
        same = np.array_equal(weight, weights(theirs)[name])
        assert same == ("weight_hh" not in name), name


def test_the_rate_means_for_muon_what_it_means_for_adamw():
    """The root mean square of an update is 0.2 of the rate, as AdamW's is in practice, whatever the size."""
    for hidden in (8, 64):
        network = build(hidden=hidden)
        name = "layers.0.rnn.weight_hh_l0"
        before = weights(network)[name]
        optimizer = make_optimizer(
            network, TrainingOptions(optimizer="muon", lr=0.5, weight_decay=0, precision="fp32")
        )
        gradients(network, 1)
        optimizer.step()
        moved = weights(network)[name] - before
        assert np.sqrt(np.square(moved).mean()) == pytest.approx(0.2 * 0.5, rel=0.25)


def test_a_parameter_without_a_gradient_stays():
    network = build()
    before = weights(network)
    optimizer = make_optimizer(network, TrainingOptions(optimizer="muon", weight_decay=0.5))
    optimizer.step()
    network.head.bias.grad = torch.ones_like(network.head.bias)
    optimizer.step()
    changed = [name for name, weight in weights(network).items() if not np.array_equal(weight, before[name])]
    assert changed == ["head.bias"]


def test_a_closure_is_called_with_gradients_on():
    network = build()
    optimizer = make_optimizer(network, TrainingOptions(optimizer="muon"))

    def closure():
        loss = network.head.bias.square().sum() + network.head.bias.sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).requires_grad
    assert network.head.bias.detach().any()


def test_its_state_goes_on_where_it_was_saved():
    whole, cut = build(), build()
    options = TrainingOptions(optimizer="muon", muon="layers")
    unbroken, first = make_optimizer(whole, options), make_optimizer(cut, options)
    for step in range(2):
        gradients(whole, step), gradients(cut, step)
        unbroken.step(), first.step()
    second = make_optimizer(cut, options)
    assert isinstance(second, Muon)
    second.load_state_dict(first.state_dict())
    gradients(whole, 2), gradients(cut, 2)
    unbroken.step(), second.step()
    for name, weight in weights(whole).items():
        assert np.array_equal(weight, weights(cut)[name]), name
