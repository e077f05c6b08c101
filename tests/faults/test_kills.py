"""Killed at random, again and again, a real run loses no more than what it had not saved.

``FAULTS_KILLS=200 pytest -m slow tests/faults/test_kills.py`` kills as often as one likes.
"""

import os
import random
import signal
import time

import pytest
from faults.injection import begun, ran
from faults.scenes import TRAIN, prepared, well
from fixtures.commands import tale

from rnngen.store.checkpoint import read_tensors
from rnngen.store.model_folder import TRAINING, read_model

KILLS = int(os.environ.get("FAULTS_KILLS", "6"))
RUN = [*TRAIN, "--steps=100000", "--evaluations=20000", "--patience=0", "--resume"]
"""Evaluates, and saves, at every fifth step, and does not end by itself: nothing improves for so long."""


def step_of(stage):
    """The step that a resumed run would go on from; 0 where nothing is saved yet."""
    place = stage.models / "tale"
    return read_tensors(place / TRAINING)[1]["progress"]["step"] if place.exists() else 0


@pytest.mark.slow
@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_killed_again_and_again_never_goes_back(tmp_path, how):
    stage, draw, last, died = prepared(tmp_path / "stage", tale(), ()), random.Random(how), 0, 0
    while died < KILLS:
        pid = begun(RUN)
        time.sleep(draw.uniform(0.05, 2.5))
        os.kill(pid, how)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert status in (-how, 130), status
        died += 1
        step = step_of(stage)
        assert step >= last
        last = step
        if step:
            read_model(stage.models / "tale")
            assert well("sample", "-m", "tale", "-n", "5", "-q").out
        if status == 130:  # a run that had begun ended by itself; one that was still reading is swept later
            assert not [name for name in stage.hidden() if ".new-" in name or name.endswith(".tmp")]
    assert last > 0
    well("train", "--resume", "--name", "tale", f"--steps={last + 10}", "-q")
    well("cache", "clear")
    assert stage.hidden() == []
    assert ran(["models", "list"]).out.count("tale") == 1
