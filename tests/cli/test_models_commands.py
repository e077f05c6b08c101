"""``rnngen models``: the list, and what may be done to what is in it."""

import io
import json
import os
import re
import shutil
import sys

import click
import pytest
from rich.cells import cell_len

from rnngen.__main__ import main


class Person(io.StringIO):
    """Somebody at a terminal who answers."""

    def isatty(self):
        return True


@pytest.fixture
def answer(monkeypatch, capsys):
    """Runs the program with a person who answers the question."""

    def go(reply, *args, term="xterm"):
        monkeypatch.setenv("TERM", term)
        monkeypatch.setattr(sys, "stdin", Person(f"{reply}\n"))
        status = main(list(args))
        return status, capsys.readouterr()

    return go


def names(shelf):
    return {path.name for path in shelf.iterdir()}


# ── list, show, path ───────────────────────────────────────────────────────────────────────────────────────


def test_the_list_has_a_row_a_model(run, shelf):
    header, *rows = run("models", "list").out.splitlines()
    assert header.split() == [
        "name",
        "task",
        "cell",
        "size",
        "tokenizer",
        "nats/char",
        "course",
        "disk",
        "age",
    ]
    assert [row.lstrip("* ").split()[:5] for row in rows] == [
        ["names", "lines", "lstm", "1×16", "char"],
        ["tale", "continue", "lstm", "1×16", "char"],
    ]


def test_columns_hold_in_narrow_terminals(run, shelf, monkeypatch):
    run("models", "cp", "tale", "ein-langer-Name-für-愛愛愛")
    listed = run("models", "list", "--json").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    for width, shown in ((120, "tokenizer"), (80, "task"), (40, "course"), (20, "age")):
        monkeypatch.setenv("COLUMNS", str(width))
        lines = click.unstyle(run("models", "list").out).splitlines()
        assert max(map(cell_len, lines)) <= width
        assert shown in lines[1]
        assert any("names" in line.split()[:2] for line in lines)  # whole, in its row
    assert run("models", "list", "--json").out == listed


def test_the_model_that_is_taken_by_default_has_a_star(run, shelf):
    def starred():
        return [row.split()[1] for row in run("models", "list").out.splitlines() if row.startswith("*")]

    for name in ("tale", "names"):
        run("models", "default", name)
        assert starred() == [name]
        assert run("models", "default").out == f"{name}\n"
        assert f"model {name}" in run("sample", "-n", "3").err
    run("models", "rm", "-y", "names")
    assert starred() == ["tale"]


def test_a_default_can_be_given_up_for_the_model_trained_last(run, shelf):
    os.utime(shelf / "tale" / "model.safetensors")
    run("models", "default", "names")
    run("models", "default", "--unset")
    assert run("models", "default").out == "tale\n"
    run("models", "default", "nmes", status=3)
    run("models", "default", "./tale", status=3)


def test_the_list_as_json_says_the_same(run, shelf):
    rows = json.loads(run("models", "list", "--json").out)
    assert [row["name"] for row in rows] == ["names", "tale"]
    for row in rows:
        assert row["path"] == str(shelf / row["name"])
        assert row["bytes"] == (shelf / row["name"] / "model.safetensors").stat().st_size
        lines = (shelf / row["name"] / "metrics.jsonl").read_text().splitlines()
        best = [json.loads(line) for line in lines if json.loads(line)["best"]][-1]
        assert row["nats_per_char"] == best["val_nats_per_char"]


def test_a_name_of_half_a_character_in_a_model_from_elsewhere_is_listed(run, shelf):
    config = shelf / "tale" / "config.json"
    known = json.loads(config.read_text())
    known["cell"]["name"] = "\ud800x"
    config.write_text(json.dumps(known))
    assert "?x" in run("models", "list", "--json").out


def test_an_empty_list_is_empty_json_and_a_hint(run):
    assert json.loads(run("models", "list", "--json").out) == []
    done = run("models", "list")
    assert done.out == ""
    assert "rnngen train" in done.err


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text("[]"),
        lambda folder: (folder / "config.json").write_bytes(b"\xff"),
        lambda folder: (folder / "metrics.jsonl").write_text('{"best"'),
        lambda folder: (folder / "metrics.jsonl").write_text("{}\n"),
        lambda folder: (folder / "model.safetensors").unlink(),
    ],
)
def test_a_damaged_model_does_not_hide_the_others(run, shelf, damage):
    damage(shelf / "tale")
    listed = run("models", "list").out.splitlines()
    assert [line.lstrip("* ").split()[0] for line in listed[1:]] == ["names", "tale"]
    assert max(map(len, listed)) <= 80
    rows = json.loads(run("models", "list", "--json").out)
    assert [row["name"] for row in rows] == ["names", "tale"]


def test_show_tells_the_configuration(run, shelf):
    shown = run("models", "show", "tale").out
    for fact in ("lstm (rnngen", "forget_bias=1.0", "tale.txt", "1×16", "nats/char", "40 steps in 0:"):
        assert fact in shown
    assert not re.search(r"\b(None|True|False)\b", shown)
    every = run("models", "show", "tale", "-v").out
    for option in ("hidden", "weight_decay", "schedule"):
        assert re.search(rf"^{option} ", every, re.MULTILINE)
    assert not re.search(r"\b(None|True|False)\b", every)
    told = json.loads(run("models", "show", "tale", "--json").out)
    config = json.loads((shelf / "tale" / "config.json").read_text())
    assert told == {"path": str(shelf / "tale"), **config}


def test_path_is_the_folder_alone(run, shelf):
    assert run("models", "path", "tale").out == f"{shelf / 'tale'}\n"


