"""What the cell promises: rnngen's contract, the paper's equation, and a window that ends where it should."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rnngen
import torch
from rnngen.testing import check_cell

from rnngen_conv import ConvOptions, rnngen_cells
from rnngen_conv.torch import Conv

SPEC, _ = rnngen_cells()
INPUT, HIDDEN = 5, 8


def layer(inputs: int = INPUT, **options: Any) -> Conv:
    torch.manual_seed(0)
    return Conv(inputs, HIDDEN, ConvOptions(**options)).double()


@pytest.mark.parametrize("width", ["1", "2", "4", "9"])
def test_contract(width: str) -> None:
    check_cell(SPEC, width=width)


@pytest.mark.parametrize("inputs", [INPUT, HIDDEN])
def test_outputs_are_those_of_the_papers(inputs: int) -> None:
    cell, steps, width = layer(inputs, width=3), 7, 3
    x = torch.randn(2, steps, inputs, dtype=torch.float64)
    padded = torch.cat((x.new_zeros(2, width - 1, inputs), x), 1)
    expected = []
    for t in range(steps):
        sums = [padded[:, t + j] @ cell.taps.weight[:, :, j].T for j in range(width)]
        a, b = (torch.stack(sums).sum(0) + cell.state_dict()["taps.bias"]).chunk(2, 1)
        expected.append((a * b.sigmoid() + cell.short(x[:, t])) / 2**0.5)
    torch.testing.assert_close(cell(x, cell.initial_state(2))[0], torch.stack(expected, 1))


def test_a_layer_sees_its_window_and_nothing_before() -> None:
    cell = layer(width=4)
    x = torch.randn(1, 12, INPUT, dtype=torch.float64)
    changed = x.clone()
    changed[:, 5] += 1
    one, other = (cell(given, cell.initial_state(1))[0] for given in (x, changed))
    assert ((one - other).abs().amax((0, 2)) > 1e-12).tolist() == [5 <= place < 9 for place in range(12)]


def test_the_width_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="width"):
        ConvOptions(width=0)


def test_a_step_in_onnx_is_that_of_the_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (rnngen[onnx])")
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sea.txt").write_text("the sea, the sky, and the sand between them. " * 60)
    options: dict[str, Any] = {"hidden": 16, "layers": 2, "steps": 5, "seq": 16, "ngram": "none"}
    model = rnngen.train(str(tmp_path / "sea.txt"), cell="conv", settings={"width": "3"}, **options)
    subprocess.run([sys.executable, "-m", "rnngen", "export", "sea", "--onnx"], check=True)
    graph = runtime.InferenceSession(tmp_path / "sea.onnx", providers=["CPUExecutionProvider"])
    names = [given.name for given in graph.get_inputs()][1:]
    step = model.generator.model
    state = step.start(1)
    feed = dict(zip(names, state, strict=True))
    for token in (3, 1, 4, 1, 5):
        expected, state = step(np.array([token]), state)
        logits, *after = graph.run(None, {"token": np.array([token]), **feed})
        feed = dict(zip(names, after, strict=True))
        np.testing.assert_allclose(logits, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("module", ["rnngen_conv", "rnngen_conv.numpy"])
def test_import_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
