"""The guides: complete, in step with the packages and commands, and their blocks run."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from rnngen.__main__ import main
from rnngen.cli.app import COMMANDS, app
from rnngen.cli.commands.help import TOPICS, TRANSLATIONS, guide

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = ROOT / "man" / "guides"
FENCE = re.compile(r"^```(\w+)( run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A fenced block: its language, whether it is marked to run, its text."""
SMALL = {"STEPS": 6, "HIDDEN": 16, "BATCH": 8, "SEQ": 64, "EVALUATIONS": 1, "NGRAM": "none"}
"""Settings that make a training of the guides take a second."""
BEGINNING = ("tutorial", "training")
"""Guides whose reader has no model yet."""


def blocks(text, language):
    return [body for name, run, body in FENCE.findall(text) if name == language and run]


def test_every_topic_is_a_guide_and_every_guide_a_topic():
    assert sorted(path.stem for path in GUIDES.glob("*.md")) == sorted([*TOPICS, *TRANSLATIONS])
    assert set(TRANSLATIONS.values()) <= set(TOPICS)
    for topic in (*TOPICS, *TRANSLATIONS):
        summary, markdown = guide(topic)
        assert summary
        assert markdown.startswith(f"# {topic.capitalize()}: {summary}\n")


@pytest.mark.parametrize("path", [README, *sorted(GUIDES.glob("*.md"))], ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).is_file(), target


def test_the_packages_that_are_drawn_are_the_packages_of_rnngen():
    picture = re.search(r"^rnngen/\n(.*?)^```", guide("internals")[1], re.MULTILINE | re.DOTALL)[1]
    drawn = re.findall(r"^  (\w+) ", picture, re.MULTILINE)
    there = {
        path.stem for path in (ROOT / "rnngen").iterdir() if not path.name.startswith(("_init", "__init"))
    }
    assert sorted(drawn) == sorted(there - {"py", "__pycache__"})


# ── What the blocks show ───────────────────────────────────────────────────────────────────────────────────


def shown_commands(path):
    """The words of every call of rnngen in the shell blocks, but in those that install something first."""
    for language, _, body in FENCE.findall(path.read_text(encoding="utf-8")):
        if language in ("sh", "console") and "pip install" not in body:
            for call in re.findall(r"(?<![\w/.-])rnngen ([a-z][^|)>\n;&#]*)", body.replace("\\\n", "")):
                yield re.sub(r"\$\(.*", "", call)


@pytest.mark.parametrize("path", [README, *sorted(GUIDES.glob("*.md"))], ids=lambda path: path.stem)
def test_the_commands_and_flags_that_are_shown_exist(path):
    for call in shown_commands(path):
        words = shlex.split(call.replace("'", "").replace('"', ""))
        name, *rest = words
        assert name in COMMANDS
        command = app.get_command(click.Context(app), name)
        if isinstance(command, click.Group) and rest:
            command = command.commands[rest[0]]
        ctx = click.Context(command, help_option_names=["-h", "--help"])
        known = {flag for param in command.get_params(ctx) for flag in [*param.opts, *param.secondary_opts]}
        flags = {word for word in rest if re.fullmatch(r"--[a-z][a-z0-9-]+|-[a-zA-Z]", word)}
        assert flags <= known, call


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A home with the models that the tutorial trains, hardly trained."""
    folder = tmp_path_factory.mktemp("guides")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("RNNGEN_HOME", str(folder / "home"))
        for name, value in SMALL.items():
            patch.setenv(f"RNNGEN_TRAIN_{name}", str(value))
        assert main(["corpora", "build", "dates", "--count", "200", "-o", "dates.tsv"]) == 0
        assert main(["train", "dates.tsv", "-q", "--task", "pairs"]) == 0
        assert main(["train", str(ROOT / "corpora" / "places.txt"), "-q", "--task", "lines"]) == 0
        assert main(["train", str(ROOT / "corpora" / "almanac.txt"), "-q"]) == 0
    return folder / "home"


@pytest.fixture
def shell(home, tmp_path, models):
    """Runs a script in a folder with ``corpora``; ``rnngen`` is this one, and trains tiny models."""

    def go(program, script, topic):
        small = SMALL.copy()
        if topic == "training":  # where one network has the sizes of another
            del small["HIDDEN"]
        place, tools = tmp_path / "place", tmp_path / "bin"
        place.mkdir()
        tools.mkdir()
        (place / "corpora").symlink_to(ROOT / "corpora")
        (tools / "rnngen").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m rnngen "$@"\n')
        (tools / "rnngen").chmod(0o755)
        if topic not in BEGINNING:
            shutil.copytree(models, home)
        return subprocess.run(
            [*program, script],
            check=False,
            cwd=place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={
                **os.environ,
                **{f"RNNGEN_TRAIN_{name}": str(value) for name, value in small.items()},
                "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "RNNGEN_SAMPLE_LENGTH": "40",
                "OMP_NUM_THREADS": "1",
            },
        )

    return go


@pytest.mark.slow
@pytest.mark.parametrize("topic", [topic for topic in TOPICS if blocks(guide(topic)[1], "sh")])
def test_the_shell_blocks_of_a_guide_run(topic, shell):
    script = "\n".join(blocks(guide(topic)[1], "sh"))
    done = shell(["bash", "-euc"], f"set -x\n{script}", topic)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("other", "topic"), TRANSLATIONS.items())
def test_a_translation_runs_what_its_original_runs(other, topic):
    theirs, original = (
        [
            line.partition(" #")[0].rstrip()
            for block in blocks(guide(one)[1], "sh")
            for line in block.splitlines()
        ]
        for one in (other, topic)
    )
    assert theirs
    assert set(theirs) <= set(original)


@pytest.mark.slow
@pytest.mark.parametrize("topic", [topic for topic in TOPICS if blocks(guide(topic)[1], "python")])
def test_the_python_blocks_of_a_guide_run(topic, shell):
    done = shell([sys.executable, "-c"], "\n".join(blocks(guide(topic)[1], "python")), topic)
    assert done.returncode == 0, done.stdout + done.stderr
