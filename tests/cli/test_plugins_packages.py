"""``rnngen plugins``: new, show, check, install, uninstall, freeze, sync and folder."""

import importlib
import json
import subprocess
import sys

import pytest
from fixtures.plugins import HEAD, brings, forget

from rnngen.cli.commands import plugin_packages


@pytest.fixture
def pip(monkeypatch):
    """The arguments that pip is called with."""
    called = []
    monkeypatch.setattr(plugin_packages, "_pip", lambda *arguments: called.append(arguments))
    return called


@pytest.mark.slow
def test_a_new_package_passes_its_own_test(run, place, monkeypatch):
    run("plugins", "new", "task", "my-task")
    assert {path.name for path in (place / "my-task").iterdir()} == {
        *(".github", "LICENSE", "README.md", "my_task", "pyproject.toml", "tests")
    }
    monkeypatch.setenv("PYTHONPATH", ":".join([str(place / "my-task"), *filter(None, sys.path)]))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "my-task"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "WITHOUT WARRANTY OF ANY KIND" in (place / "my-task" / "LICENSE").read_text()
    assert "is there already" in run("plugins", "new", "task", "my-task", status=2).err
    for taken in ("csv", "class"):
        assert "hide behind Python's own" in run("plugins", "new", "reader", taken, status=2).err
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
    checked = run("plugins", "check", "no-a").out.split()
    assert checked[checked.index("no_a.py/no-a") + 1] == "ok"
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


def test_what_came_from_a_repository_or_a_folder_is_frozen_so_that_pip_can_install_it(run, install):
    for name, origin in {
        "git": {"url": "https://host/x.git", "vcs_info": {"vcs": "git", "commit_id": "a1b2"}},
        "part": {"url": "https://host/y.zip", "archive_info": {}, "subdirectory": "inner"},
        "here": {"url": "file:///home/a%20b/x", "dir_info": {"editable": True}},
    }.items():
        module = install(name, brings("cell", name))
        (module.parent / f"{name}-1.0.dist-info" / "direct_url.json").write_text(json.dumps(origin))
    assert run("plugins", "freeze").out.splitlines() == [
        "git @ git+https://host/x.git@a1b2",
        "-e file:///home/a%20b/x",
        "part @ https://host/y.zip#subdirectory=inner",
    ]


def test_nothing_is_removed_where_nobody_can_be_asked(run, install, place, pip):
    install("one", brings("cell", "one"))
    (place / "list.txt").write_text("")
    for command in (["uninstall", "one"], ["sync", "list.txt"]):
        assert "there is no terminal to ask on; give -y" in run("plugins", *command, status=2).err
    assert pip == []


@pytest.mark.parametrize("name", ["", " ", "none", "no:two", "on"])
def test_what_is_no_plugins_name_removes_none(run, install, pip, name):
    install("one", brings("cell", "one"))
    run("plugins", "uninstall", "-y", name, status=2)
    assert pip == []
    run("plugins", "uninstall", "-y", "One")
    assert pip == [("uninstall", "--yes", "one")]


def test_of_a_plugin_that_is_a_link_the_link_goes(run, home, place):
    (place / "mine.py").write_text(HEAD + brings("cell", "mine"))
    folder = home / "plugins"
    folder.mkdir(parents=True)
    (folder / "linked-one.py").symlink_to(place / "mine.py")
    assert "linked-one.py" in run("plugins", "list").out
    run("plugins", "uninstall", "--yes", "linked-one")
    assert (place / "mine.py").exists()
    assert not (folder / "linked-one.py").is_symlink()


def test_a_linked_file_that_is_not_trusted_is_named_as_it_lies_there(run, place, tmp_path):
    (tmp_path / "elsewhere.py").write_text("1 / 0\n")
    (place / "rnngen_plugins").mkdir()
    (place / "rnngen_plugins" / "linked.py").symlink_to(tmp_path / "elsewhere.py")
    assert "rnngen_plugins/linked.py is not loaded" in run("plugins", "list").err


def test_a_broken_plugin_is_checked_by_its_name_and_a_package_by_that_of_its_entry_point(run, install):
    install("sad", "1 / 0")
    assert "ZeroDivisionError" in run("plugins", "check", "sad", status=4).out
    install("rnngen-odd", "1 / 0")  # no name of a module
    assert "rnngen-odd" in run("plugins", "check", "rnngen_odd", status=4).out


def test_a_plugin_that_was_mended_in_a_file_that_it_imports_works_again(run, install):
    module = install("late", "from late_parts import name\n" + brings("cell", "late"))
    parts = module.parent / "late_parts.py"
    parts.write_text("name = (")
    said = run("plugins", "list")
    assert "SyntaxError" in said.out + said.err
    parts.write_text("name = 'mended'")
    forget("late_plugin", "late_parts")
    importlib.invalidate_caches()
    assert "SyntaxError" not in run("plugins", "show", "late").err


def test_a_plugin_that_is_left_out_is_said_to_be_switched_off(run, install, place):
    install("extra", brings("cell", "extra"))
    run("plugins", "list")
    (place / "a.txt").write_text("some text\n" * 50)
    said = run("--no-plugins", "train", "a.txt", "--cell", "extra", "--steps", "1", status=4).err
    assert "extra is switched off" in said
    assert "not installed" not in said


def test_an_option_that_nothing_checked_has_is_refused(run):
    assert "did you mean 'zoneout_h'?" in run("plugins", "check", "lstm", "-o", "zonout_h=0.1", status=2).err


def test_pip_that_fails_is_a_plugins_failure(run, monkeypatch):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1))
    assert "pip install ended with status 1" in run("plugins", "install", "x", status=4).err


def test_a_thing_that_needs_an_option_is_not_checked_without(run):
    assert "not checked" in run("plugins", "check", "ban").out
    assert "ok" in run("plugins", "check", "ban", "-o", "texts=sea").out
    assert "unknown plugin 'bna'" in run("plugins", "check", "bna", status=2).err
