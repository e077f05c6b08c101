"""Completion as a shell asks for it: through the environment, without importing other commands."""

import os
import subprocess
import sys

import click
import pytest

from rnngen.__main__ import main
from rnngen.cli import flags
from rnngen.cli.app import COMMANDS, Builtin


@click.command()
@flags.model_flag
@click.option("--cell", shell_complete=flags.complete_names("cell"))
def work(**_):
    pass


@pytest.fixture
def complete(monkeypatch, capsys, tmp_path):
    """What the program answers when bash asks; the last word is the one being typed."""
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path))
    monkeypatch.setitem(COMMANDS, "work", Builtin(f"{__name__}:work", "work"))

    def ask(line):
        monkeypatch.setenv("_RNNGEN_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        assert main([]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        return [answer.partition(",")[2] for answer in shown.out.splitlines()]

    return ask


def test_commands_complete_and_hidden_ones_do_not(complete):
    assert complete("rnngen comp") == ["completion"]
    assert "man" not in complete("rnngen ")


def test_subcommands_and_flags_complete(complete):
    assert complete("rnngen plugins l") == ["list"]
    assert complete("rnngen work --mo") == ["--model"]


def test_names_of_plugins_complete(complete):
    assert complete("rnngen work --cell ls") == ["lstm"]


def test_names_of_models_complete(complete, monkeypatch):
    import types

    session = types.ModuleType("rnngen.api")
    session.model_names = lambda: ["shakespeare", "names"]
    monkeypatch.setitem(sys.modules, "rnngen.api", session)
    assert complete("rnngen work -m ") == ["shakespeare", "names"]


def test_completion_is_not_stopped_by_broken_settings(complete, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rnngen.toml").write_text("nonsense")
    assert complete("rnngen work --cell ls") == ["lstm"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_asks_the_program(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"_RNNGEN_COMPLETE={shell}_complete" in script


def test_an_unknown_shell_is_refused(capsys):
    assert main(["completion", "csh"]) == 2


def test_bash_takes_the_script():
    script = subprocess.run(
        [sys.executable, "-m", "rnngen", "completion", "bash"], capture_output=True, check=True
    ).stdout
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run(["bash", "-c", 'eval "$0"; complete -p rnngen', script], check=True, env=environment)
