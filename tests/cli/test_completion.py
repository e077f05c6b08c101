"""Completion as a shell asks for it: through the environment, without importing other commands."""

import os
import subprocess
import sys

import click
import pytest

from rnngen.__main__ import main
from rnngen.cli import completers, flags
from rnngen.cli.app import COMMANDS, Builtin


@click.command()
@flags.model_flag
@click.option("--cell", shell_complete=completers.names("cell"))
def work(**_):
    pass


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A home with a model of labelled texts."""
    folder = tmp_path_factory.mktemp("labelled")
    (folder / "mails.tsv").write_text("spam\tbuy\nham\thello\n" * 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder))
        sizes = ["--hidden=8", "--steps=1", "--batch=4", "--seq=8", "--device=cpu"]
        assert main(["train", str(folder / "mails.tsv"), "--task", "labelled", "-q", *sizes]) == 0
    return folder


@pytest.fixture
def kinds(monkeypatch, capsys, tmp_path):
    """What the program answers when bash asks, with kinds; the last word is the one being typed."""
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path))
    monkeypatch.setitem(COMMANDS, "work", Builtin(f"{__name__}:work", "work"))

    def ask(line):
        monkeypatch.setenv("_RNNGEN_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        assert main([]) == 0
        shown = capsys.readouterr()
        assert shown.err == ""
        return [line for line in shown.out.splitlines() if line]

    return ask


@pytest.fixture
def complete(kinds):
    """The same, without the kinds."""

    def ask(line):
        return [answer.partition(",")[2] for answer in kinds(line)]

    return ask


def test_commands_complete(complete):
    assert complete("rnngen comp") == ["completion"]
    assert {"train", "man"} <= {*complete("rnngen ")}


def test_subcommands_and_flags_complete(complete):
    assert complete("rnngen plugins l") == ["list"]
    assert complete("rnngen work --mo") == ["--model"]


def test_names_of_plugins_complete(complete):
    assert complete("rnngen work --cell ls") == ["lstm"]


@pytest.mark.parametrize(
    "words",
    [
        *(
            f"train c.txt {flag} a"
            for flag in ("--val", "--source", "--target", "--storage", "--val-source", "--val-target")
        ),
        *(f"tune c.txt {flag} a" for flag in ("--val", "--source", "--storage")),
        *(f"eval {flag} a" for flag in ("--source", "--target")),
        "train a",
    ],
)
def test_files_complete_where_a_file_is_named(kinds, words):
    assert kinds(f"rnngen {words}") == ["file,a"]


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ("train -o layer", {"layer_norm=true", "layer_norm=false"}),
        ("train -o zoneout_h", {"zoneout_h="}),
        *((f"train -o {option}", set()) for option in ("heads", "window", "source_field")),
        ("plugins check local -o wind", {"window="}),
        ("train --normalize nf", {"nfc", "nfd", "nfkc", "nfkd"}),
        ("train --device c", {"cpu", "cuda"}),
        ("train --source-tokenizer word", {"word", "wordpiece"}),
        ("train --encoding utf-8", {"utf-8"}),
        ("sample --filters min_p=0.1,te", {"min_p=0.1,temp="}),
        ("sample --filters dry=1;ba", {"dry=1;base="}),
        ("sample --device mp", {"mps"}),
        ("tune --name x", set()),
    ],
)
def test_values_complete_where_they_are_known(complete, monkeypatch, words, known):
    monkeypatch.setenv("RNNGEN_PLUGINS", "none")  # whose cells may have options of these names
    assert set(complete(f"rnngen {words}")) == known


def test_runs_and_labels_complete(complete, monkeypatch, labelled):
    monkeypatch.setenv("RNNGEN_HOME", str(labelled))
    assert complete("rnngen train --resume --name mai") == ["mails"]
    assert complete("rnngen sample -m mails --label sp") == ["spam"]
    assert complete("rnngen sample --label ha") == ["ham"]


@pytest.mark.parametrize("command", ["sample", "look gradients"])
def test_names_of_models_complete_where_there_are_some(complete, monkeypatch, labelled, command):
    monkeypatch.setenv("RNNGEN_HOME", str(labelled))
    assert complete(f"rnngen {command} -m mai") == ["mails"]


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
