"""The normalised LSTM worked out by hand is what autograd makes of its equations, step by step."""

import pytest
import torch

from rnngen.builtins.cells import threads
from rnngen.builtins.cells.lstm.torch import RegularizedLSTM
from rnngen.builtins.cells.options import LSTMOptions

B, T, INPUTS, H = 3, 7, 5, 6


@pytest.fixture(autouse=True)
def no_kernels(monkeypatch):
    """Numba is not there; ``test_kernels`` has what is done where it is."""
    monkeypatch.setattr(threads, "has_numba", lambda: False)


def drawn(dtype=torch.float32, batch=B, size=H):
    """A layer with every parameter drawn anew, and inputs and a state that want gradients."""
    torch.manual_seed(1)
    layer = RegularizedLSTM(INPUTS, size, LSTMOptions(layer_norm=True)).to(dtype)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=(H / size) ** 0.5)
    x = torch.randn(batch, T, INPUTS, dtype=dtype, requires_grad=True)
    return layer, x, tuple(torch.randn(batch, size, dtype=dtype, requires_grad=True) for _ in range(2))


def by_autograd(layer, x, state):
    return layer.loop(x, state)


def results(call, layer, x, state):
    """Outputs, states, and the gradients of a loss to which every one of them counts differently."""
    y, (h, c) = call(layer, x, state)
    loss = sum(
        (array * torch.linspace(-1, 2, array.numel()).view_as(array)).sum() for array in (y.float(), h, c)
    )
    return [y, h, c], torch.autograd.grad(loss, (x, *state, *layer.parameters()))


def test_outputs_and_gradients_are_those_of_autograd():
    given = drawn(torch.float64)
    (found, gradients), (expected, true) = (
        results(call, *given) for call in (RegularizedLSTM.__call__, by_autograd)
    )
    for own, same in zip([*found, *gradients], [*expected, *true], strict=True):
        torch.testing.assert_close(own, same)


@pytest.mark.slow
def test_gradients_are_the_slopes_of_the_outputs():
    layer, x, state = drawn(torch.float64)

    def outputs(x, h, c):
        y, after = layer(x, (h, c))
        return y, *after

    assert torch.autograd.gradcheck(outputs, (x, *state))


@pytest.mark.parametrize(("batch", "size"), [(B, H), (19, 33)])
def test_in_float32_outputs_and_gradients_are_those_of_autograd(batch, size):
    given = drawn(batch=batch, size=size)
    (found, gradients), (expected, true) = (
        results(call, *given) for call in (RegularizedLSTM.__call__, by_autograd)
    )
    for own, same in zip([*found, *gradients], [*expected, *true], strict=True):
        assert float((own - same).detach().norm() / same.norm().detach()) < 3e-6


def test_the_same_numbers_give_the_same_bytes():
    given = drawn(batch=19)
    (found, gradients), (again, same) = (results(RegularizedLSTM.__call__, *given) for _ in range(2))
    for one, other in zip([*found, *gradients], [*again, *same], strict=True):
        assert torch.equal(one, other)


def test_under_autocast_gradients_stay_near_the_true_ones():
    layer, x, state = drawn()
    _, true = results(by_autograd, layer, x, state)
    with torch.autocast("cpu", torch.bfloat16):
        _, found = results(RegularizedLSTM.__call__, layer, x, state)
    for own, same in zip(found, true, strict=True):
        assert float((own - same).norm() / same.norm()) < 0.05


def test_a_sequence_in_two_calls_is_the_sequence_and_needs_no_gradients():
    layer, x, state = drawn()
    with torch.no_grad():
        whole, end = layer(x, state)
        first, between = layer(x[:, :3], state)
        second, after = layer(x[:, 3:], between)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(after, end)


def test_what_is_no_number_stays_none():
    layer, x, state = drawn()
    y, _ = layer(torch.full_like(x, float("nan")), state)
    assert y.isnan().all()


@pytest.mark.parametrize("options", [{"zoneout_h": 0.5}, {"zoneout_c": 0.5}, {"mogrifier": 2}])
def test_what_else_is_asked_for_is_not_left_out(options):
    outputs = []
    for chosen in ({}, options):
        torch.manual_seed(1)
        layer = RegularizedLSTM(INPUTS, H, LSTMOptions(layer_norm=True, **chosen)).eval()
        outputs.append(layer(torch.ones(B, T, INPUTS), layer.initial_state(B))[0])
    assert not torch.allclose(*outputs, atol=1e-3)
