"""The loss of a student with teachers is the formula of it, and reading in pieces is reading."""

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.gru.torch import GRU
from rnngen.contracts import IGNORE
from rnngen.data.batches import Batch
from rnngen.nn.distillation import Distillation
from rnngen.nn.loss import batch_loss
from rnngen.nn.network import RecurrentNetwork
from rnngen.options import NoOptions
from rnngen.options.model import NetworkOptions

V = 9


def network(seed, hidden=6, **options):
    torch.manual_seed(seed)
    made = RecurrentNetwork(
        V, NetworkOptions(hidden=hidden, dropout=0.0, **options), lambda i, h: GRU(i, h, NoOptions())
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter)
    return made


@pytest.fixture
def student():
    return network(0)


@pytest.fixture
def teachers():
    return [network(1, layers=2).eval(), network(2, hidden=4, head="mixture").eval()]


@pytest.fixture
def batch():
    tokens = np.random.default_rng(3).integers(0, V, (3, 8))
    targets = tokens[:, 1:].copy()
    targets[1, -3:] = IGNORE
    return Batch(tokens[:, :-1], targets, np.ones(3, bool))


def log_probs(network, batch, temperature=1.0):
    logits, _ = network(torch.from_numpy(batch.inputs), network.start(len(batch.inputs)))
    return (logits.double() / temperature).log_softmax(-1)


def formula(student, teachers, batch, weight, temperature):
    """(1−w) Σ −log p(target) + w τ² Σ −q log p, over the targets that count."""
    counts = torch.from_numpy(batch.targets != IGNORE)
    targets = torch.from_numpy(batch.targets)[counts]
    hard = -log_probs(student, batch)[counts].gather(1, targets[:, None]).sum()
    q = torch.stack([log_probs(one, batch, temperature).exp() for one in teachers]).mean(0).detach()[counts]
    soft = -(q * log_probs(student, batch, temperature)[counts]).sum()
    return (1 - weight) * hard + weight * temperature**2 * soft


@pytest.mark.parametrize(("weight", "temperature"), [(0.0, 1.0), (0.5, 1.0), (0.8, 2.0), (1.0, 1.0)])
def test_loss_and_gradient_are_those_of_the_formula(student, teachers, batch, weight, temperature):
    both = Distillation(student, teachers, 1, weight=weight, temperature=temperature)
    loss, _ = batch_loss(both, batch, None, "fp32", reduction="sum")
    loss.backward()
    gradients = [p.grad.clone() for p in student.parameters()]
    student.zero_grad()
    wanted = formula(student, teachers, batch, weight, temperature)
    wanted.backward()
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for found, parameter in zip(gradients, student.parameters(), strict=True):
        torch.testing.assert_close(found, parameter.grad, rtol=1e-3, atol=1e-4)
    assert all(p.grad is None for one in teachers for p in one.parameters())


def test_a_student_that_says_what_its_teacher_says_has_nothing_to_learn(student, batch):
    both = Distillation(student, [network(0).eval()], 1, weight=1.0)
    loss, _ = batch_loss(both, batch, None, "fp32", reduction="sum")
    loss.backward()
    logs = log_probs(student, batch)[torch.from_numpy(batch.targets != IGNORE)]
    assert loss.item() == pytest.approx(-(logs.exp() * logs).sum().item(), rel=1e-5)
    assert all(p.grad.abs().max() < 1e-4 for p in student.parameters())


def test_weight_zero_is_training_without_teachers(student, teachers, batch):
    both = Distillation(student, teachers, 1, weight=0.0, smoothing=0.0)
    loss, _ = batch_loss(both, batch, None, "fp32")
    assert loss.item() == pytest.approx(batch_loss(student, batch, None, "fp32")[0].item(), rel=1e-5)


def test_label_smoothing_is_of_the_targets_part(student, teachers, batch):
    counts = torch.from_numpy(batch.targets != IGNORE)
    logs = log_probs(student, batch)[counts]
    targets = torch.from_numpy(batch.targets)[counts]
    smoothed = -(0.9 * logs.gather(1, targets[:, None]).sum() + 0.1 * logs.mean(-1).sum())
    both = Distillation(student, teachers, 1, weight=0.0, smoothing=0.1)
    loss, _ = batch_loss(both, batch, None, "fp32", reduction="sum")
    assert loss.item() == pytest.approx(smoothed.item(), rel=1e-5)


def test_states_of_all_are_carried_from_batch_to_batch(student, teachers, batch):
    both = Distillation(student, teachers, 1, weight=0.7)
    whole, after = batch_loss(both, batch, None, "fp32", reduction="sum")
    first, state = batch_loss(both, _columns(batch, slice(0, 3)), None, "fp32", reduction="sum")
    rest = _columns(batch, slice(3, None))._replace(reset_state=np.zeros(3, bool))
    second, end = batch_loss(both, rest, state, "fp32", reduction="sum")
    assert (first + second).item() == pytest.approx(whole.item(), rel=1e-5)
    assert len(end) == 1 + 2 + 1
    for mine, theirs in zip(end, after, strict=True):
        torch.testing.assert_close(mine, theirs)


def _columns(batch, which):
    return batch._replace(inputs=batch.inputs[:, which], targets=batch.targets[:, which])
