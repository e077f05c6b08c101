"""The manual pages: made from the commands, the same everywhere, valid roff, and fresh in the repository."""

import os
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from rnngen.cli import flags
from rnngen.cli.app import COMMANDS
from rnngen.cli.commands import man
from rnngen.cli.commands.help import TOPICS
from rnngen.cli.commands.man import Page, escaped
from rnngen.errors import RnngenError

AS_IN_THE_PROGRAM = {"standalone_mode": False, "help_option_names": ["-h", "--help"]}
"""How the program calls a command, which remembers the names of its help."""
PAGES = Path(__file__).parents[2] / "man"
BEFORE, AFTER = ["NAME", "SYNOPSIS", "DESCRIPTION"], ["EXIT STATUS", "ENVIRONMENT", "FILES"]
SECTIONS = [*BEFORE, "OPTIONS", *AFTER, "EXAMPLES", "SEE ALSO"]


@flags.examples("rnngen work corpus.txt", "cat a | rnngen work -  # from stdin")
@click.command()
@click.argument("file")
@click.option(
    "-d",
    "--weight-decay",
    type=float,
    default=0.1,
    show_default=True,
    help="How much *weights* and *.md shrink.",
)
@click.option("--tie/--no-tie", help="Share.\n\n.TH is no request here, nor is \\fB.")
@click.option("--secret", hidden=True)
def work(**_):
    """Work on FILE.

    'Quoted' and .dotted text – with a dash.

    \b
    kept   as
      it is
    """


@click.group()
def zoo():
    """Animals."""


@zoo.command()
@click.option("--legs", type=click.IntRange(0, 8), help="How many.")
def feed(**_):
    """Feed one."""


def page_of(command, name):
    return man.command_page(command, name, "Do work.", man.root_context(), ["rnngen(1)", "rnngen-sample(1)"])


def test_a_page_has_its_sections_in_order():
    headings = [line[4:] for line in page_of(work, "work").splitlines() if line.startswith(".SH ")]
    assert headings == SECTIONS


def test_an_option_has_its_names_default_and_variable():
    page = page_of(work, "work")
    option = page[page.index("\\fB\\-d\\fR, ") :].splitlines()
    assert option[0] == "\\fB\\-d\\fR, \\fB\\-\\-weight\\-decay\\fR \\fIFLOAT\\fR"
    assert option[1] == (
        "How much *weights* and *.md shrink. Default: 0.1. Environment: \\fBRNNGEN_WORK_WEIGHT_DECAY\\fR."
    )
    assert "\\fB\\-\\-tie\\fR, \\fB\\-\\-no\\-tie\\fR\n" in page
    assert "\\fB\\-h\\fR, \\fB\\-\\-help\\fR\n" in page
    assert "secret" not in page


def test_a_group_has_its_commands_on_one_page():
    page = page_of(zoo, "zoo")
    assert ".SS rnngen zoo feed\n" in page
    assert "RNNGEN_ZOO_FEED_LEGS" in page
    assert "0<=x<=8" in page


def test_a_page_has_examples_and_neighbours():
    page = page_of(work, "work")
    assert "\nrnngen work corpus.txt\ncat a | rnngen work \\-  # from stdin\n" in page
    assert "\\fBrnngen\\fR(1), \\fBrnngen\\-sample\\fR(1)" in page


def test_text_means_itself():
    assert escaped("a\\b-c…é'") == "a\\eb\\-c\\[u2026]\\[u00E9]\\(aq"
    page = Page("x", "y")
    page.text(".TH hidden")
    page.verbatim([".so evil", "'br"])
    assert page.lines[-1] == ".fi"
    assert not [line for line in page.lines if line.startswith((".TH hidden", ".so", "'"))]


def test_pages_are_ascii():
    assert page_of(work, "work").isascii()


@pytest.mark.skipif(not shutil.which("groff"), reason="needs groff")
@pytest.mark.parametrize(("command", "name"), [(work, "work"), (zoo, "zoo")])
def test_groff_has_nothing_to_say_against_a_page(command, name):
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii"],
        input=page_of(command, name).encode(),
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""


@pytest.fixture
def two_pages(monkeypatch):
    monkeypatch.setattr(man, "pages", lambda: {"man1/rnngen.1": "a\n", "man1/rnngen-work.1": "b\n"})


def test_check_names_what_is_missing_stale_or_left_over(two_pages, tmp_path):
    folder = tmp_path / "man1"
    folder.mkdir()
    (folder / "rnngen.1").write_text("old")
    (folder / "rnngen-gone.1").write_text("left over")
    with pytest.raises(RnngenError, match=r"rnngen-gone\.1, man1/rnngen-work\.1, man1/rnngen\.1 out of date"):
        man.man.main(["--check", "-o", str(tmp_path)], **AS_IN_THE_PROGRAM)
    assert (folder / "rnngen.1").read_text() == "old"


def test_pages_of_other_programs_are_left_alone(two_pages, tmp_path):
    other = tmp_path / "man1" / "git.1"
    other.parent.mkdir()
    other.write_bytes(b"\xff of another program")
    man.man.main(["-o", str(tmp_path)], **AS_IN_THE_PROGRAM)
    man.man.main(["--check", "-o", str(tmp_path)], **AS_IN_THE_PROGRAM)
    assert other.read_bytes() == b"\xff of another program"


def test_writing_makes_the_folder_pass_the_check(two_pages, tmp_path):
    folder = tmp_path / "new" / "man"
    (folder / "man1").mkdir(parents=True)
    (folder / "man1" / "rnngen-gone.1").write_text("left over")
    man.man.main(["-o", str(folder)], **AS_IN_THE_PROGRAM)
    man.man.main(["--check", "-o", str(folder)], **AS_IN_THE_PROGRAM)
    assert sorted(path.name for path in (folder / "man1").iterdir()) == ["rnngen-work.1", "rnngen.1"]


def test_every_command_has_a_fresh_page_in_the_repository():
    wanted = man.pages()
    commands = [name for name in wanted if name.startswith("man1/")]
    assert len(commands) == 1 + len(COMMANDS)
    assert len(wanted) == len(commands) + len(TOPICS)
    assert man.stale_pages(PAGES, wanted) == []


def test_a_page_is_read_and_an_unknown_one_named(run, monkeypatch, tmp_path):
    reader = tmp_path / "man"
    reader.write_text('#!/bin/sh\ncat "$2" > "$OUT"\n')
    reader.chmod(0o755)
    monkeypatch.setenv("OUT", str(tmp_path / "read"))
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    run("man", "sample")
    assert "RNNGEN\\-SAMPLE" in (tmp_path / "read").read_text()
    assert "did you mean 'sample'" in run("man", "sampel", status=2).err
    assert "name it with -o" in run("man", "--check", status=2).err
    monkeypatch.setattr("rnngen.cli.commands.man.which", lambda _: None)
    assert "Usage: rnngen next" in run("man", "next").out
