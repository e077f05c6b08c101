"""The loss of a batch, and the states in which its rows begin."""

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.contracts import IGNORE
from rnngen.data.batches import Batch
from rnngen.nn.loss import batch_loss, initial_states
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import NetworkOptions


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    options = NetworkOptions(hidden=8, layers=2, dropout=0.5, learn_state=True)
    made = RecurrentNetwork(257, options, lambda i, h: LSTM(i, h, LSTMOptions()))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(-0.5, 0.5)
    return made


def one_batch(targets, reset_state=(True, True)):
    targets = np.array(targets)
    return Batch(np.full_like(targets, 65), targets, np.array(reset_state))


def test_a_batch_in_which_nothing_counts_is_no_loss_and_no_gradient(network):
    loss, _ = batch_loss(network, one_batch([[IGNORE], [IGNORE]]), None, "fp32")
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad is None or not p.grad.any() for p in network.parameters())
    network.zero_grad()


def test_the_mean_is_over_the_targets_that_count(network):
    network.eval()
    whole, _ = batch_loss(network, one_batch([[66, 67], [68, IGNORE]]), None, "fp32")
    total, _ = batch_loss(network, one_batch([[66, 67], [68, IGNORE]]), None, "fp32", reduction="sum")
    assert whole.item() == pytest.approx(total.item() / 3)


def test_the_state_that_goes_on_carries_no_gradient(network):
    _, state = batch_loss(network, one_batch([[66], [67]]), None, "fp32")
    assert not any(array.requires_grad for array in state)


def test_fresh_rows_begin_at_the_initial_state_and_others_go_on(network):
    told = tuple(torch.full((2, 8), float(i)) for i in range(4))
    state = initial_states(network, one_batch([[1], [1]], reset_state=(False, True)), told)
    for array, old, new in zip(state, told, network.start(2), strict=True):
        assert torch.equal(array[0], old[0])
        assert torch.equal(array[1], new[1])
    assert initial_states(network, one_batch([[1], [1]], reset_state=(False, False)), told) is told


def test_the_learned_initial_state_learns_from_fresh_rows_alone(network):
    told = tuple(torch.zeros(2, 8) for _ in range(4))
    for reset_state, learns in (((False, False), False), ((True, False), True)):
        network.zero_grad()
        loss, _ = batch_loss(network, one_batch([[66], [67]], reset_state=reset_state), told, "fp32")
        loss.backward()
        assert any(p.grad is not None and bool(p.grad.any()) for p in network.initial) is learns
