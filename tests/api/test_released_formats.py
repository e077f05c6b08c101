"""Files that released versions wrote load, and print what those versions printed."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

RELEASED = Path(__file__).parents[1] / "fixtures" / "models-0.1"


def sections():
    """The commands of ``expected.txt``, each with what it printed."""
    text = (RELEASED / "expected.txt").read_text(encoding="utf-8")
    parts = re.split(r"^== (.*)\n", text, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize(("command", "printed"), sections(), ids=[command for command, _ in sections()])
def test_files_of_version_0_1_print_what_they_printed(command, printed, run, monkeypatch):
    piped, _, sample = command.rpartition("| ")
    stdin = shlex.split(piped)[1].replace("\\n", "\n") if piped else ""
    monkeypatch.chdir(RELEASED)
    words = shlex.split(sample)
    words = [f"./{word}" if before == "-m" else word for before, word in pairwise(["", *words])]
    assert run(*words, "-q", stdin=stdin).out.rstrip("\n") == printed.rstrip("\n")


def test_a_model_is_named_by_its_folder_from_within(run, monkeypatch):
    expected = run("sample", "-m", RELEASED / "text-lstm", "--seed", "7", "-n", "30", "THE ").out
    monkeypatch.chdir(RELEASED / "text-lstm")
    for name in (".", "./", "../text-lstm", "../text-lstm.safetensors"):
        assert run("sample", "-m", name, "--seed", "7", "-n", "30", "THE ").out == expected
