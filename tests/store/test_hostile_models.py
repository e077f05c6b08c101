"""Models whose digests are right and whose contents lie: refused in a line, before anything is built."""

import json
import os
from importlib.util import find_spec

import numpy as np
import pytest
from fixtures import SEED

from rnngen.api import Session, models
from rnngen.errors import ModelError, NotFoundError, PluginError, UsageError
from rnngen.generation.loading import LoadOptions
from rnngen.inference.ngram import Mixture, NGram
from rnngen.inference.ngram.mixture import ADAPTIVE_PRIOR, PRIOR
from rnngen.nn.build import load_network
from rnngen.registry import Registry
from rnngen.registry.components import restore
from rnngen.store import checkpoint
from rnngen.store.config import ModelConfig
from rnngen.store.model_folder import read_model

FOLDER = __file__.replace("store/test_hostile_models.py", "fixtures/models-0.2/")
KINDS = ["almanac-lstm", "places-rnn", "qinghe-gru", "dates"]


@pytest.fixture
def forge(tmp_path):
    """Return a function that writes a model in one file, changed and sealed again."""

    def made(kind, *, config=lambda values: None, weights=lambda arrays: None, tokenizer=lambda text: text):
        known = read_model(tmp_path.__class__(FOLDER + kind))
        values, arrays, text = json.loads(known.config.to_json()), dict(known.weights), known.tokenizer_json
        config(values)
        weights(arrays)
        text = tokenizer(text)
        seal = {"tokenizer_sha256": checkpoint.fingerprint(text)}
        try:
            identity = ModelConfig.from_json(values, "x").identity
            seal["config_sha256"] = checkpoint.fingerprint(identity)
        except ModelError:
            pass
        file = tmp_path / f"{kind}.safetensors"
        checkpoint.write_tensors(file, arrays, {"config": values, "tokenizer": text, **seal})
        return str(file)

    return made


def used(file, quantize=None):
    """Generate with a model, and build it in torch."""
    session = Session(Registry(), models())
    model = session.load(file, options=LoadOptions(quantize=quantize))
    source = {"source": "12 May"} if model.generator.reads_source else {}
    model.generate("a", length=3, seed=SEED, **source)


def evaluated(file):
    session = Session(Registry(), models())
    stored = session.read(file)
    load_network(restore(session.registry, "cell", stored.config.cell), stored, "cpu")


def put(*path, value):
    def change(values):
        for key in path[:-1]:
            values = values[key]
        values[path[-1]] = value

    change.__name__ = f"{'.'.join(path)}={value!r:.20}"
    return change


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("use", [used, evaluated])
@pytest.mark.parametrize(
    "change",
    [
        put("network", "hidden", value=200_000),
        put("network", "hidden", value=10**15),
        put("network", "hidden", value="16"),
        put("network", "hidden", value=16.0),
        put("network", "layers", value=900),
        put("network", "layers", value=10**9),
        put("network", "embed", value=13),
        put("network", "tied", value=1),
        put("vocabulary", value=5_000_000_000),
        put("vocabulary", value=2),
        put("vocabulary", value=True),
        put("training", "lr", value="0.1"),
        put("cell", "options", value={"forget_bias": [1.0]}),
        put("cell", "parts", value={"encoder": {"name": "lstm", "distribution": "rnngen", "version": "0"}}),
        put("corpus", "labels", value=[["a"]]),
        put("opening", value="\ud800"),
    ],
    ids=lambda change: change.__name__,
)
def test_a_configuration_that_lies_is_refused(forge, kind, use, change):
    with pytest.raises(ModelError):
        use(forge(kind, config=change))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("places-rnn", put("network", "tied", value=True)),
        ("places-rnn", put("network", "head", value="adaptive")),
        ("places-rnn", put("network", "head", value="mixture")),
        ("places-rnn", put("network", "learn_state", value=True)),
        ("qinghe-gru", put("network", "learn_state", value=False)),
        ("dates", put("network", "tied", value=True)),
        ("dates", put("cell", "options", "bridge", value="copy")),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("use", [used, evaluated])