# ── rm ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_rm_removes_what_it_is_told_without_asking(run, shelf):
    done = run("models", "rm", "-y", "tale")
    assert (done.out, done.err) == ("", "rnngen: removed tale\n")
    assert names(shelf) == {"names"}


def test_rm_with_a_name_that_is_not_there_removes_nothing(run, shelf):
    done = run("models", "rm", "-y", "tale", "nmes", status=3)
    assert "did you mean 'names'" in done.err
    assert names(shelf) == {"tale", "names"}


def test_rm_takes_a_name_twice(run, shelf):
    assert run("models", "rm", "-y", "tale", "tale").err == "rnngen: removed tale\n"
    assert names(shelf) == {"names"}


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_rm_asks_a_person(answer, shelf, term):
    status, shown = answer("n", "models", "rm", "tale", term=term)
    assert (status, shown.out) == (1, "")
    assert "Remove tale?" in shown.err
    assert names(shelf) == {"tale", "names"}
    status, _ = answer("y", "models", "rm", "tale", term=term)
    assert status == 0
    assert names(shelf) == {"names"}


def test_rm_removes_nothing_where_nobody_can_be_asked(run, shelf):
    assert "-y" in run("models", "rm", "tale", stdin="y\n", status=2).err
    assert names(shelf) == {"tale", "names"}


def test_rm_removes_an_ensemble_that_has_only_begun(run, shelf, models):
    (models / ".half.ensemble" / "last").mkdir(parents=True)
    run("models", "rm", "-y", "half")
    assert not (models / ".half.ensemble").exists()


def test_no_name_ends_as_a_file_does(run, shelf):
    assert "ending of a model in one file" in run("models", "cp", "tale", "a.safetensors", status=2).err


def test_rm_takes_no_paths(run, shelf, place):
    shutil.copytree(shelf / "tale", place / "mine")
    run("models", "rm", "-y", "./mine", status=2)
    assert (place / "mine" / "config.json").is_file()
    for command in (["rm", "-y"], ["default"]):
        assert "is a path" in run("models", *command, shelf / "tale", status=2).err
    assert "is a path" in run("models", "mv", shelf / "tale", "story", status=2).err
    assert names(shelf) == {"tale", "names"}


# ── mv ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_gets_another_name_and_stays_the_default(run, shelf):
    before = run("sample", "-m", "tale", "-s", "3", "-n", "50").out
    run("models", "default", "tale")
    run("models", "mv", "tale", "story")
    assert names(shelf) - {".default"} == {"names", "story"}
    assert run("sample", "-s", "3", "-n", "50").out == before
    run("models", "mv", "story", "names", status=2)
    run("models", "mv", "./story", "mine", status=3)
    run("models", "mv", "story", "a/b", status=2)
    assert names(shelf) - {".default"} == {"names", "story"}


# ── cp ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_a_copy_writes_what_its_original_writes(run, shelf):
    run("models", "cp", "tale", "story")
    one, other = (run("sample", "-m", name, "-s", "3", "-n", "50").out for name in ("tale", "story"))
    assert one == other
    run("train", "--resume", "--name", "story", "--steps", "45", "-q")
    assert run("sample", "-m", "tale", "-s", "3", "-n", "50").out == one


def test_a_copy_replaces_nothing(run, shelf):
    before = (shelf / "names" / "config.json").read_bytes()
    assert "already" in run("models", "cp", "tale", "names", status=2).err
    assert (shelf / "names" / "config.json").read_bytes() == before


def test_a_copy_brings_nothing_in_that_a_link_leads_to(run, shelf, place):
    (place / "secret").write_text("mine alone")
    shutil.copytree(shelf / "tale", place / "evil")
    (place / "evil" / "last" / "notes").symlink_to(place / "secret")
    assert "a link to what is not in the model" in run("models", "cp", "./evil", "story", status=1).err
    assert names(shelf) == {"tale", "names"}


@pytest.mark.parametrize("target", ["a/b", "..", ".hidden", ""])
def test_a_copy_needs_a_name(run, shelf, target):
    run("models", "cp", "tale", target, status=2)
    assert names(shelf) == {"tale", "names"}


def test_a_model_in_one_file_is_no_folder_to_copy(run, shelf):
    run("export", "tale", "-o", "tale.safetensors")
    assert "model in one file" in run("models", "cp", "./tale.safetensors", "story", status=2).err
    assert names(shelf) == {"tale", "names"}


@pytest.fixture
def namesake(shelf, place):
    """The folder ``names`` holds the model ``tale``, and the store has another model called ``names``."""
    shutil.copytree(shelf / "tale", place / "names")
    (place / "text.txt").write_text("the cat sees the sea.\n" * 20)
    return shelf


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("sample", "-n", "30", "--seed", "1", "the", "-m"),
        ("sample", "-n", "30", "--beam", "2", "the", "-m"),
        ("sample", "-n", "30", "--seed", "1", "the", "-m", "tale", "--draft"),
        ("next", "the", "-m"),
        ("fill", "the ___ sees", "-m"),
        ("score", "-m"),
        ("eval", "text.txt", "-m"),
    ],
)
def test_a_path_is_a_path_whatever_model_has_its_name(run, namesake, command):
    here, there = (run(*command, model, stdin="the cat\n") for model in ("./names", "tale"))
    assert here.out == there.out


def test_a_model_at_a_path_is_shown_and_begun_with(run, namesake):
    assert re.search(r"^task +continue", run("models", "show", "./names").out, re.MULTILINE)
    run("train", "text.txt", "-q", "--steps", "1", "--name", "new", "--init-from", "./names", "--seed", "1")
    assert json.loads((namesake / "new" / "config.json").read_text())["task"]["name"] == "continue"
