"""What the two cells promise: rnngen's contract, the paper's equations, and that a listing needs no torch."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from rnngen.contracts import CellSpec
from rnngen.testing import check_cell
from torch import Tensor

from rnngen_mingru import MinLSTMOptions, rnngen_cells
from rnngen_mingru.torch import MinGRU, MinLSTM, scan

CELLS = {spec.name: spec for spec in rnngen_cells()}
INPUT, HIDDEN = 5, 8
both = pytest.mark.parametrize("name", CELLS)


def layer(name: str) -> Any:
    torch.manual_seed(0)
    spec: CellSpec = CELLS[name]
    return {"mingru": MinGRU, "minlstm": MinLSTM}[name](INPUT, HIDDEN, spec.options())


def by_the_paper(name: str, cell: Any, x: Tensor, h: Tensor) -> Tensor:
    """The recurrence as printed, a token at a time, without a scan and without care for extremes."""
    outputs = []
    for xt in x.unbind(1):
        *gates, u = (cell.gates.weight @ xt.T + cell.gates.bias[:, None]).T.split(HIDDEN, -1)
        candidate = torch.where(u >= 0, u + 0.5, 1 / (1 + torch.exp(-u)))
        gates = [1 / (1 + torch.exp(-gate)) for gate in gates]
        if name == "mingru":
            (z,) = gates
            h = (1 - z) * h + z * candidate
        else:
            f, i = gates
            h = f / (f + i) * h + i / (f + i) * candidate
        outputs.append(h)
    return torch.stack(outputs, 1)


@both
def test_contract(name: str) -> None:
    check_cell(CELLS[name])


def test_contract_with_options() -> None:
    check_cell(CELLS["minlstm"], forget_bias="2.5")


@both
@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 7, 8, 64, 101])
def test_whole_sequence_equals_the_papers_loop(name: str, length: int) -> None:
    cell = layer(name).double()
    x = torch.randn(3, length, INPUT, dtype=torch.float64)
    h = torch.randn(3, HIDDEN, dtype=torch.float64)  # of either sign: a user may learn it
    outputs, (last,) = cell(x, (h,))
    expected = by_the_paper(name, cell, x, h)
    torch.testing.assert_close(outputs, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(last, expected[:, -1], rtol=1e-12, atol=1e-12)


@both
def test_gradients_equal_the_papers_loop(name: str) -> None:
    cell = layer(name).double()
    x = torch.randn(2, 13, INPUT, dtype=torch.float64)
    h = torch.rand(2, HIDDEN, dtype=torch.float64, requires_grad=True)
    wanted = (h, *cell.parameters())
    ours = torch.autograd.grad(cell(x, (h,))[0].square().sum(), wanted)
    loops = torch.autograd.grad(by_the_paper(name, cell, x, h).square().sum(), wanted)
    torch.testing.assert_close(ours, loops, rtol=1e-10, atol=1e-10)


@both
@pytest.mark.parametrize("cut", [1, 5, 32, 99])
def test_state_carries_over_a_split(name: str, cut: int) -> None:
    cell = layer(name)
    x = torch.randn(3, 100, INPUT)
    whole, final = cell(x, cell.initial_state(3))
    first, state = cell(x[:, :cut], cell.initial_state(3))
    second, state = cell(x[:, cut:], state)
    torch.testing.assert_close(torch.cat((first, second), 1), whole)
    torch.testing.assert_close(state, final)


@both
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_gradients_are_finite_over_512_tokens(name: str, scale: float) -> None:
    cell = layer(name)
    x = (scale * torch.randn(2, 512, INPUT)).requires_grad_()
    outputs, _ = cell(x, cell.initial_state(2))
    outputs.square().mean().backward()
    for array in (outputs, x.grad, *(p.grad for p in cell.parameters())):
        assert torch.isfinite(array).all()


@both
def test_float32_stays_close_to_float64_over_4096_tokens(name: str) -> None:
    cell = layer(name)
    x = 3 * torch.randn(1, 4096, INPUT)
    single, _ = cell(x, cell.initial_state(1))
    cell = cell.double()
    double, _ = cell(x.double(), cell.initial_state(1))
    torch.testing.assert_close(single.double(), double, rtol=1e-5, atol=1e-5)


@both
def test_autocast_scans_in_float32(name: str) -> None:
    cell = layer(name)
    x = torch.randn(2, 512, INPUT)
    exact, _ = cell(x, cell.initial_state(2))
    with torch.autocast("cpu", torch.bfloat16):
        outputs, (last,) = cell(x, cell.initial_state(2))
    assert outputs.dtype == last.dtype == torch.float32
    torch.testing.assert_close(outputs, exact, rtol=0.05, atol=0.05)
    outputs.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in cell.parameters())


def test_scan_keeps_all_where_everything_is_kept() -> None:
    ones = torch.ones(1, 1000, 1)
    assert scan(ones, ones).flatten().tolist() == list(range(1, 1001))


@both
def test_step_survives_extreme_inputs(name: str) -> None:
    import numpy as np

    from rnngen_mingru.numpy import MinGRUStep, MinLSTMStep

    cell = layer(name)
    weights = {key: array.numpy() for key, array in cell.state_dict().items()}
    step: Any = {"mingru": MinGRUStep, "minlstm": MinLSTMStep}[name](weights, CELLS[name].options())
    x = torch.randn(4, INPUT) * 1e4
    y, _ = step.advance(step.project(x.numpy()), step.initial_state(4))
    assert y.dtype == np.float32
    with torch.no_grad():
        expected, _ = cell(x[:, None], cell.initial_state(4))
    torch.testing.assert_close(torch.from_numpy(y), expected[:, 0], rtol=1e-5, atol=1e-3)


def test_forget_bias_keeps_the_state_for_longer() -> None:
    spec = CELLS["minlstm"]
    torch.manual_seed(0)
    plain = MinLSTM(INPUT, HIDDEN, spec.options())
    torch.manual_seed(0)
    biased = MinLSTM(INPUT, HIDDEN, MinLSTMOptions(forget_bias=3.0))
    difference = biased.gates.bias - plain.gates.bias
    torch.testing.assert_close(difference, torch.tensor([3.0] * HIDDEN + [0.0] * 2 * HIDDEN))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_forget_bias_must_be_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        MinLSTMOptions(forget_bias=value)


@pytest.mark.parametrize("module", ["rnngen_mingru", "rnngen_mingru.numpy"])
def test_import_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
