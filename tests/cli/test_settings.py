"""Settings files: who goes before whom, and refusals that name the file and the key."""

import os
from functools import partial

import click
import pytest

from rnngen.__main__ import main
from rnngen.cli.app import COMMANDS, Builtin
from rnngen.cli.settings import LOCAL, defaults, user_file
from rnngen.errors import UsageError


@click.group()
def zoo():
    pass


@zoo.command()
@click.option("--legs", type=int, default=4)
def feed(legs):
    click.echo(legs)


@click.command()
@click.option("-d", "--weight-decay", type=float, default=0.1)
@click.option("--steps", type=click.IntRange(1))
@click.option("--tie/--no-tie", default=None)
@click.option("--cell", type=click.Choice(["lstm", "gru"]))
@click.option("--name")
@click.option("-o", "--option", multiple=True)
@click.option("-v", "--verbose", count=True)
@click.argument("file", required=False)
def work(weight_decay, **_):
    click.echo(weight_decay)


@pytest.fixture(autouse=True)
def commands(tmp_path, monkeypatch):
    monkeypatch.setenv("RNNGEN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    monkeypatch.setitem(COMMANDS, "work", Builtin(f"{__name__}:work", "work"))
    monkeypatch.setitem(COMMANDS, "zoo", Builtin(f"{__name__}:zoo", "zoo"))


def test_flag_goes_before_environment_before_local_before_user_before_default(capsys, monkeypatch):
    def said(*args):
        assert main(["work", *args]) == 0
        return capsys.readouterr().out.strip()

    assert said() == "0.1"
    user_file().write_text("[work]\nweight-decay = 0.2\n")
    assert said() == "0.2"
    LOCAL.write_text("[work]\nweight_decay = 0.3\n")
    assert said() == "0.3"
    monkeypatch.setenv("RNNGEN_WORK_WEIGHT_DECAY", "0.4")
    assert said() == "0.4"
    assert said("--weight-decay", "0.5") == "0.5"


def test_files_are_merged_key_by_key():
    user_file().write_text("[work]\nweight-decay = 0.2\nsteps = 3\n")
    LOCAL.write_text("[work]\nsteps = 4\ntie = false\n")
    assert defaults(work, "work", COMMANDS) == {"weight_decay": 0.2, "steps": 4, "tie": False}


def test_tables_nest_as_groups_do(capsys):
    LOCAL.write_text("[zoo.feed]\nlegs = 6\n")
    assert main(["zoo", "feed"]) == 0
    assert capsys.readouterr().out == "6\n"


def test_a_table_sets_what_keys_and_values_set():
    LOCAL.write_text("[work.option]\nvocab_size = 300\nlower = true\n")
    assert defaults(work, "work", COMMANDS) == {"option": ["vocab_size=300", "lower=true"]}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[work]\nweigth-decay = 1\n", r"\[work\] unknown key 'weigth-decay'; did you mean 'weight_decay'"),
        ("[wrok]\n", r"unknown table 'wrok'; did you mean 'work'"),
        ("[work]\nfile = 'x'\n", r"unknown key 'file'"),
        ("[zoo.fed]\n", r"\[zoo\] unknown key 'fed'; did you mean 'feed'"),
        ("[zoo.feed]\nlegs = 'six'\n", r"\[zoo.feed\] legs = six: a whole number expected"),
        ("work = 3\n", r"work = 3: a table \[work\] expected"),
        ("[work]\nsteps = 1.5\n", r"\[work\] steps = 1.5: a whole number expected"),
        ("[work]\nsteps = true\n", r"steps = true: a whole number expected"),
        ("[work]\nsteps = 0\n", r"steps = 0: .*x>=1"),
        ("[work]\nweight-decay = '0.1'\n", r"weight-decay = 0.1: a number expected"),
        ("[work]\ntie = 'yes'\n", r"tie = yes: true or false expected"),
        ("[work]\ncell = 'lstn'\n", r"cell = lstn: .*lstm"),
        ("[work]\nname = 3\n", r"name = 3: a text in quotes expected"),
        ("[work]\noption = 'a=b'\nname = []\n", r"name = \[\]: a text in quotes expected"),
        ("[work]\nsteps = \n", r"line 2"),
        ("[work]\nsteps = 3\nsteps = 4\n", r"line 3"),
    ],
)
def test_a_refusal_names_the_file_and_the_key(text, complaint):
    command, name = (zoo, "zoo") if "zoo" in text else (work, "work")
    LOCAL.write_text(text)
    with pytest.raises(UsageError, match=rf"^rnngen\.toml: .*{complaint}"):
        defaults(command, name, COMMANDS)


