"""``rnngen plugins``: new, show, check, install, uninstall, freeze, sync and folder."""

import subprocess
import sys

import pytest
from fixtures.plugins import brings, forget

from rnngen.cli.commands import plugin_packages


@pytest.fixture
def pip(monkeypatch):
    """The arguments that pip is called with."""
    called = []
    monkeypatch.setattr(plugin_packages, "_pip", lambda *arguments: called.append(arguments))
    return called


def test_a_new_package_passes_its_own_test(run, place, monkeypatch):
    run("plugins", "new", "task", "my-task")
    assert {path.name for path in (place / "my-task").iterdir()} == {
        *(".github", "LICENSE", "README.md", "my_task", "pyproject.toml", "tests")
    }
    monkeypatch.setenv("PYTHONPATH", ":".join([str(place / "my-task"), *filter(None, sys.path)]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "my-task"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "is there already" in run("plugins", "new", "task", "my-task", status=2).err
    assert "no name for a plugin" in run("plugins", "new", "task", "My Task", status=2).err


@pytest.mark.parametrize("what", ["a link to nothing", "a folder"])
def test_what_cannot_be_read_as_a_file_is_a_failure_of_its_own(run, home, place, what):
    path = home / "plugins" / "gone.py"
    path.parent.mkdir(parents=True)
    if what == "a folder":
        path.mkdir()
    else:
        path.symlink_to(place / "gone.py")
    assert "Usage" in run("--help").out
    said = run("plugins", "list")
    assert "gone" in said.out + said.err
    assert "lstm" in run("-p", "no:gone", "plugins", "list").out


def test_a_new_file_is_a_plugin_at_once_and_is_checked_shown_and_removed(run, home, pip):
    path = home / "plugins" / "no_a.py"
    assert run("plugins", "new", "filter", "no-a", "--file").out == f"{path}\n"
    assert run("plugins", "folder").out == f"{path.parent}\n"
    assert "no_a.py/no-a  ok" in run("plugins", "check", "no-a").out
    shown = run("plugins", "show", "no-a").out
    assert "--no-a" in shown
    assert "Letters that are not to occur." in shown
    assert "A filter of logits." in shown
    path.write_text(path.read_text().replace("np.where(banned, -np.inf, logits)", "logits * np.nan"))
    forget("rnngen_plugins.no_a")
    assert "comes back as NaN" in run("plugins", "check", "no-a", status=4).out
    run("plugins", "uninstall", "--yes", "no-a")
    assert not path.exists()
    assert pip == []


def test_packages_are_frozen_removed_and_made_those_of_a_list(run, place, install, pip):
    install("one", "1 / 0")  # nothing here loads it
    install("two", brings("cell", "duo"))
    assert run("plugins", "freeze").out == "one==1.0\ntwo==1.0\n"
    (place / "list.txt").write_text("one==1.0\n# a file\n")
    run("plugins", "sync", "list.txt", "--yes")
    assert pip == [("uninstall", "--yes", "two"), ("install", "-r", "list.txt")]
    pip.clear()
    run("plugins", "uninstall", "--yes", "one", "two")
    assert pip == [("uninstall", "--yes", "one", "two")]
    assert "did you mean 'one'?" in run("plugins", "uninstall", "ome", status=2).err
    pip.clear()
    assert "no new plugin came with it" in run("plugins", "install", "-e", "./one").err
    assert pip == [("install", "-e", "./one")]


def test_pip_that_fails_is_a_plugins_failure(run, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    assert "pip install ended with status 1" in run("plugins", "install", "x", status=4).err


def test_a_thing_that_needs_an_option_is_not_checked_without(run):
    assert "not checked" in run("plugins", "check", "ban").out
    assert "ok" in run("plugins", "check", "ban", "-o", "texts=sea").out
    assert "unknown plugin 'bna'" in run("plugins", "check", "bna", status=2).err
