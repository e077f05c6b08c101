"""What starts at once imports nothing heavy: no torch to generate, and next to nothing to show the help."""

import json
import os
import subprocess
import sys

import pytest

from rnngen.api import Session
from rnngen.requests.train import TrainRequest

TORCH = {"torch", "tokenizers"}
HEAVY = TORCH | {"numpy", "rich", "safetensors", "zstandard", "pluggy"}
LOOK = (
    "import json, sys; from rnngen.__main__ import main; status = main(sys.argv[1:]);"
    "sys.stderr.write('\\n' + json.dumps([status, *sys.modules]))"
)
"""Runs a command, and then tells its status and every module that it has imported."""


def modules_of(*arguments, **environment):
    """The status of a command, and the modules that it imports in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK, *arguments],
        capture_output=True,
        check=True,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )
    status, *modules = json.loads(done.stderr.splitlines()[-1])
    return status, set(modules), done.stdout.decode()


@pytest.fixture(scope="module")
def furnished(tmp_path_factory):
    """A home with a model of characters in it."""
    folder = tmp_path_factory.mktemp("furnished")
    (folder / "verse.txt").write_text("the night and a rose\n" * 20)
    sizes = {"steps": 1, "batch": 2, "seq": 8, "seed": 1, "device": "cpu", "precision": "fp32"}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("RNNGEN_HOME", str(folder))
        session = Session.here()
        request = TrainRequest.of(str(folder / "verse.txt"), hidden=8, **sizes)
        list(session.train(session.plan(request)))
    return folder


@pytest.fixture
def model(furnished, monkeypatch):
    """The user's home is that one."""
    monkeypatch.setenv("RNNGEN_HOME", str(furnished))


@pytest.mark.slow
def test_what_goes_on_with_a_model_trains_without_torchs_compiler(model, tmp_path):
    (tmp_path / "verse.txt").write_text("the night and a rose\n" * 20)
    arguments = [
        "train",
        str(tmp_path / "verse.txt"),
        "--init-from",
        "verse",
        "--name=new",
        "--steps=2",
        "-q",
    ]
    status, modules, _ = modules_of(*arguments)
    assert status == 0
    assert "torch" in modules
    assert "torch._dynamo" not in modules


def test_importing_rnngen_imports_nothing_heavy():
    code = "import sys, rnngen; rnngen.__version__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    modules = set(done.stdout.decode().split())
    assert not modules & (HEAVY | {"click"})
    assert {name for name in modules if name.startswith("rnngen")} == {"rnngen", "rnngen.version"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--help"], ["sample", "-h"]])
def test_help_and_version_import_nothing_heavy(arguments):
    modules_of("--help")  # commands of plugins that are installed are asked for once, and then known
    status, modules, shown = modules_of(*arguments)
    assert status == 0
    assert "rnngen" in shown
    assert not modules & (HEAVY - {"pluggy"} if len(arguments) > 1 else HEAVY)


def test_models_are_listed_without_anything_heavy(model):
    status, modules, shown = modules_of("models", "list")
    assert status == 0
    assert "verse" in shown
    assert not modules & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "list"],
        ["models", "list", "--json"],
        ["models", "path", "verse"],
        ["plugins", "list"],
        ["plugins", "list", "--json"],
        ["completion", "bash"],
        ["man"],
    ],
)
def test_listings_import_no_torch(model, arguments, tmp_path):
    more = ["-o", str(tmp_path / "man")] if arguments == ["man"] else []
    status, modules, _ = modules_of(*arguments, *more)
    assert status == 0
    assert not modules & TORCH


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("rnngen tr", "train"),
        ("rnngen train --cell l", "lstm"),
        ("rnngen train --tokenizer w", "word"),
        ("rnngen sample -m v", "verse"),
        ("rnngen sample --te", "--temp"),
    ],
)
def test_completion_imports_no_torch(model, words, completed):
    count = str(len(words.split()) - 1)
    status, modules, shown = modules_of(_RNNGEN_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=count)
    assert status == 0
    assert f"plain,{completed}" in shown.splitlines()
    assert not modules & TORCH


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "the night", "-n", "5", "--seed", "1"],
        ["sample", "--beam", "2", "-n", "5"],
        ["score", os.devnull],
        ["models", "show", "verse"],
    ],
)
def test_generation_imports_no_torch(model, arguments):
    status, modules, _ = modules_of(*arguments)
    assert status == 0
    assert not modules & (TORCH | {"rich"} if arguments[0] == "sample" else TORCH)


@pytest.mark.parametrize(
    "layer", ["rnngen.store.model_folder", "rnngen.data.token_store", "rnngen.training.plan"]
)
def test_what_plans_and_finds_imports_no_torch(layer):
    code = f"import sys, {layer}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert not set(done.stdout.decode().split()) & TORCH
