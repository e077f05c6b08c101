"""The recurrences worked out by hand are torch's own: outputs, last states, and every gradient."""

import pytest
import torch
from torch import nn

from rnngen.builtins.cells.gru.fused import fused_gru
from rnngen.builtins.cells.rnn.fused import fused_rnn

B, T, INPUTS, H = 3, 5, 4, 6
MODULES = {
    "gru": lambda: nn.GRU(INPUTS, H, batch_first=True),
    "tanh": lambda: nn.RNN(INPUTS, H, batch_first=True),
    "relu": lambda: nn.RNN(INPUTS, H, batch_first=True, nonlinearity="relu"),
}


def by_hand(name, x, h, weights):
    return fused_gru(x, h, weights) if name == "gru" else fused_rnn(x, h, weights, name)


def drawn(name, dtype=torch.float32):
    """A module, and inputs and a state that want gradients."""
    torch.manual_seed(1)
    module = MODULES[name]().to(dtype)
    x, h = torch.randn(B, T, INPUTS, dtype=dtype), torch.randn(B, H, dtype=dtype)
    return module, x.requires_grad_(), h.requires_grad_()


def gradients(y, last, over):
    """Of a loss to which every output and the last state count differently."""
    loss = (y.float() * torch.linspace(-1, 1, y.numel()).view_as(y)).sum()
    loss = loss + (last * torch.linspace(1, 2, last.numel()).view_as(last)).sum()
    return torch.autograd.grad(loss, over)


@pytest.mark.parametrize("name", MODULES)
def test_outputs_and_gradients_are_those_of_torch(name):
    module, x, h = drawn(name)
    weights = tuple(module.parameters())
    y, last = module(x, h[None])
    own_y, own_last = by_hand(name, x, h, weights)
    torch.testing.assert_close(own_y, y, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(own_last, last[0], atol=1e-6, rtol=1e-5)
    over = (x, h, *weights)
    for own, expected in zip(gradients(own_y, own_last, over), gradients(y, last[0], over), strict=True):
        torch.testing.assert_close(own, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODULES, "sigmoid"])
def test_gradients_are_the_slopes_of_the_outputs(name):
    module, x, h = drawn("tanh" if name == "sigmoid" else name, torch.float64)
    weights = tuple(module.parameters())
    assert torch.autograd.gradcheck(lambda x, h, *w: by_hand(name, x, h, w), (x, h, *weights))


@pytest.mark.parametrize("name", ["gru", "tanh"])  # what is not bounded is rounded either way
def test_under_autocast_gradients_are_nearer_to_the_true_ones_than_torchs(name):
    torch.manual_seed(2)
    module = MODULES[name]().to(torch.float32)
    x, h = torch.randn(16, 64, INPUTS), torch.zeros(16, H)
    weights = tuple(module.parameters())
    true = gradients(*_first(module(x, h[None])), weights)
    with torch.autocast("cpu", torch.bfloat16):
        own = gradients(*by_hand(name, x, h, weights), weights)
        torchs = gradients(*_first(module(x, h[None])), weights)
    assert sum(map(_off, own, true)) < sum(map(_off, torchs, true))
    assert max(map(_off, own, true)) < 0.02


def _first(result):
    y, last = result
    return y, last[0]


def _off(found, true):
    return float((found.float() - true).norm() / true.norm())


@pytest.mark.parametrize("name", MODULES)
def test_outputs_are_of_the_type_of_the_products_and_the_state_is_not_rounded(name):
    module, x, h = drawn(name)
    with torch.autocast("cpu", torch.bfloat16):
        y, last = by_hand(name, x, h, tuple(module.parameters()))
    assert (y.dtype, last.dtype) == (torch.bfloat16, torch.float32)
    torch.testing.assert_close(y[:, -1], last.to(torch.bfloat16))


@pytest.mark.parametrize("name", MODULES)
def test_what_is_given_is_not_written_to(name):
    module, x, h = drawn(name)
    before = [array.detach().clone() for array in (x, h, *module.parameters())]
    y, last = by_hand(name, x, h, tuple(module.parameters()))
    (y.sum() + last.sum()).backward()
    for array, same in zip((x, h, *module.parameters()), before, strict=True):
        torch.testing.assert_close(array.detach(), same, atol=0, rtol=0)
