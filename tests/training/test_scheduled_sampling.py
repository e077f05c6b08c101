"""Scheduled sampling replaces what it should, by what the network would have said, and nothing else."""

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.gru.torch import GRU
from rnngen.contracts import IGNORE
from rnngen.data.batches import Batch
from rnngen.nn.network import RecurrentNetwork
from rnngen.options import NoOptions
from rnngen.options.model import NetworkOptions
from rnngen.training.trainer import scheduled_inputs

VOCABULARY = 12


@pytest.fixture
def network():
    torch.manual_seed(1)
    made = RecurrentNetwork(
        VOCABULARY, NetworkOptions(hidden=8, dropout=0.0), lambda i, h: GRU(i, h, NoOptions())
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


@pytest.fixture
def batch():
    tokens = np.random.default_rng(3).integers(0, VOCABULARY, (40, 26))
    targets = tokens[:, 1:].copy()
    targets[::2, -4:] = IGNORE
    return Batch(tokens[:, :-1], targets, np.ones(40, bool))


def guesses(network, batch):
    """The most probable token after each token of the text."""
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(batch.inputs), network.start(len(batch.inputs)))
    return logits.argmax(-1).numpy()


def test_a_share_of_none_changes_nothing_and_tosses_no_coin(network, batch):
    before = torch.get_rng_state()
    assert scheduled_inputs(network, batch, None, 0.0, "fp32") is batch
    assert torch.equal(torch.get_rng_state(), before)


def test_a_share_of_all_gives_what_the_network_would_have_said(network, batch):
    found = scheduled_inputs(network, batch, None, 1.0, "fp32")
    np.testing.assert_array_equal(found.inputs[:, 0], batch.inputs[:, 0])
    np.testing.assert_array_equal(found.inputs[:, 1:], guesses(network, batch)[:, :-1])


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_about_the_share_is_replaced_never_the_first_and_no_target(network, batch, share):
    torch.manual_seed(2)
    found = scheduled_inputs(network, batch, None, share, "fp32")
    own, said = batch.inputs[:, 1:], guesses(network, batch)[:, :-1]
    there = found.inputs[:, 1:]
    assert ((there == own) | (there == said)).all()
    np.testing.assert_array_equal(found.inputs[:, 0], batch.inputs[:, 0])
    told_apart = own != said
    replaced = (there == said)[told_apart].mean()
    assert replaced == pytest.approx(share, abs=4 * (share * (1 - share) / told_apart.sum()) ** 0.5)
    assert found.targets is batch.targets
    assert found.inputs.dtype == batch.inputs.dtype


def test_the_network_keeps_its_weights_and_its_gradients(network, batch):
    scheduled_inputs(network, batch, None, 0.5, "fp32")
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_batch_given_is_not_written_to(network, batch):
    before = batch.inputs.copy()
    scheduled_inputs(network, batch, None, 1.0, "fp32")
    np.testing.assert_array_equal(batch.inputs, before)
