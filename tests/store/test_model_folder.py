"""A model is read whole or not at all, and found by its name alone."""

import json
import os
import shutil
import threading

import numpy as np
import pytest

from rnngen.errors import ModelError, NotFoundError, UsageError
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry.components import ComponentRecord
from rnngen.store import folders
from rnngen.store.config import CorpusRecord, ModelConfig
from rnngen.store.model_folder import (
    CONFIG,
    METRICS,
    TOKENIZER,
    WEIGHTS,
    ModelStore,
    export,
    last_evaluation,
    read_metrics,
    read_model,
    write_weights,
)

MATRIX = np.arange(6, dtype=np.float32).reshape(2, 3)


def config_of(hidden=8):
    parts = [ComponentRecord(name, "rnngen", "0.1") for name in ("lstm", "char", "continue")]
    corpus = CorpusRecord(("/corpus",), "f" * 64, 100, 90, 0.1, own_vocabulary=True)
    return ModelConfig(
        *parts, NetworkOptions(hidden=hidden), TrainingOptions(seed=1), corpus, 300, "\n", rnngen="0.1"
    )


def write(folder, *, hidden=8, tokenizer='{"天": 1}', matrix=MATRIX):
    folder.mkdir(parents=True)
    config = config_of(hidden)
    (folder / CONFIG).write_text(config.to_json(), encoding="utf-8")
    (folder / TOKENIZER).write_text(tokenizer, encoding="utf-8")
    write_weights(folder, {"matrix": matrix}, config, tokenizer)
    return folder


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def folder(store):
    return write(store.root / "verse")


# ── reading ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_model_comes_back_as_it_went_out(folder):
    model = read_model(folder)
    assert (model.path, model.config, model.tokenizer_json) == (folder, config_of(), '{"天": 1}')
    assert (model.weights["matrix"] == MATRIX).all()


def test_a_model_in_one_file_is_the_same_model(folder, tmp_path):
    export(read_model(folder), tmp_path / "one.safetensors")
    packed, unpacked = read_model(tmp_path / "one.safetensors"), read_model(folder)
    assert (packed.config, packed.tokenizer_json) == (unpacked.config.shared(), unpacked.tokenizer_json)
    assert (packed.weights["matrix"] == MATRIX).all()
    export(packed, tmp_path / "two.safetensors")
    assert (tmp_path / "two.safetensors").read_bytes() == (tmp_path / "one.safetensors").read_bytes()


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER, WEIGHTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match=rf"{name} is missing"):
        read_model(folder)


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER, WEIGHTS])
def test_a_file_cut_short_is_named(folder, name):
    path = folder / name
    for length in range(0, path.stat().st_size, 41):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(ModelError, match=name):
            read_model(folder)
        shutil.rmtree(folder)
        write(folder)


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER, WEIGHTS])
def test_a_file_of_another_model_is_named(folder, tmp_path, name):
    other = write(tmp_path / "other", hidden=9, tokenizer='{"地": 1}', matrix=MATRIX + 1)
    shutil.copy(other / name, folder / name)
    with pytest.raises(ModelError, match=name):
        read_model(folder)


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER, WEIGHTS])
def test_a_file_that_is_not_text_or_tensors_is_named(folder, name):
    (folder / name).write_bytes(b"\xff\xfe\x00 no such thing")
    with pytest.raises(ModelError, match=name):
        read_model(folder)


def test_an_edited_size_is_noticed(folder):
    text = (folder / CONFIG).read_text(encoding="utf-8")
    (folder / CONFIG).write_text(text.replace('"hidden": 8', '"hidden": 16'), encoding="utf-8")
    with pytest.raises(ModelError, match=r"config\.json does not belong to model\.safetensors"):
        read_model(folder)


def test_a_newer_format_asks_for_an_upgrade(folder):
    text = (folder / CONFIG).read_text(encoding="utf-8")
    (folder / CONFIG).write_text(text.replace('"format": 1', '"format": 2'), encoding="utf-8")
    with pytest.raises(ModelError, match="upgrade with pip install -U rnngen"):
        read_model(folder)


def test_weights_alone_are_no_model(folder):
    with pytest.raises(ModelError, match="weights alone; give the model's folder or export it"):
        read_model(folder / WEIGHTS)


@pytest.mark.parametrize("content", [b"", b"text", b"\x00" * 100])
def test_any_other_file_is_no_model(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.safetensors is damaged"):
        read_model(tmp_path / "x.safetensors")


# ── finding ────────────────────────────────────────────────────────────────────────────────────────────────


def test_models_are_found_by_name_and_by_path(store, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store.find("verse") == folder
    assert store.find(str(folder)) == folder
    assert store.find("./models/verse").resolve() == folder
    (tmp_path / "x.safetensors").touch()
    assert str(store.find("x.safetensors")) == "x.safetensors"


def test_a_misspelt_name_is_answered_with_the_closest(store, folder):
    with pytest.raises(NotFoundError, match="unknown model 'vers'; did you mean 'verse'"):
        store.find("vers")


def test_a_path_to_nothing_is_told(store, folder):
    for name in ("./nowhere", "models/verse/more", "gone.safetensors"):
        with pytest.raises(NotFoundError, match="no such file or folder"):
            store.find(name)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_cannot_be_a_name_finds_nothing(store, folder, name):
    with pytest.raises((UsageError, NotFoundError), match="model"):
        store.find(name)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "/a", "a\\b", "a\0b"])
