"""The threads of NumPy's products: one text takes one, unless somebody asked for another number."""

import subprocess
import sys

import pytest

from rnngen.cli import context

ASK = """
import ctypes, sys
import numpy
from rnngen.cli import context
taken = context.take_one_thread()
linked = ctypes.CDLL(sys.modules[context.CORE].__file__)
names = [name.replace("set", "get", 1) for name in context.SETTERS]
getter = next((found for name in names if (found := getattr(linked, name, None))), None)
print(taken, getter() if getter else None)
"""


@pytest.fixture
def unset(monkeypatch):
    for name in context.THREADS:
        monkeypatch.delenv(name, raising=False)


def test_openblas_is_held_to_one_thread(unset):
    taken, count = subprocess.run(
        [sys.executable, "-c", ASK], check=True, capture_output=True, text=True
    ).stdout.split()
    assert (taken, count) in {("True", "1"), ("False", "None")}


@pytest.mark.parametrize("name", context.THREADS)
def test_a_number_that_a_person_set_holds(unset, monkeypatch, name):
    monkeypatch.setenv(name, "2")
    assert not context.take_one_thread()


def test_without_numpy_or_with_another_library_nothing_is_done(unset, monkeypatch):
    monkeypatch.setattr(context, "CORE", "numpy_that_is_not_loaded")
    assert not context.take_one_thread()
    monkeypatch.setattr(context, "CORE", "_ctypes")
    monkeypatch.setattr(context, "SETTERS", ("no_such_function",))
    assert not context.take_one_thread()


@pytest.mark.parametrize(
    ("arguments", "taken"),
    [
        ([], 1),
        (["--from-state", "verse.state"], 1),
        (["--count", "2"], 0),
        (["--beam", "2"], 0),
        (["--best-of", "2"], 0),
    ],
    ids=str,
)
def test_one_text_takes_one_thread_and_many_take_all(run, shelf, monkeypatch, arguments, taken):
    run("sample", "-m", "tale", "-n", "3", "--seed", "1", "--save-state", "verse.state", "the")
    asked = []
    monkeypatch.setattr(context, "take_one_thread", lambda: asked.append(True))
    going_on = "--from-state" in arguments
    run("sample", "-m", "tale", "-n", "3", *arguments, *([] if going_on else ["the"]))
    assert len(asked) == taken
