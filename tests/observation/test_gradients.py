"""Gradients over time: those of a linear recurrence are known exactly; verdicts follow from the factor."""

import numpy as np
import pytest
import torch

from rnngen.errors import UnknownName, UsageError
from rnngen.observation.gradients import Gradient, fresh, named_cells
from rnngen.registry import Registry


@pytest.mark.parametrize(("factor", "verdict"), [(0.5, "vanishes"), (1.0, "keeps"), (1.25, "explodes")])
def test_the_factor_of_a_scaled_orthogonal_recurrence_is_its_scale(factor, verdict):
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.turn = torch.nn.init.orthogonal_(torch.empty(8, 8))

        def initial_state(self, batch):
            return (torch.zeros(batch, 8),)

        def forward(self, x, state):
            h = factor * state[0] @ self.turn + x[:, 0]
            return h[:, None], (h,)

    class Cell:
        def build(self, *_):
            return Scaled()

    found = fresh("scaled", Cell(), hidden=8, length=30, seed=1)
    assert len(found.norms) == 30
    assert found.norms.min() > 0
    assert found.rate == pytest.approx(factor, rel=1e-3)
    assert found.verdict == verdict
    assert found.norms[1] / found.norms[0] == pytest.approx(factor, rel=1e-3)


def test_clipping_scales_what_is_above_the_limit_only():
    one = Gradient("x", np.array([4.0, 2.0]), 8.0)
    np.testing.assert_allclose(one.clipped(2.0), [1.0, 0.5])
    assert one.clipped(8.0) is None
    assert one.half_life == pytest.approx(1)


def test_cells_are_named_with_options_and_each_activation():
    registry = Registry()
    found = named_cells(registry, "rnn,lstm;forget_bias=0,rnn;activation=relu", "tanh,sigmoid")
    assert [*found] == ["rnn tanh", "rnn sigmoid", "lstm;forget_bias=0", "rnn;activation=relu"]
    with pytest.raises(UnknownName):
        named_cells(registry, "lstn", "tanh")
    with pytest.raises(UsageError, match="whole network"):
        named_cells(registry, "seq2seq", "tanh")
    with pytest.raises(UsageError, match="softsign"):
        named_cells(registry, "rnn", "softsign")


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_a_gradient_is_measured_at_every_distance(name):
    (cell,) = named_cells(Registry(), name, None).values()
    found = fresh(name, cell, hidden=8, length=5, seed=1)
    assert len(found.norms) == 5
    assert (found.norms > 0).all()
