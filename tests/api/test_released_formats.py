"""Files that released versions wrote load, and print what those versions printed."""

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

RELEASES = sorted((Path(__file__).parents[1] / "fixtures").glob("models-*"))


def sections():
    """Every folder, with each command of its ``expected.txt`` and what that printed."""
    for folder in RELEASES:
        text = (folder / "expected.txt").read_text(encoding="utf-8")
        parts = re.split(r"^== (.*)\n", text, flags=re.MULTILINE)[1:]
        for command, printed in zip(parts[::2], parts[1::2], strict=True):
            yield pytest.param(folder, command, printed, id=f"{folder.name} {command}")


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "command", "printed"), list(sections()))
def test_files_of_earlier_versions_print_what_they_printed(folder, command, printed, run, monkeypatch):
    piped, _, rest = command.rpartition("| ")
    stdin = shlex.split(piped)[1].replace("\\n", "\n") if piped else ""
    monkeypatch.chdir(folder)
    words = shlex.split(rest)
    words = [str(folder / word) if before == "-m" else word for before, word in pairwise(["", *words])]
    assert run(*words, stdin=stdin).out.rstrip("\n") == printed.rstrip("\n")
