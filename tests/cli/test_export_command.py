"""``rnngen export``: a model in one file, which writes what its folder writes."""

import json
import os
import subprocess
import sys

import pytest
from safetensors import safe_open

pytestmark = pytest.mark.usefixtures("shelf")


@pytest.mark.parametrize("model", ["tale", "names"])
def test_the_file_writes_what_the_folder_writes(run, model):
    done = run("export", model, "-o", f"{model}.safetensors")
    assert done.out == ""
    assert f"wrote {model}.safetensors" in done.err
    for flags in (["-n", "60"], ["-n", "20", "--count", "3"], ["--beam", "3", "-n", "8"]):
        texts = [
            run("sample", "-m", name, "-s", "5", *flags, "A").out for name in (model, f"{model}.safetensors")
        ]
        assert texts[0] == texts[1]


def test_the_file_needs_nothing_else_of_the_model(run, place, home):
    run("export", "tale", "-o", "tale.safetensors")
    expected = run("sample", "-m", "tale", "-s", "5", "-n", "40").out
    run("models", "rm", "-y", "tale")
    (place / "elsewhere").mkdir()
    os.rename(place / "tale.safetensors", place / "elsewhere" / "told.safetensors")  # noqa: PTH104
    assert run("sample", "-m", "elsewhere/told.safetensors", "-s", "5", "-n", "40").out == expected
    assert len(run("score", "-m", "elsewhere/told.safetensors", stdin="the cat\n").out.splitlines()) == 1
    assert json.loads(run("models", "show", "elsewhere/told.safetensors", "--json").out)["vocabulary"]


def test_the_file_is_a_safetensors_file_without_pickles(run, place):
    run("export", "tale", "-o", "tale.safetensors")
    with safe_open(place / "tale.safetensors", framework="numpy") as file:
        assert "embedding.weight" in file.keys()  # noqa: SIM118 - not a dict
        assert json.loads(file.metadata()["rnngen"])["config"]["cell"]["name"] == "lstm"


def test_the_same_model_gives_the_same_file(run, place):
    run("export", "tale", "-o", "one.safetensors")
    run("export", "tale", "-o", "two.safetensors")
    assert (place / "one.safetensors").read_bytes() == (place / "two.safetensors").read_bytes()


def test_a_file_that_is_there_is_replaced_only_by_force(run, place):
    (place / "tale.safetensors").write_text("precious")
    assert "--force" in run("export", "tale", "-o", "tale.safetensors", status=2).err
    assert (place / "tale.safetensors").read_text() == "precious"
    run("export", "tale", "-o", "tale.safetensors", "--force")
    assert len(run("sample", "-m", "tale.safetensors", "-n", "3").out) == 3


@pytest.mark.parametrize(("output", "says"), [("tale.bin", ".safetensors"), (".", "is a folder")])
def test_a_name_that_makes_no_model_file_is_refused(run, place, output, says):
    assert says in run("export", "tale", "-o", output, status=2).err
    assert list(place.iterdir()) == []


def test_a_damaged_model_is_not_exported(run, shelf, place):
    (shelf / "tale" / "model.safetensors").write_bytes(b"no")
    run("export", "tale", "-o", "tale.safetensors", status=1)
    assert list(place.iterdir()) == []


def test_without_a_name_for_the_file_it_is_the_models(run, shelf, place):
    run("export", "tale")
    run("export", "tale", "-o", "other.safetensors")
    assert (place / "tale.safetensors").read_bytes() == (place / "other.safetensors").read_bytes()
    assert "--force" in run("export", "tale", status=2).err


@pytest.mark.parametrize(("folder", "path"), [("", "."), ("", "./"), ("last", "..")])
def test_the_working_folder_may_be_the_model(run, shelf, monkeypatch, folder, path):
    monkeypatch.chdir(shelf / "tale" / folder)
    run("export", path, "-o", shelf.parent / "one.safetensors")
    run("export", path)
    assert (shelf / "tale" / folder / "tale.safetensors").is_file()
    assert run("models", "show", path).out.count("tale")


def test_a_dot_in_a_models_name_is_no_ending(run, shelf, place):
    run("models", "cp", "tale", "v1.2")
    run("export", "v1.2")
    assert (place / "v1.2.safetensors").is_file()


def test_a_model_goes_through_a_pipe(run, shelf, place):
    run("export", "tale", "-o", "tale.safetensors")
    command = [sys.executable, "-m", "rnngen", "export", "tale", "-o", "-"]
    assert (
        subprocess.run(command, capture_output=True, check=True).stdout
        == (place / "tale.safetensors").read_bytes()
    )
