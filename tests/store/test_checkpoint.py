"""A file on disk is whole, or it is the one before, or it is told to be damaged."""

import errno
import json
import os
import struct

import numpy as np
import pytest

from rnngen.errors import ModelError
from rnngen.store import checkpoint
from rnngen.store.checkpoint import (
    atomic,
    read_json,
    read_tensors,
    write_tensors,
    write_text,
)

TENSORS = {
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "scalar": np.array(7.5, np.float32),
    "nothing": np.zeros((0, 4), np.float32),
    "bytes": np.arange(5, dtype=np.uint8),
    "ids": np.array([[-1, 2**60]], np.int64),
    "turned": np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4)),
}
RECORD = {"name": "天 \u2028", "best": float("inf"), "list": [1, None, True], "deep": {"x": 0.1}}


class Killed(BaseException):
    """Stands for a process that is no more: what it would have done next is not done either."""


# ── tensors ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def file(tmp_path):
    write_tensors(tmp_path / "model.safetensors", TENSORS, RECORD)
    return tmp_path / "model.safetensors"


def test_tensors_come_back_as_they_went_in(file):
    tensors, record = read_tensors(file)
    assert record == RECORD
    assert tensors.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert tensors[name].dtype == array.dtype
        assert tensors[name].shape == array.shape
        assert (tensors[name] == array).all()


def test_the_same_tensors_and_record_are_the_same_bytes(file, tmp_path):
    write_tensors(tmp_path / "again", dict(reversed(TENSORS.items())), dict(reversed(RECORD.items())))
    assert (tmp_path / "again").read_bytes() == file.read_bytes()


def test_any_one_byte_changed_is_noticed(file):
    whole = file.read_bytes()
    for place in range(len(whole)):
        for byte in {0, 255, whole[place] ^ 1, ord('"')} - {whole[place]}:
            file.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
            with pytest.raises(ModelError, match=r"model\.safetensors"):
                read_tensors(file)


def test_a_file_cut_short_anywhere_is_noticed(file):
    whole = file.read_bytes()
    for length in range(len(whole)):
        file.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model\.safetensors is damaged"):
            read_tensors(file)


def test_a_tensor_that_was_swapped_for_another_is_noticed(file):
    """Both are sound safetensors; only the seal tells."""
    from safetensors import safe_open
    from safetensors.numpy import save

    with safe_open(file, "numpy") as opened:
        sealed = opened.metadata()
    for changed in (
        {**TENSORS, "matrix": TENSORS["matrix"] + 1},
        {**TENSORS, "matrix": TENSORS["matrix"].T.copy()},
        {**TENSORS, "matrix": TENSORS["matrix"].view(np.int32)},
        {**TENSORS, "more": TENSORS["matrix"]},
        {name: array for name, array in TENSORS.items() if name != "scalar"},
    ):
        file.write_bytes(save({k: np.ascontiguousarray(v) for k, v in changed.items()}, sealed))
        with pytest.raises(ModelError, match="was changed after it was written"):
            read_tensors(file)


@pytest.mark.parametrize("kind", ["F32", "BF16", "F8_E4M3"])
def test_a_strangers_safetensors_is_no_model(tmp_path, kind):
    size = {"F32": 4, "BF16": 2, "F8_E4M3": 1}[kind]
    header = json.dumps({"a": {"dtype": kind, "shape": [1], "data_offsets": [0, size]}}).encode()
    file = tmp_path / "foreign.safetensors"
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(ModelError, match=r"foreign\.safetensors is a safetensors file, but no rnngen model"):
        read_tensors(file)


def test_a_missing_file_is_named(tmp_path):
    for read in (read_tensors, read_json):
        with pytest.raises(ModelError, match="nowhere is missing"):
            read(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b"1", b"null", b"\xff\xfe", b"[" * 100_000, b'{"a": 1}x', b"\x00" * 10]
)
def test_what_is_no_json_object_is_damaged(tmp_path, text):
    (tmp_path / "config.json").write_bytes(text)
    with pytest.raises(ModelError, match=r"config\.json is damaged"):
        read_json(tmp_path / "config.json")


# ── atomic writes ──────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new folder" / "text"
    write_text(path, "first\r\n天")
    assert path.read_bytes() == "first\r\n天".encode()
    with atomic(path) as file:
        file.write(b"second")
        assert path.read_bytes() == "first\r\n天".encode()
    assert path.read_bytes() == b"second"
    assert [entry.name for entry in path.parent.iterdir()] == ["text"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, OSError])
def test_a_write_that_fails_leaves_what_was_there_and_no_rubbish(tmp_path, error):
    path = tmp_path / "text"
    write_text(path, "first")

    def fail():
        with atomic(path) as file:
            file.write(b"half of")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_told_with_the_files_own_name(tmp_path, monkeypatch, call):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OSError, match="No space left") as caught:
        write_text(tmp_path / "text", "x")
    monkeypatch.undo()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "text"))
    assert list(tmp_path.iterdir()) == []


def test_bytes_are_on_the_disk_before_the_name_is_theirs(tmp_path, monkeypatch):
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)

        def record(*args, real=real, name=name):
            calls.append(name)
            return real(*args)

        monkeypatch.setattr(os, name, record)
    write_text(tmp_path / "text", "x")
    assert calls == ["fsync", "replace", "fsync"]


def test_fingerprints_tell_texts_apart():
    assert checkpoint.fingerprint("a") == checkpoint.fingerprint("a") != checkpoint.fingerprint("b")
