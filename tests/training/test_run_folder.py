"""Whatever goes wrong while a run is saved, a whole model is there, and it can be gone on with."""

import errno
import io
import json
import os
import shutil

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.events import Saved
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry.components import ComponentRecord
from rnngen.store.config import CorpusRecord, ModelConfig
from rnngen.store.model_folder import METRICS, TRAINING, WEIGHTS, ModelStore, read_metrics, read_model
from rnngen.training.run_folder import RunFolder
from rnngen.training.trainer import MetricsRow, Progress

SEEN = np.ones(4, np.uint8)


class Killed(BaseException):
    """Stands for a process that is no more."""


class Disk:
    """Counts the calls that change the disk, and fails at one of them.

    A disk that is full fails once, with an error that the program sees; a process that is killed does nothing
    any more from there on. Writes fail half-way.
    """

    CALLS = ("replace", "rename", "fsync", "unlink", "rmdir", "mkdir")

    def __init__(self, monkeypatch, failing=-1, *, kills=False):
        self.calls, self.failing, self.kills = 0, failing, kills
        for name in self.CALLS:
            monkeypatch.setattr(os, name, self.guarded(getattr(os, name)))
        real = io.open
        monkeypatch.setattr(io, "open", lambda *a, **k: self.opened(real, *a, **k))

    def fails(self):
        self.calls += 1
        if self.calls == self.failing or (self.kills and 0 <= self.failing < self.calls):
            return Killed() if self.kills else OSError(errno.ENOSPC, "No space left on device")
        return None

    def guarded(self, real):
        def call(*args, **kwargs):
            if error := self.fails():
                raise error
            return real(*args, **kwargs)

        return call

    def opened(self, real, path, mode="r", *args, **kwargs):
        if "w" not in mode:
            return real(path, mode, *args, **kwargs)
        if error := self.fails():
            raise error
        file = real(path, mode, *args, **kwargs)
        return Halved(file, self)


