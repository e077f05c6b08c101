"""A run goes on, or saves and ends, whatever its terminal does."""

import io
import json
import os
import signal
from pathlib import Path

import pytest
from faults.injection import begun, ran
from faults.scenes import TRAIN, prepared, well
from fixtures.commands import tale

from rnngen.cli.commands.train import interruptible
from rnngen.cli.render import console

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")


@pytest.fixture
def stage(ready, tmp_path):
    return prepared(tmp_path / "stage", tale()[:1500], ())


@needs_full
def test_a_full_disk_behind_standard_error_ends_no_training(stage):
    with FULL.open("wb") as full:
        pid = begun([*TRAIN, "--steps=4"], err=full.fileno())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert stage.names() == ["tale"]


@needs_full
def test_a_full_disk_behind_standard_output_is_told(stage):
    well(*TRAIN, "--steps=2")
    with FULL.open("wb") as full:
        pid = begun(["sample", "-m", "tale", "-n", "9"], out=full.fileno())
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1


def test_nobody_who_reads_standard_error_ends_no_training(stage):
    reader, writer = os.pipe()
    os.close(reader)
    pid = begun([*TRAIN, "--steps=4"], err=writer)
    os.close(writer)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_terminal_that_is_closed_is_a_wish_to_stop_but_not_under_nohup():
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with interruptible() as stopped:
            signal.raise_signal(signal.SIGHUP)
            assert stopped()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with interruptible() as stopped:
            signal.raise_signal(signal.SIGHUP)
            assert not stopped()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_stop_gives_the_cursor_back_and_takes_it_again(monkeypatch):
    from rich.console import Console
    from rich.live import Live

    shown, stopped = io.StringIO(), []
    with Live("text", console=Console(file=shown, force_terminal=True), auto_refresh=False) as live:
        with console.suspendable(live):
            handler = signal.getsignal(signal.SIGTSTP)
            monkeypatch.setattr(signal, "raise_signal", lambda _: stopped.append(shown.getvalue()))
            handler(signal.SIGTSTP, None)
            assert signal.getsignal(signal.SIGTSTP) == handler
        assert signal.getsignal(signal.SIGTSTP) == signal.SIG_DFL
    hide, show = "\x1b[?25l", "\x1b[?25h"
    assert stopped[0].endswith(show)
    assert shown.getvalue().count(hide) == 2


@pytest.mark.slow
def test_a_second_training_of_the_name_is_refused_at_its_start_and_changes_nothing(stage):
    pid = begun([*TRAIN, "--steps=100000"])
    try:
        while not stage.models.joinpath(".tale.lock").exists():
            assert os.waitpid(pid, os.WNOHANG) == (0, 0)
        for command in ([*TRAIN, "--steps=4"], [*TRAIN, "--force"], [*TRAIN, "--resume"]):
            done = ran(command)
            assert done.status == 1
            assert f"process {pid} is training the model 'tale' right now" in done.err
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    well(*TRAIN, "--resume", "--steps=4")
    assert stage.hidden() == []


@pytest.mark.slow
def test_a_model_that_is_removed_ends_its_training_at_once_and_its_name_is_free(stage):
    reader, writer = os.pipe()
    pid = begun([*TRAIN, "--steps=100000", "--evaluations=10000", "-v"], err=writer)
    os.close(writer)
    with os.fdopen(reader) as told:
        for line in told:
            if "saved" in line and "training" in line:
                break
        for command in (["rm", "-y", "tale"], ["mv", "tale", "other"]):
            assert "is training the model 'tale'" in ran(["models", *command]).err
        stage.models.joinpath("tale").rename(stage.folder / "elsewhere")
        last = list(told)[-1]
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    assert "was removed or replaced" in last
    assert list(stage.models.iterdir()) == []


@pytest.mark.slow
def test_samples_of_one_model_at_once_write_the_same_text_and_are_all_logged(stage):
    well(*TRAIN, "--steps=2")
    command = ["sample", "-m", "tale", "-n", "9", "--seed=1", "--log", "--prompt-file", "tale.txt"]
    outputs = [stage.folder / f"{number}.out" for number in range(8)]
    pids = []
    for path in outputs:
        with path.open("wb") as out:
            pids.append(begun(command, out=out.fileno()))
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0] * 8
    assert len({path.read_bytes() for path in outputs}) == 1
    assert {one["number"] for one in json.loads(well("log", "list", "--json").out)} == {*range(1, 9)}
