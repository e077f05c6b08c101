"""Shared by all tests: nobody's own models or settings are touched."""

import os
import shutil
from pathlib import Path

import pytest

pytest_plugins = ["fixtures.commands", "fixtures.plugins", "fixtures.small_runs", "fixtures.toys"]

os.environ.setdefault(
    "GOMP_SPINCOUNT", "1000"
)  # before torch: threads that wait must not starve other programs

MEMORY, ROOM = Path("/dev/shm"), 1 << 30
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOM:
    # Tests sync thousands of small files, which takes a busy disk minutes and memory no time.
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_runtest_setup(item):
    if item.get_closest_marker("cuda"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("there is no CUDA device")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A fresh home for models, caches and settings, and none of the caller's environment."""
    for name in [name for name in os.environ if name.startswith("RNNGEN_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "home"
    monkeypatch.setenv("RNNGEN_HOME", str(folder))
    return folder
