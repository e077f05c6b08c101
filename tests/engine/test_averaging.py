"""The running mean of the weights is that of the equation, and the weights themselves go on untouched."""

import contextlib

import numpy as np
import pytest
import torch

from rnngen.engine.averaging import RunningMean

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