def test_a_file_that_is_no_text_is_named():
    user_file().write_bytes(b"[work]\nname = '\xff'\n")
    with pytest.raises(UsageError, match=r"config\.toml: byte 15 is not UTF-8"):
        defaults(work, "work", COMMANDS)


def test_help_shows_whatever_the_files_say(capsys):
    LOCAL.write_text("nonsense")
    assert main(["work"]) == 2
    assert main(["work", "--help"]) == 0
    assert main(["work", "--", "--help"]) == 2


def test_without_files_there_is_nothing():
    assert defaults(work, "work", COMMANDS) == {}


# ── Where the file is, and short names ─────────────────────────────────────────────────────────────────────


def test_the_file_of_the_nearest_folder_above_counts_up_to_the_home(tmp_path, monkeypatch):
    below = tmp_path / "user" / "poems" / "drafts"
    below.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(below)
    (tmp_path / "rnngen.toml").write_text("[work]\nsteps = 1\n")
    assert defaults(work, "work", {"work"}) == {}
    (tmp_path / "user" / "rnngen.toml").write_text("[work]\nsteps = 2\n")
    assert defaults(work, "work", {"work"}) == {"steps": 2}
    (tmp_path / "user" / "poems" / "rnngen.toml").write_text("[work]\nsteps = 'x'\n")
    with pytest.raises(UsageError, match=r"poems/rnngen\.toml: \[work\] steps"):
        defaults(work, "work", {"work"})
    (below / "rnngen.toml").write_text("[work]\nsteps = 4\n")
    assert defaults(work, "work", {"work"}) == {"steps": 4}


def test_a_flag_has_its_letter_in_the_file_too(tmp_path):
    LOCAL.write_text("[work]\nd = 0.5\n")
    assert defaults(work, "work", {"work"}) == {"weight_decay": 0.5}
    LOCAL.write_text("[work]\nd = 0.5\nweight-decay = 0.2\n")
    with pytest.raises(UsageError, match="set twice"):
        defaults(work, "work", {"work"})


# ── A folder from anywhere ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("command", "key", "value", "flag"),
    [
        ("sample", "save-state", '"victim"', "--save-state"),
        ("sample", "raw", "true", "--raw"),
        ("export", "output", '"victim"', "--output"),
        ("export", "force", "true", "--force"),
        ("train", "force", "true", "--force"),
        ("train", "listener", '"csv"', "--listener"),
        ("train", "storage", '"victim"', "--storage"),
        ("tune", "storage", '"victim"', "--storage"),
        ("attend", "o", '"victim"', "--output"),
        ("models.rm", "yes", "true", "--yes"),
        ("corpora.build", "output", '"victim"', "--output"),
    ],
)
def test_where_to_write_and_consent_are_never_a_folders_to_set(command, key, value, flag, capsys):
    LOCAL.write_text(f"[{command}]\n{key} = {value}\n")
    assert main([*command.split("."), "something"]) == 2
    complaint = capsys.readouterr().err
    assert f"rnngen.toml: [{command}] {key}: " in complaint
    assert f"give {flag} yourself, or set it in {user_file()}" in complaint
    LOCAL.rename(user_file())
    main([*command.split("."), "something"])
    assert "yourself" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a" + ".a" * 30_000 + " = 1", "more than 16"),
        ("[work]\noption = " + "[" * 500 + "]" * 500, "more than 16"),
        ("[work]\noption = " + "[" * 20 + "]" * 20, "more than 16"),
        ("[work]\nsteps = " + "9" * 5000, "not TOML"),
        ("# " + "x" * 70_000, "not plausible"),
    ],
)
def test_a_file_that_would_take_all_time_or_memory_is_refused(text, complaint):
    LOCAL.write_text(text)
    with pytest.raises(UsageError, match=rf"rnngen\.toml: .*{complaint}"):
        defaults(work, "work", COMMANDS)


@pytest.mark.skipif(os.name != "posix", reason="there are no such files")
@pytest.mark.parametrize("make", [os.mkfifo, partial(os.symlink, "/dev/zero")])
def test_settings_from_a_pipe_or_a_device_are_refused_at_once(make, tmp_path):
    make(tmp_path / LOCAL)
    with pytest.raises(UsageError, match=r"rnngen\.toml: a pipe or a device"):
        defaults(work, "work", COMMANDS)
