"""The output layer's loss is torch's own, smoothed or not; dropout drops the same features at all steps."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from rnngen.contracts import IGNORE
from rnngen.nn.heads import Head
from rnngen.nn.regularizers import TrainingSetup, VariationalDropout
from rnngen.options.model import TrainingOptions

INPUTS, VOCABULARY = 5, 7


def make(smoothing=0.0, counts=None):
    """An output layer that is trained on the tokens that occur; on all, where no counts are given."""
    torch.manual_seed(1)
    options = TrainingOptions(label_smoothing=smoothing)
    counts = torch.ones(VOCABULARY, dtype=torch.long) if counts is None else counts
    made = Head(INPUTS, VOCABULARY, setup=TrainingSetup(counts, options))
    torch.nn.init.normal_(made.bias)
    return made


@pytest.fixture
def x():
    return torch.randn(3, 4, INPUTS, generator=torch.Generator().manual_seed(2))


TARGETS = torch.tensor([[0, 3, 2, IGNORE], [6, 6, IGNORE, IGNORE], [5, 0, 3, 2]])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_the_loss_is_torchs_smoothed_in_training_alone(x, smoothing):
    head = make(smoothing)
    for training in (True, False):
        flat, targets = head(x).flatten(0, 1), TARGETS.flatten()
        share = smoothing if training else 0.0
        expected = cross_entropy(flat, targets, ignore_index=IGNORE, reduction="sum", label_smoothing=share)
        torch.testing.assert_close(head.train(training).nll(x, TARGETS), expected)


def test_smoothing_is_the_mix_that_the_paper_gives(x):
    head = make(0.3)
    chances = head(x).detach().double().log_softmax(-1)
    expected = 0.0
    for row, column in (TARGETS != IGNORE).nonzero().tolist():
        said = chances[row, column]
        expected -= 0.7 * float(said[TARGETS[row, column]]) + 0.3 * float(said.mean())
    assert float(head.train().nll(x, TARGETS).detach()) == pytest.approx(expected, rel=1e-5)


def test_restricted_to_what_occurs_smoothing_spreads_over_that_alone(x):
    counts = torch.tensor([1, 0, 2, 5, 0, 1, 9])
    there = counts.nonzero().flatten()
    head = make(0.2, counts)
    columns = torch.searchsorted(there, TARGETS.clamp(min=0)).where(TARGETS != IGNORE, IGNORE)
    flat = head(x)[..., there].flatten(0, 1)
    expected = cross_entropy(
        flat, columns.flatten(), ignore_index=IGNORE, reduction="sum", label_smoothing=0.2
    )
    torch.testing.assert_close(head.train().nll(x, TARGETS), expected)


def test_a_mask_is_one_for_all_steps_and_keeps_the_mean():
    torch.manual_seed(1)
    dropout = VariationalDropout(0.25)
    x = torch.ones(50, 6, 40)
    y = dropout.train()(x)
    assert torch.equal(y, y[:, :1].expand_as(y))
    assert y.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert float(y.mean()) == pytest.approx(1.0, abs=0.06)
    assert dropout.eval()(x) is x
