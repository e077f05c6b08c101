"""Updates do what their formulas say, and every optimizer and schedule learns."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from rnngen.options.model import TrainingOptions
from rnngen.training.optimizers import LAST, add_l1, make_optimizer, rate

OPTIMIZERS = ["sgd", "nt-asgd", "momentum", "rmsprop", "adam", "adamw", "muon"]


class Small(nn.Module):
    """A matrix and a bias."""

    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor([[1.0, -2.0], [0.0, 4.0]]))
        self.bias = nn.Parameter(torch.tensor([3.0, -3.0]))

    def give(self, matrix=0.0, bias=0.0):
        """Put gradients in place."""
        self.matrix.grad = torch.full_like(self.matrix, matrix)
        self.bias.grad = torch.full_like(self.bias, bias)
        return self


def update(name, network, **options):
    optimizer = make_optimizer(network, TrainingOptions(optimizer=name, lr=0.1, **options))
    optimizer.step()
    return network


def test_sgd_goes_down_the_gradient():
    network = update("sgd", Small().give(matrix=2.0, bias=1.0), weight_decay=0.0)
    torch.testing.assert_close(network.matrix.data, torch.tensor([[0.8, -2.2], [-0.2, 3.8]]))
    torch.testing.assert_close(network.bias.data, torch.tensor([2.9, -3.1]))


def test_weight_decay_of_sgd_pulls_matrices_by_its_share_and_leaves_biases():
    network = update("sgd", Small().give(), weight_decay=0.5)
    torch.testing.assert_close(network.matrix.data, Small().matrix.data * (1 - 0.1 * 0.5))
    torch.testing.assert_close(network.bias.data, Small().bias.data)


def test_weight_decay_of_adamw_is_apart_from_the_gradient():
    decayed = update("adamw", Small().give(matrix=7.0), weight_decay=0.5)
    plain = update("adamw", Small().give(matrix=7.0), weight_decay=0.0)
    difference = plain.matrix.data - decayed.matrix.data
    torch.testing.assert_close(difference, Small().matrix.data * 0.1 * 0.5)


def test_the_first_step_of_adam_is_as_long_as_the_rate_whatever_the_gradient():
    for gradient in (1e-3, 1e3):
        network = update("adam", Small().give(matrix=gradient), weight_decay=0.0)
        torch.testing.assert_close(network.matrix.data, Small().matrix.data - 0.1)


def test_momentum_goes_on_where_the_gradient_has_ended():
    network = Small().give(bias=1.0)
    optimizer = make_optimizer(network, TrainingOptions(optimizer="momentum", lr=0.1, weight_decay=0))
    optimizer.step()
    torch.testing.assert_close(network.bias.data, torch.tensor([2.81, -3.19]))  # Nesterov: 1 + 0.9
    network.give()
    optimizer.step()
    torch.testing.assert_close(network.bias.data, torch.tensor([2.729, -3.271]))  # 0.9 · 0.9 more


def test_l1_adds_the_sign_of_every_weight_in_a_matrix():
    network = Small().give(matrix=1.0, bias=1.0)
    add_l1(network.parameters(), 0.25)
    torch.testing.assert_close(network.matrix.grad, torch.tensor([[1.25, 0.75], [1.0, 1.25]]))
    torch.testing.assert_close(network.bias.grad, torch.ones(2))


def test_l1_is_the_gradient_of_the_sum_of_magnitudes():
    network = Small()
    (0.25 * network.matrix.abs().sum()).backward()
    expected = network.matrix.grad.clone()
    add_l1(network.give().parameters(), 0.25)
    torch.testing.assert_close(network.matrix.grad, expected)


def test_l1_passes_over_what_has_no_gradient():
    add_l1(Small().parameters(), 1.0)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_finds_the_bottom_of_a_bowl(name):
    network = Small()
    optimizer = make_optimizer(network, TrainingOptions(optimizer=name, lr=0.05, weight_decay=0))

    def depth():
        return sum(p.square().sum() for p in network.parameters())

    before = depth().item()
    for _ in range(100):
        optimizer.zero_grad()
        depth().backward()
        optimizer.step()
    assert depth().item() < 0.1 * before


def test_what_is_frozen_is_not_updated():
    network = Small()
    network.matrix.requires_grad_(False)
    optimizer = make_optimizer(network, TrainingOptions())
    assert [len(group["params"]) for group in optimizer.param_groups] == [1]


# ── the rate over the budget ───────────────────────────────────────────────────────────────────────────────


def options(schedule, warmup=0.1):
    return TrainingOptions(schedule=schedule, warmup=warmup, lr=2.0)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "plateau", "constant"])
def test_the_rate_rises_in_a_line_and_reaches_its_highest_after_the_warm_up(schedule):
    assert rate(options(schedule), 0.0) == 0
    assert rate(options(schedule), 0.05) == pytest.approx(1.0)
    assert rate(options(schedule), 0.1) == pytest.approx(2.0)
    assert rate(options(schedule, warmup=0.0), 0.0) == pytest.approx(2.0)


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_the_rate_never_rises_again_and_ends_at_a_hundredth(schedule):
    rates = [rate(options(schedule), 0.1 + 0.9 * i / 100) for i in range(101)]
    assert all(later < earlier for earlier, later in pairwise(rates))
    assert rates[-1] == pytest.approx(2.0 * LAST)
    assert rates[50] == pytest.approx(2.0 * (LAST + (1 - LAST) / 2))


def test_the_cosine_is_a_cosine():
    quarter = rate(options("cosine"), 0.1 + 0.9 / 4)
    assert quarter == pytest.approx(2.0 * (LAST + (1 - LAST) * (1 + math.cos(math.pi / 4)) / 2))


def test_a_constant_rate_stays():
    assert {rate(options("constant"), 0.1 + i / 10) for i in range(9)} == {2.0}


@pytest.mark.parametrize(("cuts", "expected"), [(0, 2.0), (1, 1.0), (3, 0.25)])
def test_a_plateau_halves_the_rate_at_every_cut(cuts, expected):
    assert rate(options("plateau"), 0.7, cuts) == expected


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_only_a_plateau_heeds_cuts(schedule):
    assert rate(options(schedule), 0.7, 5) == rate(options(schedule), 0.7)
