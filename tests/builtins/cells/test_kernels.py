"""Kernels train the cells as their equations in torch do: outputs, states and every gradient."""

from importlib.util import find_spec

import pytest
import torch

from rnngen.builtins.cells import threads
from rnngen.builtins.cells.gru.torch import gru
from rnngen.builtins.cells.lstm.torch import lstm
from rnngen.builtins.cells.options import GRUOptions, LSTMOptions, RNNOptions
from rnngen.builtins.cells.rnn.torch import rnn

pytestmark = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not there (rnngen[fast])")

INPUTS = 5
SIZES = [(3, 7, 6), (19, 16, 33)]
"""B, T and H: fewer rows than are shared out, and a number that threads share unevenly."""
CELLS = {
    "lstm, normalised": lambda size: lstm(INPUTS, size, LSTMOptions(layer_norm=True)),
    "gru": lambda size: gru(INPUTS, size, GRUOptions()),
    "gru, normalised": lambda size: gru(INPUTS, size, GRUOptions(layer_norm=True)),
    **{
        phi: lambda size, phi=phi: rnn(INPUTS, size, RNNOptions(activation=phi))
        for phi in ("tanh", "relu", "sigmoid")
    },
    **{
        f"{phi}, normalised": lambda size, phi=phi: rnn(
            INPUTS, size, RNNOptions(activation=phi, layer_norm=True)
        )
        for phi in ("tanh", "relu", "sigmoid")
    },
}


@pytest.fixture(params=[1, 2])
def thread_count(request):
    """Let torch have so many threads, on however many cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def drawn(name, batch, steps, size):
    """A layer with every gain and bias drawn anew, and inputs and a state that want gradients."""
    torch.manual_seed(1)
    layer = CELLS[name](size)
    for parameter in layer.parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(batch, steps, INPUTS, requires_grad=True)
    state = tuple(torch.randn(batch, size, requires_grad=True) for _ in layer.initial_state(batch))
    return layer, x, state


def results(layer, x, state, monkeypatch, *, kernels, bf16=False):
    """Outputs, states, and the gradients of a loss to which every one of them counts differently."""
    monkeypatch.setattr(threads, "has_numba", lambda: kernels)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y, after = layer(x, state)
    arrays = [y.float(), *after]
    loss = sum((array * torch.linspace(-1, 2, array.numel()).view_as(array)).sum() for array in arrays)
    gradients = torch.autograd.grad(loss, (x, *state, *layer.parameters()))
    return [*(array.detach() for array in arrays), *gradients]


def off(found, true):
    return max(float((own - same).norm() / same.norm()) for own, same in zip(found, true, strict=True))


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", CELLS)
def test_kernels_find_what_autograd_finds(name, sizes, thread_count, monkeypatch):
    given = drawn(name, *sizes)
    true = results(*given, monkeypatch, kernels=False)
    assert off(results(*given, monkeypatch, kernels=True), true) < 2e-6


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("name", [name for name in CELLS if not name.startswith("relu")])  # whose slope jumps
def test_under_autocast_they_stay_near_it(name, sizes, monkeypatch):
    given = drawn(name, *sizes)
    true = results(*given, monkeypatch, kernels=False)
    assert off(results(*given, monkeypatch, kernels=True, bf16=True), true) < 0.015


@pytest.mark.slow
@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_the_same_numbers_give_the_same_bytes(name, bf16, thread_count, monkeypatch):
    given = drawn(name, *SIZES[1])
    first, second = (results(*given, monkeypatch, kernels=True, bf16=bf16) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_in_two_calls_is_the_sequence_and_needs_no_gradients(name):
    layer, x, state = drawn(name, *SIZES[0])
    with torch.no_grad():
        whole, end = layer(x, state)
        first, between = layer(x[:, :3], state)
        second, after = layer(x[:, 3:], between)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(after, end)


@pytest.mark.parametrize("name", CELLS)
def test_what_is_given_is_not_written_to(name, monkeypatch):
    layer, x, state = drawn(name, *SIZES[0])
    before = [array.detach().clone() for array in (x, *state, *layer.parameters())]
    results(layer, x, state, monkeypatch, kernels=True)
    for array, same in zip((x, *state, *layer.parameters()), before, strict=True):
        assert torch.equal(array.detach(), same)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_what_is_no_number_stays_none(name, bf16):
    layer, x, state = drawn(name, *SIZES[0])
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y, _ = layer(torch.full_like(x, float("nan")), state)
    assert y.isnan().all()


def test_gradients_can_be_taken_twice_from_one_pass():
    layer, x, state = drawn("lstm, normalised", *SIZES[0])
    y, _ = layer(x, state)
    first = torch.autograd.grad(y.sum(), x, retain_graph=True)[0]
    assert torch.equal(torch.autograd.grad(y.sum(), x)[0], first)
