"""Help in two sizes, and the guides."""

import sys

import click
import pytest
from click.testing import CliRunner

from rnngen.cli import flags
from rnngen.cli.app import COMMANDS, app
from rnngen.cli.commands.help import TOPICS, TRANSLATIONS, guide


def commands():
    """Every command, those of groups too, by the words that call it."""
    root = click.Context(app, info_name="rnngen", **app.context_settings)
    for name in COMMANDS:
        command = app.get_command(root, name)
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {below}", found) for below, found in command.commands.items())


def help_of(name, flag):
    """The help of a command on a terminal of 80 columns."""
    return CliRunner().invoke(app, [*name.split(), flag], prog_name="rnngen", terminal_width=80).output


@pytest.mark.parametrize("size", ["--help", "--help-all"])
@pytest.mark.parametrize(("name", "command"), [*commands()])
def test_rows_of_the_help_fit_eighty_columns(name, command, size):
    if size == "--help" or flags.has_more(command):
        shown = help_of(name, size)
        assert [line for line in shown.splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("name", ["train", "sample", "tune"])
def test_the_short_help_shows_what_people_use_and_names_the_long_one(name):
    command = app.get_command(click.Context(app), name)
    short, long = (help_of(name, size) for size in ("--help", "--help-all"))
    assert "--help-all" in short
    assert short.count("\n  -") <= 27 < long.count("\n  -")
    ctx = click.Context(command)
    for param in command.get_params(ctx):
        if isinstance(param, click.Option):
            assert (f"{param.opts[-1]}" in long) is not param.hidden


def test_flags_keep_their_headings_and_rare_ones_wait_for_help_all():
    @click.command(cls=flags.Command)
    @flags.option("--often", heading="Work", help="Much used.")
    @flags.option("--seldom", heading="Work", common=False, help="Little used.")
    @flags.option("--old", hidden=True, help="Not any more.")
    def work(**_):
        pass

    short, long = (CliRunner().invoke(work, [size]).output for size in ("--help", "--help-all"))
    assert "Work:\n  --often" in short
    assert "--seldom" not in short
    assert "--seldom" in long
    assert "--old" not in short + long


def test_a_command_without_rare_flags_has_one_help():
    assert "--help-all" not in help_of("devices", "-h")


def test_a_broken_settings_file_does_not_stand_in_the_way_of_help_all(run, place):
    (place / "rnngen.toml").write_text("nonsense")
    assert "Usage: rnngen train" in run("train", "--help-all").out


def test_long_choices_leave_the_first_column():
    choices = click.Choice(["one", "two", "three", "four", "five", "six", "seven"])
    option = flags.Option(["--number"], type=choices, help="Which.")
    names, text = option.get_help_record(click.Context(click.Command("work")))
    assert names == "--number NAME"
    assert text == "Which. One of one, two, three, four, five, six, seven."


# ── Guides ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_topics_are_listed_with_their_summaries(run):
    lines = run("help").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*TOPICS, *TRANSLATIONS]
    assert "from a text to a generator" in lines[1]


def test_a_guide_goes_through_a_pipe_as_it_is(run):
    assert run("help", "files").out == guide("files")[1]


def test_a_guide_is_drawn_on_a_terminal(run, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = run("help", "files").out
    assert "\x1b[" in shown
    assert "##" not in shown


def test_the_name_of_a_command_shows_its_help(run):
    assert "--weight-decay" in run("help", "train").out
    assert "Usage: rnngen devices" in run("help", "devices").out


def test_help_of_a_command_is_the_commands_own(run):
    assert run("help", "devices").out == run("devices", "--help").out
    assert run("help", "train").out == run("train", "--help-all").out


@pytest.mark.slow
@pytest.mark.parametrize("asked", [("help", "train"), ("train", "--help-all")])
def test_help_that_nobody_reads_ends_as_everything_does(spawn, asked):
    process = spawn(*asked)
    process.stdout.close()
    assert process.wait(timeout=60) == 141


def test_an_unknown_topic_names_the_closest(run):
    assert "did you mean 'tutorial'?" in run("help", "tutorail", status=2).err


def test_long_help_is_paged_on_a_terminal_alone(run, monkeypatch):
    paged = []
    monkeypatch.setattr(click, "echo_via_pager", lambda text, **_: paged.append(text))
    monkeypatch.setenv("TERM", "xterm")
    shown = run("help", "train").out
    assert "--weight-decay" in shown
    assert not paged
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert run("help", "train").out == ""
    assert "--weight-decay" in paged[0]
