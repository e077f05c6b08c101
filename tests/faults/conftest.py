"""This process, ready to fork commands off; afterwards it is where it was."""

import os
from pathlib import Path

import pytest
from faults.scenes import warm


@pytest.fixture(scope="session")
def warmed(tmp_path_factory):
    folder, home = Path.cwd(), os.environ.get("RNNGEN_HOME")
    warm(tmp_path_factory.mktemp("warm") / "stage")
    os.chdir(folder)
    os.environ.pop("RNNGEN_HOME") if home is None else os.environ.update(RNNGEN_HOME=home)


@pytest.fixture
def ready(warmed, home, monkeypatch, tmp_path):
    """Tests enter stages; this takes them back."""
    monkeypatch.chdir(tmp_path)
