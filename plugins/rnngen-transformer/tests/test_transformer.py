"""What the cell promises: rnngen's contract, the papers' equations, and a window that holds."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rnngen
import torch
from rnngen.testing import check_cell

from rnngen_transformer import TransformerOptions, rnngen_cells
from rnngen_transformer.torch import Transformer, turn

(SPEC,) = rnngen_cells()
INPUT, HIDDEN = 5, 16


def layer(inputs: int = HIDDEN, **options: Any) -> Transformer:
    torch.manual_seed(0)
    return Transformer(inputs, HIDDEN, TransformerOptions(**options)).double()


@pytest.mark.parametrize("options", [{}, {"window": "3", "heads": "2"}, {"window": "1"}, {"widening": "1"}])
def test_contract(options: dict[str, str]) -> None:
    check_cell(SPEC, **options)


def test_it_is_torchs_encoder_layer_where_all_keys_have_one_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnngen_transformer.torch.turn", lambda rows, _: rows)
    ours = layer()
    theirs = torch.nn.TransformerEncoderLayer(HIDDEN, 4, 4 * HIDDEN, dropout=0, batch_first=True).double()
    names = {
        "qkv": "self_attn.in_proj_",
        "out": "self_attn.out_proj.",
        "widen": "linear1.",
        "narrow": "linear2.",
    }
    names |= {"norms.0": "norm1.", "norms.1": "norm2."}
    weights = {
        names[key.rpartition(".")[0]] + key.rpartition(".")[2]: array
        for key, array in ours.state_dict().items()
    }
    theirs.load_state_dict(weights)
    x = torch.randn(2, 20, HIDDEN, dtype=torch.float64)
    mask = torch.nn.Transformer.generate_square_subsequent_mask(20, dtype=torch.float64)
    torch.testing.assert_close(ours(x, ours.initial_state(2))[0], theirs(x, mask, is_causal=True))


def test_a_score_depends_on_the_distance_alone() -> None:
    one, other = torch.randn(2, 1, 8, dtype=torch.float64)
    scores = [
        (turn(one, torch.tensor([place])) * turn(other, torch.tensor([place + 5]))).sum()
        for place in (0, 3, 90)
    ]
    torch.testing.assert_close(torch.stack(scores), scores[0].expand(3), rtol=1e-5, atol=1e-5)


def test_a_layer_sees_its_window_and_nothing_before() -> None:
    cell = layer(window=4)
    x = torch.randn(1, 12, HIDDEN, dtype=torch.float64)
    changed = x.clone()
    changed[:, 5] += 1
    one, other = (cell(given, cell.initial_state(1))[0] for given in (x, changed))
    differs = (one - other).abs().amax((0, 2)) > 1e-9
    assert differs.tolist() == [5 <= place < 5 + 4 for place in range(12)]


def test_a_row_that_begins_anew_sees_nothing_of_before_and_the_others_all() -> None:
    cell = layer(window=6)
    x = torch.randn(2, 10, HIDDEN, dtype=torch.float64)
    _, state = cell(x[:, :5], cell.initial_state(2))
    outputs, _ = cell(x[:, 5:], cell.carry(state, torch.tensor([True, False])))
    torch.testing.assert_close(outputs[:1], cell(x[:1, 5:], cell.initial_state(1))[0])
    torch.testing.assert_close(outputs[1:], cell(x[1:], cell.initial_state(1))[0][:, 5:])


def test_heads_that_do_not_divide_the_hidden_size_are_refused() -> None:
    with pytest.raises(ValueError, match="hidden 16 is no multiple of 6"):
        layer(heads=3)


@pytest.mark.parametrize("name", ["heads", "window", "widening"])
def test_sizes_are_at_least_one(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        TransformerOptions(**{name: 0})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with one, whose window is shorter than the texts that are written here."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "sea.txt").write_text("the sea, the sky, and the sand between them. " * 60)
    options: dict[str, Any] = {"hidden": 16, "steps": 10, "seq": 16, "ngram": "none", "layers": 2}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder))
        rnngen.train(str(folder / "sea.txt"), cell="transformer", settings={"window": "6"}, **options)
    return folder


def run(home: Path, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    environment = {**os.environ, "RNNGEN_HOME": str(home)}
    command = [sys.executable, "-m", "rnngen", *arguments]
    return subprocess.run(command, cwd=home, env=environment, check=False, capture_output=True)


def test_a_text_goes_on_from_a_file_as_if_it_had_never_stopped(home: Path) -> None:
    def sample(*arguments: str) -> bytes:
        done = run(home, "sample", "-m", "sea", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout.rstrip(b"\n")

    how = ["--seed", "1", "--temp", "1.5", "the "]
    first = sample("-n", "20", "--save-state", "sea.state", *how)
    assert first + sample("-n", "20", "--from-state", "sea.state") == sample("-n", "40", *how)


def test_a_step_in_onnx_is_that_of_the_cell(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (rnngen[onnx])")
    runtime = pytest.importorskip("onnxruntime")
    assert run(home, "export", "sea", "--onnx").returncode == 0
    monkeypatch.setenv("RNNGEN_HOME", str(home))
    graph = runtime.InferenceSession(home / "sea.onnx", providers=["CPUExecutionProvider"])
    names = [given.name for given in graph.get_inputs()][1:]
    step = rnngen.load("sea").generator.model
    state = step.start(1)
    feed = dict(zip(names, state, strict=True))
    for token in (3, 1, 4, 1, 5, 2, 6, 5):  # longer than the window
        expected, state = step(np.array([token]), state)
        logits, *after = graph.run(None, {"token": np.array([token]), **feed})
        feed = dict(zip(names, after, strict=True))
        np.testing.assert_allclose(logits, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("module", ["rnngen_transformer", "rnngen_transformer.numpy"])
def test_import_needs_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