class Halved:
    """A file whose writes may fail half-way."""

    def __init__(self, file, disk):
        self.file, self.disk = file, disk

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        if error := self.disk.fails():
            self.file.write(content[: len(content) // 2])
            raise error
        return self.file.write(content)

    def __getattr__(self, name):
        return getattr(self.file, name)


class Run:
    """As much of a trainer as saving sees. Its tensors say whose they are and of which step."""

    def __init__(self, label, step):
        self.label, self.progress, self.tokens_per_second = label, Progress(step=step), 1.0

    def weights(self):
        return {"network": np.array([self.label, self.progress.step], np.float32)}

    def beside(self):
        return {}

    def snapshot(self):
        return {"whole": np.array([self.label, self.progress.step])}, {
            "progress": {"step": self.progress.step}
        }

    def evaluation(self, *, best=True):
        return MetricsRow(self.progress.step, 0.5, 0.1, 2.0, 1.5, 1.5, best)


def config_of(hidden):
    parts = [ComponentRecord(name, "rnngen", "0.1") for name in ("lstm", "char", "continue")]
    corpus = CorpusRecord(("/corpus",), "f" * 64, 100, 90, 0.1, own_vocabulary=True)
    return ModelConfig(
        *parts, NetworkOptions(hidden=hidden), TrainingOptions(seed=1), corpus, 4, "\n", rnngen="0.1"
    )


def folder_of(store, label):
    return RunFolder(store.path("verse"), config_of(label), f'{{"label": {label}}}', {"seen": SEEN})


def save(folder, run, *, best=True):
    return list(folder.save(run, run.evaluation(best=best)))


def begin(store, label, step=1):
    folder = folder_of(store, label)
    folder.begin()
    save(folder, Run(label, step))
    return folder


def stored(store):
    """Whose model there is, of which step, and of which step one would go on."""
    weights = read_model(store.find("verse")).weights["network"].tolist()
    resuming = folder_of(store, int(weights[0]))
    tensors, record = resuming.load()
    assert tensors["whole"].tolist() == [weights[0], record["progress"]["step"]]
    assert all(row["step"] <= record["progress"]["step"] for row in read_metrics(resuming.target))
    return (*map(int, weights), record["progress"]["step"])


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


# ── what is saved when ─────────────────────────────────────────────────────────────────────────────────────


def test_a_new_run_takes_its_place_with_its_first_save(store):
    folder = folder_of(store, 8)
    folder.begin()
    assert store.names() == []
    events = save(folder, Run(8, 1))
    assert store.names() == ["verse"]
    assert events == [Saved(1, str(folder.target / name)) for name in (WEIGHTS, TRAINING)]
    assert [path.name for path in store.root.iterdir()] == ["verse"]


def test_only_better_weights_replace_those_that_are_kept(store):
    folder = begin(store, 8)
    save(folder, Run(8, 2), best=False)
    assert stored(store) == (8, 1, 2)
    save(folder, Run(8, 3))
    assert stored(store) == (8, 3, 3)


def test_a_run_stopped_before_its_first_evaluation_is_a_model_already(store):
    folder = folder_of(store, 8)
    folder.begin()
    list(folder.save(Run(8, 1), None))
    assert stored(store) == (8, 1, 1)
    list(folder.save(Run(8, 2), None))
    assert stored(store) == (8, 1, 2)


def test_an_older_model_is_there_until_the_new_one_has_saved(store):
    begin(store, 8, step=5)
    folder = folder_of(store, 9)
    folder.begin()
    assert stored(store) == (8, 5, 5)
    save(folder, Run(9, 1))
    assert stored(store) == (9, 1, 1)
    assert [path.name for path in store.root.iterdir()] == ["verse"]


def test_an_abandoned_run_leaves_what_was_there(store):
    begin(store, 8, step=5)
    folder = folder_of(store, 9)
    folder.begin()
    folder.abandon()
    assert stored(store) == (8, 5, 5)
    assert [path.name for path in store.root.iterdir()] == ["verse"]


def test_a_run_that_has_saved_is_not_abandoned(store):
    begin(store, 8).abandon()
    assert stored(store) == (8, 1, 1)


def test_evaluations_after_the_state_that_is_gone_on_with_are_forgotten(store):
    folder = begin(store, 8)
    with (folder.target / METRICS).open("a") as file:
        file.write(Run(8, 2).evaluation().as_line())
    folder.load()
    lines = (folder.target / METRICS).read_text()
    assert lines == Run(8, 1).evaluation().as_line()


def test_every_evaluation_is_a_line_of_json(store):
    folder = begin(store, 8)
    save(folder, Run(8, 2), best=False)
    rows = [json.loads(line) for line in (folder.target / METRICS).read_text().splitlines()]
    assert [(row["step"], row["best"]) for row in rows] == [(1, True), (2, False)]


# ── damage ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", WEIGHTS, TRAINING])
def test_a_run_with_a_missing_file_does_not_go_on(store, name):
    folder = begin(store, 8)
    (folder.target / name).unlink()
    with pytest.raises(ModelError, match=rf"{name} is missing"):
        folder_of(store, 8).load()


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", WEIGHTS, TRAINING, METRICS])
def test_a_run_with_a_damaged_file_does_not_go_on(store, name):
    path = begin(store, 8).target / name
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ModelError, match=name):
        folder_of(store, 8).load()


# ── faults ─────────────────────────────────────────────────────────────────────────────────────────────────


def go_on(store):
    """A run that is resumed, evaluated, and finished."""
    folder = folder_of(store, 8)
    folder.load()
    folder.write_config()
    save(folder, Run(8, 2))
    folder.write_card("# verse")


def start(store):
    """A new run, in the place of another or of none."""
    folder = folder_of(store, 9)
    try:
        folder.begin()
        save(folder, Run(9, 1))
    finally:
        folder.abandon()


SCENES = {
    "going on": (lambda store: begin(store, 8), go_on, {(8, 1, 1), (8, 2, 1), (8, 2, 2)}),
    "replacing": (lambda store: begin(store, 8, step=5), start, {(8, 5, 5), (9, 1, 1)}),
    "starting": (lambda store: None, start, {None, (9, 1, 1)}),
}


def calls_of(tmp_path, scene):
    prepare, act, _ = SCENES[scene]
    store = ModelStore(tmp_path / "counted")
    prepare(store)
    with pytest.MonkeyPatch.context() as patched:
        disk = Disk(patched)
        act(store)
    return disk.calls


@pytest.mark.slow
@pytest.mark.parametrize("kills", [False, True], ids=["full", "killed"])
@pytest.mark.parametrize("scene", SCENES)
def test_a_fault_at_any_call_leaves_a_model_that_can_be_gone_on_with(tmp_path, scene, kills):
    prepare, act, allowed = SCENES[scene]
    calls, seen = calls_of(tmp_path, scene), set()
    assert calls > 15
    for failing in range(1, calls + 1):
        store = ModelStore(tmp_path / str(failing))
        prepare(store)
        error = None
        with pytest.MonkeyPatch.context() as patched:
            Disk(patched, failing, kills=kills)
            try:
                act(store)
            except (OSError, Killed) as raised:
                error = raised
        assert (type(error) is Killed) is kills
        seen.add(stored(store) if store.names() else None)
        if not kills:
            assert [path.name for path in store.root.rglob(".*")] == [], "an error leaves no rubbish"
        act(store)
        assert stored(store)[:2] in ((8, 2), (9, 1))
        shutil.rmtree(store.root)
    assert seen <= allowed
    assert len(seen) > 1


def test_a_full_disk_is_told_by_the_file_that_did_not_fit(tmp_path):
    store = ModelStore(tmp_path / "models")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Disk, "CALLS", ())
        Disk(patched, failing=2)  # the first file is opened, and written
        with pytest.raises(OSError, match="No space left") as caught:
            start(store)
    assert str(caught.value.filename).endswith(".json")
    assert caught.value.errno == errno.ENOSPC