def test_a_configuration_of_another_network_is_refused_by_every_use(forge, kind, use, change):
    with pytest.raises(ModelError):
        use(forge(kind, config=change))


@pytest.mark.parametrize(
    "name", ["os:system", "os", "../lstm", "subprocess.run", "rnngen.store.checkpoint:atomic"]
)
def test_a_part_is_a_registered_name_and_never_an_import(forge, name):
    with pytest.raises(PluginError, match="is installed and has none"):
        used(forge("almanac-lstm", config=put("cell", "name", value=name)))


def nan(arrays):
    arrays["head.bias"] = np.full_like(arrays["head.bias"], np.nan)


@pytest.mark.parametrize(
    "change",
    [
        nan,
        lambda arrays: arrays.pop("head.bias"),
        lambda arrays: arrays.update({"head.bias": arrays["head.bias"][:5]}),
        lambda arrays: arrays.update({"embedding.weight": arrays["embedding.weight"].T.copy()}),
        lambda arrays: arrays.update({"embedding.weight": arrays["embedding.weight"].astype(np.complex64)}),
        lambda arrays: arrays.update({"layers.7.weight": np.zeros(3, np.float32)}),
        lambda arrays: arrays.update({"seen": np.ones(3, np.uint8)}),
        lambda arrays: arrays.update({"alphabet": np.array([-1, 2**31 - 1])}),
        lambda arrays: arrays.update({"ngram.shape": np.array([2**40, 2**40, 1])}),
    ],
)
def test_tensors_that_do_not_fit_are_refused(forge, change):
    with pytest.raises(ModelError):
        used(forge("almanac-lstm", weights=change))


def last_of(name, value):
    def change(arrays):
        arrays[name] = np.append(arrays[name].astype(np.int64)[:-1], value)

    return change


FORMATS_HERE = [None, *(["int8"] if find_spec("numba") else [])]


@pytest.mark.parametrize("quantize", FORMATS_HERE)
@pytest.mark.parametrize(
    "change",
    [
        last_of("ngram.tokens", -(10**9)),
        last_of("ngram.successors", -1),
        last_of("ngram.counts", -5),
        lambda arrays: arrays.update({"ngram.tokens": arrays["ngram.tokens"].astype(np.float32)}),
        lambda arrays: arrays.update({"ngram.counts": arrays["ngram.counts"][:, None]}),
        lambda arrays: arrays["ngram.shape"].__setitem__(1, 10**10),
    ],
)
def test_an_ngram_that_lies_is_refused(forge, change, quantize):
    def beside(arrays):
        size = len(arrays["embedding.weight"])
        text = np.array([0, *[5, 6, 7, 8, 9, 10] * 9])
        ngram = NGram.count(text, size, 5, end=0, predicts_end=False, bytes_=1 << 16)
        arrays.update(Mixture(ngram, PRIOR, ADAPTIVE_PRIOR).tensors())

    used(forge("almanac-lstm", weights=beside), quantize)
    with pytest.raises(ModelError):
        used(forge("almanac-lstm", weights=lambda arrays: (beside(arrays), change(arrays))), quantize)


@pytest.mark.skipif(find_spec("numba") is None, reason="needs Numba")
@pytest.mark.parametrize(
    ("kind", "name"), [("almanac-lstm", "rnn.bias_hh_l0"), ("almanac-lstm", "memory.weight")]
)
def test_arrays_that_numpy_would_stretch_are_refused_before_compiled_code_reads_them(forge, kind, name):
    def shrink(arrays):
        place = f"layers.0.{name}"
        if place not in arrays:
            pytest.skip(f"this model has no {name}")
        arrays[place] = arrays[place][: 4 if "bias" in name else 1]

    with pytest.raises(ModelError):
        used(forge(kind, weights=shrink), "int8")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 5000,
        "null",
        '{"kind": "char"}',
        '{"kind": "char", "tokenizer": {"model": {"vocab": {"a": []}}}}',
        "\ud800",
    ],
)
def test_a_tokenizer_that_is_none_is_refused(forge, text):
    with pytest.raises(ModelError):
        used(forge("almanac-lstm", tokenizer=lambda _: text))


