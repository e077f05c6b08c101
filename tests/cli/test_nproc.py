"""``rnngen train --nproc``: one model from several processes, which end together whatever happens to one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch import distributed

from rnngen.store.model_folder import TRAINING, read_model

needs_gloo = pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()), reason="this torch is without gloo"
)
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
LONG = ["--steps=1000000", "--evaluations=10000", "--patience=0", "--nproc=2", "--name=long", "--json"]
INTERRUPTED = 130


@pytest.fixture
def tale(trained, place):
    """The text in a file of this test's."""
    path = place / "tale.txt"
    path.write_bytes((trained / "tale.txt").read_bytes())
    return path


@pytest.fixture
def long(spawn, tale, tiny):
    """A run of two processes that does not end by itself, and has saved what resuming needs."""
    process = spawn("train", tale, *tiny, *LONG)
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "saved" and event["path"].endswith(TRAINING):
            return process
    raise AssertionError(process.stderr.read().decode())


PLAIN = ("-o", "layer_norm=false")
"""What is normalised when it is near 0 makes rounding large, and curves of two sums drift apart by it."""


def events(text):
    """What a run told from its start on; what comes before depends on what is imported already."""
    return [event for event in map(json.loads, text.splitlines()) if event["event"] != "preparing"]


def stat(number):
    """What the system says of a process from its state on, or nothing where it has ended meanwhile."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def workers(launcher):
    """The processes that it started, the first one first."""
    numbers = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    rows = {number: stat(number) for number in numbers}
    return sorted((number for number, row in rows.items() if row and row[1] == str(launcher)), key=_rank)


def _rank(number):
    for setting in Path(f"/proc/{number}/environ").read_bytes().split(b"\0"):
        if setting.startswith(b"RANK="):
            return int(setting[5:])
    raise AssertionError(f"process {number} is no worker")


def is_running(number):
    row = stat(number)
    return row is not None and row[0] != "Z"


def ended(process):
    """Let it end → its status and what it said last."""
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), err.decode()


# ── together ───────────────────────────────────────────────────────────────────────────────────────────────


@needs_gloo
@pytest.mark.slow
def test_two_processes_tell_and_leave_what_one_does(run, spawn, tale, tiny, home):
    flags = ["--dropout=0", "--json", *tiny, *PLAIN]
    alone = events(run("train", tale, "--name=one", *flags).out)
    status, out, err = ended(spawn("train", tale, "--name=two", "--nproc=2", *flags))
    assert (status, err) == (0, "")
    together = events(out)
    assert [event["event"] for event in together] == [event["event"] for event in alone]
    curves = [[event["loss"] for event in told if "loss" in event] for told in (alone, together)]
    assert curves[1] == pytest.approx(curves[0], abs=1e-5)
    left = [{path.name for path in (home / "models" / name).iterdir()} for name in ("one", "two")]
    assert left[0] == left[1]
    assert "--resume" not in out
    run("train", "--resume", "--name=two", "--steps=44", *flags)  # by one process


@needs_gloo
@pytest.mark.slow
def test_torchs_own_launcher_does_too_and_all_have_the_seed_that_was_chosen(run, tale, tiny):
    flags = ["--dropout=0", "--json", *(flag for flag in tiny if not flag.startswith("--seed")), *PLAIN]
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "rnngen"]
    command = [sys.executable, *launcher, "train", str(tale), "--name=two", *flags]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    together = events(ran.stdout)
    alone = events(run("train", tale, "--name=one", f"--seed={together[0]['seed']}", *flags).out)
    curves = [[event["loss"] for event in told if "loss" in event] for told in (alone, together)]
    assert curves[1] == pytest.approx(curves[0], abs=1e-5)


@needs_gloo
@pytest.mark.slow
def test_a_mistake_is_named_once_and_has_its_own_status(spawn, place):
    status, out, err = ended(spawn("train", place / "none.txt", "--nproc=2"))
    assert (status, out) == (3, "")
    assert err.count("no such file") == err.count("error:") == 1


def test_standard_input_is_refused_before_anything_is_started(run):
    assert "put the text in a file" in run("train", "-", "--nproc=2", status=2).err


# ── stopped ────────────────────────────────────────────────────────────────────────────────────────────────


@needs_gloo
@needs_proc
@pytest.mark.slow
def test_an_interrupt_saves_and_says_how_to_go_on(run, long):
    started = workers(long.pid)
    long.send_signal(signal.SIGINT)
    status, out, err = ended(long)
    assert status == INTERRUPTED
    assert err.count("go on with: rnngen train --resume --name long") == 1
    last = events(out)[-1]
    assert (last["event"], last["reason"]) == ("finished", "interrupt")
    assert not any(map(is_running, started))
    step = last["step"] + 2
    told = events(run("train", "--resume", "--name=long", f"--steps={step}", "--json").out)
    assert (told[0]["step"], told[-1]["step"]) == (last["step"], step)


@needs_gloo
@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_others_and_leaves_the_model_whole(run, long, home, rank):
    started = workers(long.pid)
    assert len(started) == 2
    os.kill(started[rank], signal.SIGKILL)
    status, _, err = ended(long)
    assert status == 1
    assert f"process {rank} of 2 was ended by signal 9" in err
    assert "--resume" in err
    assert not any(map(is_running, started))
    read_model(home / "models" / "long")
    assert run("sample", "-m", "long", "-n", "5", "the").out


@needs_gloo
@needs_proc
@pytest.mark.slow
def test_processes_whose_launcher_is_killed_save_and_end(run, long, home):
    started = workers(long.pid)
    assert len(started) == 2
    long.kill()
    long.communicate()
    deadline = time.monotonic() + 60
    while any(map(is_running, started)):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    read_model(home / "models" / "long")
    assert not (home / "models" / ".long.lock").exists()
    assert run("sample", "-m", "long", "-n", "5", "the").out
