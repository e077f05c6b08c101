"""Stopped at any instant, by a kill or a power cut, a command leaves whole models, and can be called again.

After each stop: every model that is listed generates; the command, called again, ends as if nothing had been
(the model of a resumed run is the unbroken one's, to the byte); nothing hidden is left over.

``FAULTS_EVERY=1 pytest -m slow tests/faults/test_crash.py`` stops before every single call.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.injection import KILLED, count, ran, refused, stopped
from faults.scenes import SCENES, Scene, Stage, prepared, well
from fixtures.commands import tale

TEXT = tale()[:1500]
EVERY = int(os.environ.get("FAULTS_EVERY", "9"))
"""Calls from one that is stopped to the next, in turns with and without a power cut."""


@dataclass(frozen=True)
class Play:
    """A scene, ready to be played on copies of its stage."""

    scene: Scene
    stage: Stage
    place: Path
    calls: int
    """Calls that change the disk, where there is no fault."""
    expected: dict
    """The models after it."""

    @classmethod
    def of(cls, scene, place):
        stage = prepared(place / "before", TEXT, scene.before)
        after = stage.copied(place / "after")
        calls = count(scene.command)
        return cls(scene, stage, place, calls, {name: after.model(name) for name in after.names()})

    def begin(self):
        """A copy of the stage, to play on."""
        return self.stage.copied(self.place / "trial")

    def check(self, here):
        """Every model generates; the command, called again, ends as if it had never been stopped."""
        before = here.names()
        for name in before:
            assert well("sample", "-m", name, "-n", "5", "-q").out
        command = self.scene.again if self.scene.again and "tale" in before else self.scene.command
        if command[0] in ("train", "export") or {*before} != {*self.expected}:
            done = ran(command)
            assert done.status == 0 or self.scene.done in done.err, done.err
        assert {name: here.model(name) for name in here.names()} == self.expected
        well("cache", "clear")
        assert here.hidden() == []

    def stop(self, at, *, power):
        """Stop the command before a call, and check what is left."""
        here = self.begin()
        assert stopped(self.scene.command, at, power=power).status == KILLED
        self.check(here)

    def refuse(self, at, code):
        """Let a call fail, and check what is said and what is left."""
        here = self.begin()
        done = refused(self.scene.command, at, code)
        last = done.err.splitlines()[-1] if done.err else ""
        assert done.status == 0 or (done.status == 1 and last.startswith("rnngen: error: ")), done.err
        assert "Traceback" not in done.err
        assert "this is a bug" not in done.err
        self.check(here)


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("name", ["going on", "replacing", "removing"])
def test_stopped_now_and_then_nothing_is_lost(tmp_path, name):
    play = Play.of(SCENES[name], tmp_path)
    for at in range(play.calls // 6, play.calls + 1, play.calls // 3):
        play.stop(at, power=at % 2 == 0)


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("name", SCENES)
def test_stopped_before_a_call_nothing_is_lost(tmp_path, name):
    play = Play.of(SCENES[name], tmp_path)
    for at in range(1, play.calls + 1, EVERY):
        play.stop(at, power=at % 2 == 0)


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("name", SCENES)
def test_refused_at_a_call_it_says_so_in_a_line_and_nothing_is_lost(tmp_path, name):
    play = Play.of(SCENES[name], tmp_path)
    codes = [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.ENOENT, errno.EIO]
    for at in range(1, play.calls + 1, EVERY):
        play.refuse(at, codes[at % len(codes)])