@pytest.mark.parametrize(
    "text", ['{"format": 1, "format": 1}', "[" * 900 + "]" * 900, '{"a":' * 70 + "1" + "}" * 70]
)
def test_json_that_programs_read_differently_or_not_at_all_is_refused(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json is damaged"):
        checkpoint.read_json(tmp_path / "config.json")


@pytest.mark.skipif(os.name != "posix", reason="there are no such files")
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_pipes_devices_and_links_out_of_the_folder_are_refused_at_once(tmp_path, name):
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(FOLDER + "almanac-lstm", folder)
    (folder / name).rename(tmp_path / "elsewhere")
    os.mkfifo(folder / name)
    with pytest.raises(ModelError, match="a pipe or a device"):
        read_model(folder)
    (folder / name).unlink()
    for target in ("/dev/zero", "../elsewhere"):
        (folder / name).symlink_to(target)
        with pytest.raises(ModelError, match="a link to what is not in the model"):
            read_model(folder)
        (folder / name).unlink()
    with pytest.raises((ModelError, NotFoundError), match="missing"):
        read_model(folder)


@pytest.mark.parametrize("quantize", FORMATS_HERE)
@pytest.mark.parametrize(
    "change",
    [
        lambda arrays, record: record.update(given=10**9),
        lambda arrays, record: record.update(
            rng={"bit_generator": "PCG64", "state": {"state": -1, "inc": 2**200}}
        ),
        lambda arrays, record: arrays.update({"state.0": np.zeros((1, 3), np.float32)}),
        lambda arrays, record: arrays.update({"state.1": np.zeros((1, 1), np.float32)}),
        lambda arrays, record: arrays.update({"state.0": arrays["state.0"] * np.nan}),
        lambda arrays, record: arrays.update(history=np.array([99999], np.int32)),
        lambda arrays, record: arrays.update(logits=np.zeros((1, 4, 1), np.float32)),
    ],
)
def test_a_saved_state_that_lies_is_refused(tmp_path, change, quantize):
    from rnngen.generation.prompts import Prompt
    from rnngen.generation.saved_state import SavedState, save_state

    session, file = Session(Registry(), models()), tmp_path / "x.state"
    model = session.load(FOLDER + "almanac-lstm", options=LoadOptions(quantize=quantize))
    decoder = session.decoder(model.generator, session.sample_request(length=5, seed=SEED))
    text, identity = decoder.begin(Prompt("The")), session.fingerprint(model)
    list(text.write(5))
    save_state(file, text, identity, decoder.filters)
    saved = SavedState.read(file)
    change(saved.arrays, saved.record)
    checkpoint.write_tensors(file, saved.arrays, saved.record)
    saved = SavedState.read(file)
    decoder = session.decoder(model.generator, session.sample_request(length=4, from_state=str(file)), saved)
    with pytest.raises((ModelError, UsageError)):
        list(decoder.resume(saved, identity).write(4))


def test_what_memory_did_not_suffice_for_is_told(monkeypatch, capsys):
    from rnngen.__main__ import main
    from rnngen.cli.commands import devices

    def starve(*_, **__):
        raise MemoryError("Unable to allocate 640. GiB for an array with shape (1,)")

    monkeypatch.setattr(devices.devices, "callback", starve)
    assert main(["devices"]) == 1
    said = capsys.readouterr().err
    assert "there is not enough memory for an array of 640. GiB; give" in said
    assert "bug" not in said