def test_no_model_gets_a_name_that_leads_elsewhere(store, name):
    with pytest.raises(UsageError, match="model name"):
        store.path(name)


def test_names_in_any_script_will_do(store):
    assert store.path("天地 玄.黃").parent == store.root


def test_names_are_those_of_whole_models_in_order(store):
    for name in ("b", "a", ".a.new-1", "天"):
        write(store.root / name)
    (store.root / "empty").mkdir()
    (store.root / "file").touch()
    assert store.names() == ["a", "b", "天"]
    assert ModelStore(store.root / "nowhere").names() == []


def test_the_model_trained_last_is_the_one_whose_weights_are_newest(store):
    for age, name in enumerate(["newest", "older", "oldest"]):
        path = write(store.root / name) / WEIGHTS
        os.utime(path, (1_000_000 - age, 1_000_000 - age))
    assert store.find(None) == store.root / "newest"


def test_a_path_with_a_dot_is_opened(store, folder, tmp_path, monkeypatch):
    """Its ``Path`` prints as a name, so that a second look-up would miss it."""
    shutil.copytree(folder, tmp_path / "here")
    monkeypatch.chdir(tmp_path)
    assert store.open("./here").config == store.open("verse").config == config_of()
    with pytest.raises(NotFoundError):
        store.open(str(store.open("./here").path))


def test_without_any_model_one_is_told_how_to_make_one(store):
    (store.root / "begun").mkdir(parents=True)
    with pytest.raises(NotFoundError, match="rnngen train CORPUS"):
        store.find(None)


def test_a_replacement_cut_short_is_undone_when_a_model_is_looked_for(store):
    for look in (store.names, lambda: store.find("verse"), lambda: store.path("verse")):
        write(store.root / ".verse.old")
        look()
        assert read_model(store.root / "verse").config == config_of()
        assert store.names() == ["verse"]
        shutil.rmtree(store.root)


# ── removing and copying ───────────────────────────────────────────────────────────────────────────────────


def test_a_removed_model_is_gone(store, folder):
    store.remove("verse")
    assert store.names() == []
    assert list(store.root.iterdir()) == []
    with pytest.raises(NotFoundError):
        store.remove("verse")


def test_a_removed_model_does_not_come_back(store, folder):
    write(store.root / ".verse.old")
    store.remove("verse")
    assert store.names() == []


def test_a_link_to_a_model_is_removed_and_not_the_model(store, tmp_path):
    real = write(tmp_path / "elsewhere" / "verse")
    store.root.mkdir()
    (store.root / "verse").symlink_to(real)
    assert store.open("verse").config == config_of()
    store.remove("verse")
    assert list(store.root.iterdir()) == []
    assert read_model(real).config == config_of()


def test_a_model_that_is_replaced_meanwhile_is_read_whole(store, folder):
    done, met, failed = threading.Event(), set(), []

    def read():
        while not done.is_set():
            try:
                met.add(store.open("verse").config.network.hidden)
            except (ModelError, NotFoundError) as error:
                failed.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(100):
        new = write(store.root / ".verse.new-1", hidden=9 if number % 2 else 8, matrix=MATRIX + number)
        folders.replace_folder(new, folder)
    done.set()
    reader.join()
    assert failed == []
    assert met == {8, 9}


@pytest.mark.parametrize("name", [".", "./precious", "x.safetensors"])
def test_only_models_are_removed_whatever_lies_about(store, folder, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "precious").mkdir()
    (tmp_path / "x.safetensors").touch()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="is a path"):
        store.remove(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_copy_is_a_model_of_its_own(store, folder):
    copied = store.copy("verse", "again")
    shutil.rmtree(folder)
    assert (read_model(copied).weights["matrix"] == MATRIX).all()
    assert store.names() == ["again"]


def test_a_copy_overwrites_nothing(store, folder):
    with pytest.raises(UsageError, match="there is a model 'verse' already"):
        store.copy("verse", "verse")
    with pytest.raises(UsageError, match="model name"):
        store.copy("verse", "../verse")


# ── metrics ────────────────────────────────────────────────────────────────────────────────────────────────


def row(step, loss, best):
    return json.dumps({"step": step, "val_nats_per_char": loss, "best": best}) + "\n"


def test_the_last_best_evaluation_is_that_of_the_weights(folder):
    assert last_evaluation(folder) is None
    (folder / METRICS).write_text(row(1, 3.0, True) + row(2, 2.0, True) + row(3, 2.5, False))
    assert last_evaluation(folder) == 2.0
    (folder / METRICS).write_text((folder / METRICS).read_text() + "\n")  # as an editor leaves it
    assert [r["step"] for r in read_metrics(folder)] == [1, 2, 3]


@pytest.mark.parametrize("content", [b"{", b"[]\n", b'{"best": true}\n', b"\xff\n"])
def test_damaged_metrics_are_named_and_spoil_no_listing(folder, content):
    (folder / METRICS).write_bytes(row(1, 3.0, True).encode() + content)
    with pytest.raises(ModelError, match=r"metrics\.jsonl is damaged"):
        read_metrics(folder)
    assert last_evaluation(folder) is None
