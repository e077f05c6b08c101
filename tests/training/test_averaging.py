"""The running mean of the weights is that of the equation, and the weights themselves go on untouched."""

import contextlib

import numpy as np
import pytest
import torch

from rnngen.options.model import TrainingOptions
from rnngen.training.averaging import RunningMean, TriggeredMean, make_mean

SHAPES = [(3, 4), (5,), ()]


def parameters():
    generator = torch.Generator().manual_seed(2)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def walk(weights, generator):
    with torch.no_grad():
        for weight in weights:
            weight.add_(torch.randn(weight.shape, generator=generator))


@pytest.mark.parametrize("keep", [0.5, 0.9, 0.999])
def test_the_mean_is_that_of_a_float64_reference(keep):
    weights, generator = parameters(), torch.Generator().manual_seed(5)
    mean = RunningMean(weights, keep)
    reference = [weight.detach().double().numpy().copy() for weight in weights]
    for step in range(1, 200):
        walk(weights, generator)
        mean.update(step)
        share = min(keep, (1 + step) / (10 + step))
        reference = [
            share * kept + (1 - share) * weight.detach().double().numpy()
            for kept, weight in zip(reference, weights, strict=True)
        ]
    for kept, expected in zip(mean.mean, reference, strict=True):
        np.testing.assert_allclose(kept.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_within_applied_the_network_has_the_mean_and_afterwards_its_own_weights():
    weights, generator = parameters(), torch.Generator().manual_seed(5)
    mean = RunningMean(weights, 0.9)
    walk(weights, generator)
    mean.update(1)
    own = [weight.detach().clone() for weight in weights]
    kept = [one.clone() for one in mean.mean]
    with mean.applied():
        for weight, one, before in zip(weights, kept, own, strict=True):
            assert torch.equal(weight, one)
            assert not torch.equal(weight, before)
    for weight, before, now, one in zip(weights, own, mean.mean, kept, strict=True):
        assert torch.equal(weight, before)
        assert torch.equal(now, one)


def test_an_interrupt_while_the_mean_is_applied_takes_it_back():
    weights = parameters()
    mean = RunningMean(weights, 0.9)
    mean.mean[0].add_(1)
    own = weights[0].detach().clone()
    with contextlib.suppress(KeyboardInterrupt), mean.applied():
        raise KeyboardInterrupt
    assert torch.equal(weights[0], own)


def test_without_a_mean_nothing_is_kept_and_nothing_changes():
    weights = parameters()
    mean = RunningMean(weights, 0.0)
    mean.update(1)
    before = [weight.detach().clone() for weight in weights]
    with mean.applied():
        assert all(torch.equal(*pair) for pair in zip(weights, before, strict=True))
    assert mean.mean == []


def told(mean, losses):
    """After which evaluation the mean began, evaluation k being at step 10k."""
    for number, loss in enumerate(losses, 1):
        mean.observe(10 * number, loss)
    return mean.since


@pytest.mark.parametrize(
    ("losses", "since"),
    [
        ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5], None),
        ([9, 5, 6, 6, 6, 6, 6, 6], 80),
        ([5, 6, 6, 6, 6, 6, 6], 70),
        ([5, 6, 6, 6, 6, 6, 4, 6], 80),
        ([5, 5, 5, 5, 5, 5, 5, 5], None),
        ([5, 9, 9, 9, 9], None),
    ],
)
def test_the_mean_begins_when_the_loss_is_worse_than_the_best_of_more_than_five_evaluations_ago(
    losses, since
):
    assert told(TriggeredMean(parameters()), losses) == since


def test_once_begun_it_is_the_plain_mean_of_all_weights_since():
    weights, generator = parameters(), torch.Generator().manual_seed(5)
    mean, seen = TriggeredMean(weights), []
    mean.update(69)
    assert mean.mean == []
    told(mean, [5, 6, 6, 6, 6, 6, 6])
    for step in range(71, 90):
        walk(weights, generator)
        mean.update(step)
        seen.append([weight.detach().double().clone() for weight in weights])
    for kept, *all_of_it in zip(mean.mean, *seen, strict=True):
        torch.testing.assert_close(kept.double(), torch.stack(all_of_it).mean(0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("heard", [3, 7])
def test_what_is_restored_goes_on_as_the_mean_would_have(heard):
    weights = parameters()
    mean, again = TriggeredMean(weights), TriggeredMean(weights)
    losses = [5, 6, 6, 6, 6, 6, 7, 7, 6]
    told(mean, losses[:heard])
    mean.update(10 * heard + 1)
    again.restore(mean.record(), [one.clone() for one in mean.mean])
    walk(weights, torch.Generator().manual_seed(5))
    for one in (mean, again):
        for number in range(heard + 1, 10):
            one.observe(10 * number, losses[number - 1])
            one.update(10 * number + 1)
    assert again.since == mean.since == 70
    for mine, theirs in zip(again.mean, mean.mean, strict=True):
        assert torch.equal(mine, theirs)


def test_the_optimizer_decides_which_mean_there_is():
    assert isinstance(make_mean(parameters(), TrainingOptions(optimizer="nt-asgd")), TriggeredMean)
    assert isinstance(make_mean(parameters(), TrainingOptions(average=0.9)), RunningMean)
    with pytest.raises(ValueError, match="nt-asgd has a mean of its own"):
        TrainingOptions(optimizer="nt-asgd", average=0.9)
