"""What the cells promise: rnngen's contract, the paper's equations, and that no gate overflows."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from rnngen.testing import check_cell
from torch import Tensor

from rnngen_xlstm import XLSTMOptions, rnngen_cells
from rnngen_xlstm.torch import MLSTM, SLSTM

CELLS = {spec.name: spec for spec in rnngen_cells()}
INPUT, HIDDEN = 5, 8
both = pytest.mark.parametrize("cls", [SLSTM, MLSTM])


def layer(cls: type[Any], **options: Any) -> Any:
    torch.manual_seed(0)
    return cls(INPUT, HIDDEN, XLSTMOptions(**options)).double()


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("heads", ["1", "2", "8"])
def test_contract(name: str, heads: str) -> None:
    check_cell(CELLS[name], heads=heads)


def by_the_paper(cell: Any, x: Tensor) -> Tensor:
    """The equations as printed, a token and a head at a time, without the stabiliser."""
    heads, size, outputs = cell.heads, cell.size, []
    h, c, n = (x.new_zeros(len(x), HIDDEN) for _ in range(3))
    matrix, norm = x.new_zeros(len(x), heads, size, size), x.new_zeros(len(x), heads, size)
    for xt in x.unbind(1):
        if isinstance(cell, SLSTM):
            blocks = cell.weight_hh.view(4, heads, size, size)
            past = [h[:, k * size : (k + 1) * size] @ blocks[:, k].transpose(1, 2) for k in range(heads)]
            i, f, z, o = (cell.inputs(xt) + torch.cat(past, 2).transpose(0, 1).flatten(1)).chunk(4, 1)
            c, n = f.sigmoid() * c + i.exp() * z.tanh(), f.sigmoid() * n + i.exp()
            h = o.sigmoid() * c / n
        else:
            q, k, v, o = (part.view(len(x), heads, size) for part in cell.qkvo(xt).chunk(4, 1))
            i, f = cell.gates(xt)[:, :heads].exp(), cell.gates(xt)[:, heads:].sigmoid()
            k = k / size**0.5
            matrix = f[..., None, None] * matrix + i[..., None, None] * v[..., None] * k[..., None, :]
            norm = f[..., None] * norm + i[..., None] * k
            under = (norm * q).sum(2, keepdim=True).abs().clamp(min=1)
            h = (o.sigmoid() * (matrix @ q[..., None])[..., 0] / under).flatten(1)
        outputs.append(h)
    return torch.stack(outputs, 1)


@both
@pytest.mark.parametrize("heads", [1, 4])
def test_outputs_are_those_of_the_paper(cls: type[Any], heads: int) -> None:
    cell = layer(cls, heads=heads)
    x = torch.randn(3, 30, INPUT, dtype=torch.float64)
    torch.testing.assert_close(cell(x, cell.initial_state(3))[0], by_the_paper(cell, x))


@both
def test_gates_of_any_size_give_numbers_and_gradients(cls: type[Any]) -> None:
    cell = layer(cls).float()
    x = (1e3 * torch.randn(2, 200, INPUT)).requires_grad_()
    outputs, _ = cell(x, cell.initial_state(2))
    outputs.square().mean().backward()
    for array in (outputs, x.grad, *(parameter.grad for parameter in cell.parameters())):
        assert torch.isfinite(array).all()


@both
def test_the_forget_bias_keeps_the_state_for_longer(cls: type[Any]) -> None:
    x = torch.randn(1, 40, INPUT, dtype=torch.float64)
    changed = torch.cat((x[:, :1] + 1, x[:, 1:]), 1)
    late = []
    for bias in (-2.0, 5.0):
        cell = layer(cls, forget_bias=bias)
        one, other = (cell(given, cell.initial_state(1))[0] for given in (x, changed))
        late.append((one - other)[:, -1].abs().max())
    assert late[1] > 1e3 * late[0]


@both
def test_heads_that_do_not_divide_the_hidden_size_are_refused(cls: type[Any]) -> None:
    with pytest.raises(ValueError, match="hidden 8 is no multiple of 3 heads"):
        layer(cls, heads=3)


@pytest.mark.parametrize("module", ["rnngen_xlstm", "rnngen_xlstm.numpy"])
def test_import_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
