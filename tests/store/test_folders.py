"""A folder takes another's place at one instant, and what killed processes leave is swept."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from rnngen.errors import ModelError, RnngenError
from rnngen.store import folders
from rnngen.store.folders import recover, replace_folder, set_aside


class Killed(BaseException):
    """Stands for a process that is no more: what it would have done next is not done either."""


def folder(path, text):
    path.mkdir()
    (path / "text").write_text(text)
    return path


@pytest.fixture
def without_exchange(monkeypatch):
    """A system that cannot exchange two folders in one step."""
    monkeypatch.setattr(folders, "exchange", lambda *_: False)


def test_a_folder_takes_anothers_place(tmp_path):
    target = tmp_path / "model"
    replace_folder(folder(tmp_path / ".one", "one"), target)
    replace_folder(folder(tmp_path / ".two", "two"), target)
    assert (target / "text").read_text() == "two"
    assert list(tmp_path.iterdir()) == [target]


def test_a_replacement_that_fails_leaves_the_older_folder(tmp_path, monkeypatch, without_exchange):
    target, new = folder(tmp_path / "model", "old"), folder(tmp_path / ".new", "new")
    real = Path.rename

    def refuse(path, destination):
        if path == new:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, destination)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="No space left"):
        replace_folder(new, target)
    assert (target / "text").read_text() == "old"
    assert set(tmp_path.iterdir()) == {target, new}


@pytest.mark.parametrize("exchange", [folders.exchange, lambda *_: False], ids=["at once", "in two steps"])
@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4, 5, 100])
def test_a_process_killed_while_replacing_leaves_one_folder_or_the_other(
    tmp_path, monkeypatch, calls, exchange
):
    monkeypatch.setattr(folders, "exchange", exchange)
    target, new = folder(tmp_path / "model", "old"), folder(tmp_path / ".new", "new")
    left = [calls]

    def mortal(real):
        def call(*args, **kwargs):
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            return real(*args, **kwargs)

        return call

    with monkeypatch.context() as patched:
        for name in ("rename", "unlink", "rmdir", "fsync"):
            patched.setattr(os, name, mortal(getattr(os, name)))
        with contextlib.suppress(Killed):
            replace_folder(new, target)
    for cut_short in set_aside(tmp_path):
        recover(cut_short)
    assert (target / "text").read_text() in ("old", "new")
    assert set_aside(tmp_path) == []
    if calls == 100:
        assert (target / "text").read_text() == "new"


def test_what_was_set_aside_is_not_taken_for_a_model_once_it_is_replaced(tmp_path):
    target = folder(tmp_path / "model", "new")
    folder(tmp_path / ".model.old", "half deleted")
    recover(target)
    assert (target / "text").read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_recovering_nothing_does_nothing(tmp_path):
    recover(tmp_path / "model")
    assert set_aside(tmp_path) == set_aside(tmp_path / "nowhere") == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs renameat2")
def test_a_reader_meets_one_folder_or_the_other_at_every_instant(tmp_path):
    target = folder(tmp_path / "model", "0")
    done, missed, met = threading.Event(), [], set()

    def read():
        while not done.is_set():
            try:
                met.add(folders.settled(target, (target / "text").read_text))
            except OSError as error:
                missed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(1, 300):
        replace_folder(folder(tmp_path / ".new", str(number)), target)
    done.set()
    reader.join()
    assert missed == []
    assert met <= {str(number) for number in range(300)}


def test_a_link_is_replaced_and_what_it_leads_to_left_alone(tmp_path):
    real = folder(tmp_path / "elsewhere", "precious")
    (tmp_path / "model").symlink_to(real)
    replace_folder(folder(tmp_path / ".new", "new"), tmp_path / "model")
    assert (tmp_path / "model" / "text").read_text() == "new"
    assert (real / "text").read_text() == "precious"
    assert set(tmp_path.iterdir()) == {real, tmp_path / "model"}


def test_a_read_is_done_again_where_the_folder_was_exchanged_meanwhile(tmp_path):
    target, seen = folder(tmp_path / "model", "old"), []

    def read():
        seen.append((target / "text").read_text())
        if len(seen) == 1:
            replace_folder(folder(tmp_path / ".new", "new"), target)
            raise ModelError("half of the one and half of the other")
        return seen[-1]

    assert folders.settled(target, read) == "new"
    with pytest.raises(ModelError, match="half"):
        folders.settled(target, lambda: (_ for _ in ()).throw(ModelError("half")))


# ── names and leftovers ────────────────────────────────────────────────────────────────────────────────────

HOLDER = """
import sys, time
from pathlib import Path
from rnngen.errors import ModelError, RnngenError
from rnngen.store import folders
with folders.claimed(Path(sys.argv[1]), "training"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def another(tmp_path):
    """Another process that has the name ``model`` to itself."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "model"], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_name_is_had_by_one_process_and_free_once_that_is_killed(tmp_path, another):
    target = tmp_path / "model"
    for attempt in (lambda: folders.check_free(target), folders.claimed(target, "training").__enter__):
        with pytest.raises(RnngenError, match=f"process {another.pid} is training the model 'model'"):
            attempt()
    folders.check_free(tmp_path / "other")
    another.kill()
    another.wait()
    assert (tmp_path / ".model.lock").exists()
    folders.check_free(target)
    with folders.claimed(target, "training"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"\xff\x1b]0;", b"-1 x", b"1" * 999])
def test_the_file_of_a_lock_may_hold_anything(tmp_path, another, content):
    (tmp_path / ".model.lock").write_bytes(content)
    with pytest.raises(RnngenError) as caught:
        folders.check_free(tmp_path / "model")
    assert str(caught.value).isprintable()


def test_what_dead_processes_left_is_swept_and_nothing_else(tmp_path, another):
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    dead = process.pid
    folder(tmp_path / "other", "whole")
    swept = [f".other.new-{dead}", f".gone.removed-{dead}", f".a.b.copy-{dead}"]
    kept = [f".model.new-{dead}", f".other.new-{another.pid}", ".other.ensemble", "other", ".other.new-x"]
    for name in {*swept, *kept} - {"other"}:
        folder(tmp_path / name, "text")
    (tmp_path / "other" / f".model.safetensors.{dead}.tmp").touch()
    (tmp_path / f".default.{dead}.tmp").touch()
    (tmp_path / ".gone.lock").touch()
    folders.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*kept, ".model.lock"}
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["text"]


def test_what_another_process_is_replacing_is_not_mended(tmp_path, another):
    folder(tmp_path / ".model.old", "old")
    folders.mend(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    another.kill()
    another.wait()
    folders.mend(tmp_path / "model")
    assert (tmp_path / "model" / "text").read_text() == "old"
