"""What the tests of commands share: a small trained model of each task, and ways to run the program."""

import contextlib
import io
import os
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from rnngen.__main__ import main

SIZES = {"hidden": 16, "batch": 8, "seq": 32, "steps": 40, "lr": 0.01, "evaluations": 2, "seed": 1}
TINY = [f"--{flag}={value}" for flag, value in {**SIZES, "precision": "fp32", "device": "cpu"}.items()]
"""Flags that make training take a second."""


@dataclass(frozen=True)
class Ran:
    """What a run of the program left."""

    status: int
    out: str
    err: str


def tale():
    """Some 7,000 characters of free text."""
    rng = random.Random(1)
    who, does = ["the cat", "a dog", "my sister", "Anna"], ["sees", "likes", "paints", "forgets"]
    what = ["the sea", "a red door", "bread", "every song"]
    return "".join(f"{rng.choice(who)} {rng.choice(does)} {rng.choice(what)}.\n" for _ in range(300))


def names():
    """A hundred and fifty names, one a line."""
    rng = random.Random(2)
    first, last = ["An", "Be", "Cla", "Do", "El"], ["na", "la", "ra", "mi"]
    return "".join(rng.choice(first) + rng.choice(last) + rng.choice(["", "lie"]) + "\n" for _ in range(150))


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A folder with ``tale.txt``, ``names.txt`` and a home that holds a model of each; only to be read."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "tale.txt").write_text(tale())
    (folder / "names.txt").write_text(names())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder / "home"))
        patch.chdir(folder)
        assert main(["train", "tale.txt", "-q", *TINY]) == 0
        assert main(["train", "names.txt", "-q", "--task", "lines", *TINY]) == 0
    return folder


@pytest.fixture
def tiny():
    """Flags that make training take a second; what follows them counts."""
    return TINY


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder to work in."""
    folder = tmp_path / "place"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def shelf(home, trained, place):
    """The folder of this test's models, with the two trained ones in it."""
    shutil.copytree(trained / "home" / "models", home / "models")
    return home / "models"


@pytest.fixture
def run(capsys, monkeypatch, place):
    """Runs the program in this process: ``run("sample", "-m", "tale", stdin="the")``."""

    def go(*args, stdin="", status=0):
        data = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        capsys.readouterr()
        ended = main([str(arg) for arg in args])
        shown = capsys.readouterr()
        assert ended == status, shown.err
        return Ran(ended, shown.out, shown.err)

    return go


@pytest.fixture
def spawn(place):
    """Starts the program in a process of its own; stdin is empty, what it writes can be read."""
    started = []

    def go(*args, **options):
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **options.pop("env", {})}
        command = [sys.executable, "-m", "rnngen", *map(str, args)]
        process = subprocess.Popen(command, env=environment, **{**streams, **options})
        started.append(process)
        return process

    yield go
    for process in started:
        with contextlib.suppress(BrokenPipeError), process:
            process.kill()
