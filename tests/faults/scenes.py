"""What is interrupted: commands that change models, what was there before, and what must hold after.

A scene is prepared once without faults; each trial works on a copy of its home folder.
"""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.injection import Ran, ran

Command = Sequence[Any]

SMALL = ["--hidden=8", "--batch=4", "--seq=16", "--evaluations=2", "--lr=0.01", "--ngram=2", "--seed=1"]
TRAIN = ["train", "tale.txt", "--name", "tale", *SMALL, "--precision=fp32", "--device=cpu"]
RESUMED = ("model.safetensors", "metrics.jsonl", "tokenizer.json", "config.json", "README.md")
"""Files of a model that a resumed run writes to the byte as an unbroken one does."""


@dataclass(frozen=True)
class Scene:
    """A command that is interrupted."""

    command: Command
    before: Sequence[Command] = ()
    """Commands that came before it."""
    again: Command | None = None
    """What is called after the interruption; the same command if not given."""
    done: str = "?"
    """What it answers, as an error, where all was done already."""


DONE = "whose networks are gone since it is done"
"""What an ensemble that is done answers to ``--resume``."""
SCENES = {
    "first run": Scene([*TRAIN, "--resume", "--steps=6"]),
    "going on": Scene(
        [*TRAIN, "--resume", "--steps=8"],
        before=[[*TRAIN, "--steps=4"]],
        again=["train", "--resume", "--name", "tale", "--steps=8"],
    ),
    "replacing": Scene([*TRAIN, "--force", "--hidden=12", "--steps=4"], before=[[*TRAIN, "--steps=4"]]),
    "ensemble": Scene(
        [*TRAIN, "--resume", "--ensemble=2", "--steps=6"],
        before=[[*TRAIN, "--name=other", "--steps=2"]],
        done=DONE,
    ),
    "copying": Scene(["models", "cp", "tale", "copy"], before=[[*TRAIN, "--steps=4"]]),
    "renaming": Scene(["models", "mv", "tale", "other"], before=[[*TRAIN, "--steps=4"]]),
    "removing": Scene(["models", "rm", "-y", "tale"], before=[[*TRAIN, "--steps=4"]]),
    "exporting": Scene(["export", "tale", "--force"], before=[[*TRAIN, "--steps=4"], ["export", "tale"]]),
}


@dataclass(frozen=True)
class Stage:
    """A folder with a text, and a home for models, in which a scene is played."""

    folder: Path

    @property
    def models(self) -> Path:
        """The folder of models."""
        return self.folder / "home" / "models"

    def enter(self) -> None:
        """Work here."""
        os.chdir(self.folder)
        os.environ["RNNGEN_HOME"] = str(self.folder / "home")

    def copied(self, folder: Path) -> "Stage":
        """Return another like it, and work there; what was in its place is gone."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        stage = Stage(folder)
        stage.enter()
        return stage

    def names(self) -> list[str]:
        """Return the names of the models that are listed."""
        listed = well("models", "list", "--json")
        import json

        return [one["name"] for one in json.loads(listed.out)]

    def model(self, name: str) -> dict[str, bytes]:
        """Return the files of a model that do not depend on where it was interrupted."""
        return {
            file: (self.models / name / file).read_bytes()
            for file in RESUMED
            if (self.models / name / file).exists()
        }

    def hidden(self) -> list[str]:
        """Return what is hidden anywhere below the home: leftovers."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob(".*"))


def well(*command: Any) -> Ran:
    """Run a command that must work."""
    done = ran(command)
    assert done.status == 0, (command, done.err)
    return done


def warm(folder: Path) -> None:
    """Do in this process once what forks would each do at length: import, and let torch set itself up."""
    from rnngen.__main__ import main

    prepared(folder, "This is warm.\n" * 30, ())
    assert main([*TRAIN, "--steps=2", "-q"]) == 0
    assert main(["sample", "-m", "tale", "-n", "2", "-q", "This"]) == 0


def prepared(folder: Path, text: str, before: Sequence[Command]) -> Stage:
    """Return a stage on which some commands have run."""
    folder.mkdir(parents=True)
    (folder / "tale.txt").write_text(text)
    stage = Stage(folder)
    stage.enter()
    for command in before:
        well(*command)
    return stage
