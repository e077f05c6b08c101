"""``rnngen bench``: figures for people and for programs, and what it refuses. No test checks a time."""

import json
import sys
from importlib.util import find_spec

import pytest

from rnngen.benchmark.training import LARGE

SAMPLE = ["bench", "sample", "--seconds", "0.01"]
TRAIN = ["bench", "train", "--seconds", "0.01", "--batch", "2", "--seq", "4", "--device", "cpu"]
SIZES = ["--layers", "1", "--hidden", "8", "--vocab", "7"]
SHARED = {
    "cell",
    "layers",
    "hidden",
    "embed",
    "vocab",
    "rnngen_tokens_per_second",
    "plain_tokens_per_second",
    "ratio",
}

needs_numba = pytest.mark.skipif(find_spec("numba") is None, reason="Numba is not there (rnngen[fast])")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """As whoever measures a program that has loaded NumPy has to set it."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def quick_product(monkeypatch):
    """A product that takes no time."""
    monkeypatch.setitem(LARGE, "cpu", 64)


def test_the_json_of_sample_has_its_keys(run):
    told = json.loads(run(*SAMPLE, *SIZES, "--json").out)
    assert set(told) == SHARED | {"device", "weight_bytes", "products_per_second", "bandwidth_fraction"}
    assert (told["layers"], told["hidden"], told["embed"], told["vocab"]) == (1, 8, 8, 7)


def test_a_count_measures_many_texts_too(run):
    told = json.loads(run(*SAMPLE, *SIZES, "--count", "3", "--json").out)
    assert told["count"] == 3
    assert told["batched_tokens_per_second"] > 0
    assert "rnngen, 3 texts" in run(*SAMPLE, *SIZES, "--count", "3").out


def test_the_json_of_train_has_its_keys(run):
    told = json.loads(run(*TRAIN, *SIZES, "--precision", "fp32", "--json").out)
    measured = {"parameters", "gemm_flops_per_second", "gemm_fraction"}
    assert set(told) == SHARED | measured | {"batch", "seq", "device", "precision", "options"}


def test_a_cell_is_measured_with_its_options(run):
    plain, gated = (
        json.loads(run(*TRAIN, *SIZES, "--json", *o).out) for o in ([], ["-o", "layer_norm=true"])
    )
    assert (plain["options"], gated["options"]) == ({}, {"layer_norm": "true"})
    assert gated["parameters"] == plain["parameters"] + 2 * 4 * 8 + 2 * 8  # gains of gates, and the memory's


@pytest.mark.parametrize("command", [SAMPLE, TRAIN])
def test_people_get_a_table_on_stdout_and_the_fraction_on_stderr(run, command):
    ran = run(*command, *SIZES)
    _, ours, plain = ran.out.splitlines()
    assert ours.startswith("rnngen")
    assert plain.startswith("plain PyTorch")
    assert plain.endswith("1.00")
    assert "fraction" in ran.err


def test_a_model_is_measured_with_its_own_sizes(run, shelf):
    told = json.loads(run(*SAMPLE, "-m", "tale", "--json").out)
    config = json.loads((shelf / "tale" / "config.json").read_text())
    assert told["hidden"] == config["network"]["hidden"]
    assert told["vocab"] == config["vocabulary"]
    assert told["cell"] == "lstm"


def test_a_model_and_sizes_contradict_each_other(run, shelf):
    ran = run(*SAMPLE, "-m", "tale", "--hidden", "9", "--cell", "gru", status=2)
    assert "--model and --cell cannot stand together: a model has its own sizes" in ran.err


def test_a_model_that_is_not_there_is_not_found(run):
    assert "no such" in run(*SAMPLE, "-m", "./nowhere.safetensors", status=3).err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([*SAMPLE, "--cell", "lstn"], "did you mean 'lstm'"),
        ([*SAMPLE, "--cell", "seq2seq"], "is a whole network"),
        ([*SAMPLE, "--hidden", "0"], "--hidden 0"),
        ([*SAMPLE, "--vocab", "1"], "--vocab 1"),
        ([*SAMPLE, "--count", "0"], "--count 0"),
        ([*SAMPLE, "--quantize", "int7"], "int7"),
        ([*SAMPLE, "--seconds", "-1"], "--seconds -1"),
        ([*SAMPLE, "--device", "gpu9"], "gpu9"),
        ([*TRAIN, "--cell", "lstn"], "did you mean 'lstm'"),
        ([*TRAIN, "--batch", "0"], "--batch 0"),
        ([*TRAIN, "--precision", "fp8"], "fp8"),
        ([*TRAIN, "--device", "gpu9"], "gpu9"),
        (["bench", "sleep"], "sleep"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(run, arguments, named):
    ran = run(*arguments, status=2)
    assert named in ran.err
    assert ran.out == ""


@pytest.mark.slow
def test_one_thread_is_set_before_numpy_is_loaded(spawn):
    """In a process of its own, whatever the environment says."""
    out, err = spawn(*SAMPLE, *SIZES, "--json", env={"OMP_NUM_THREADS": "2"}).communicate(timeout=60)
    assert json.loads(out)["ratio"] > 0
    assert b"loaded already" not in err


def test_numpy_that_is_loaded_already_is_told(run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert "OMP_NUM_THREADS=1" in run(*SAMPLE, *SIZES).err


# ── weights in 8 bits ──────────────────────────────────────────────────────────────────────────────────────


@needs_numba
def test_a_format_of_weights_is_measured_beside_fp32(run):
    told = json.loads(run(*SAMPLE, *SIZES, "--quantize", "int8", "--count", "2", "--json").out)
    assert told["quantize"] == "int8"
    assert told["quantized_ratio"] == told["quantized_tokens_per_second"] / told["rnngen_tokens_per_second"]
    assert told["batched_ratio"] == told["batched_tokens_per_second"] / told["rnngen_tokens_per_second"]
    for name in ("batched", "quantized", "quantized_batched"):
        rate = told[f"{name}_tokens_per_second"]
        assert told[f"{name}_plain_ratio"] == rate / told["plain_tokens_per_second"]
    ran = run(*SAMPLE, *SIZES, "--quantize", "int8")
    assert "rnngen, int8" in ran.out
    assert "times the rate of fp32" in ran.err


@needs_numba
def test_sample_writes_in_8_bits_the_same_text_for_the_same_seed(run, shelf):
    asked = ["sample", "-m", "tale", "-n", "60", "--seed", "4", "--quantize", "int8", "the"]
    text = run(*asked).out
    assert len(text) > 60
    assert run(*asked).out == text
    assert run(*asked, "--count", "2").out.startswith(text)


@needs_numba
def test_a_state_of_8_bits_is_not_gone_on_from_with_32(run, shelf):
    run("sample", "-m", "tale", "-n", "9", "--quantize", "int8", "--save-state", "verse.state", "the")
    go_on = ["sample", "-m", "tale", "-n", "9", "--from-state", "verse.state"]
    assert "another model" in run(*go_on, status=2).err
    assert "another model" in run(*go_on, "--quantize", "bf16", status=2).err
    assert run(*go_on, "--quantize", "int8").out


@pytest.mark.parametrize("command", [[*SAMPLE, *SIZES], ["sample", "-m", "tale", "the"]])
def test_without_numba_what_to_install_is_told(run, shelf, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "rnngen.compiled", raising=False)
    ran = run(*command, "--quantize", "int8", status=4)
    assert "pip install 'rnngen[fast]'" in ran.err
    assert ran.out == ""


def test_a_model_on_torch_is_not_quantised(run, shelf, monkeypatch):
    monkeypatch.setattr("rnngen.registry.components.Component.has_numpy", False)
    ran = run("sample", "-m", "tale", "--quantize", "int8", "the", status=2)
    assert "leave --quantize out" in ran.err
