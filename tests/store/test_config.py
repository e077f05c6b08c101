"""What a model is made of comes back from its JSON, or is told to be damaged."""

import json

import pytest

from rnngen.errors import ModelError
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.registry.components import ComponentRecord
from rnngen.store.config import FORMAT, CorpusRecord, ModelConfig

PLACE = "home/config.json"


def component(name):
    return ComponentRecord(name, "rnngen-mine", "1.2", {"key": "天", "number": 0.5, "none": None})


@pytest.fixture
def config():
    corpus = CorpusRecord(
        ("/a", "/b"), "f" * 64, 100, 90, 0.1, True, ("/v",), "e" * 64, reader_options={"field": "x"}
    )
    parts = map(component, ("lstm", "char", "continue"))
    network, training = NetworkOptions(hidden=8), TrainingOptions(seed=5, steps=7)
    return ModelConfig(*parts, network, training, corpus, vocabulary=300, default_prompt="\n", rnngen="0.1")


def test_a_config_comes_back_as_it_went_out(config):
    values = json.loads(config.to_json())
    assert ModelConfig.from_json(values, PLACE) == config
    assert values["format"] == FORMAT
    assert "天" in config.to_json()


def test_a_part_is_found_again_by_its_distribution():
    assert component("lstm").qualified == "rnngen-mine/lstm"


def test_a_newer_format_asks_for_an_upgrade(config):
    values = {**json.loads(config.to_json()), "format": FORMAT + 1, "rnngen": "9.9", "more": "than we know"}
    with pytest.raises(ModelError, match=r"home/config\.json has format 2, from rnngen 9\.9.*pip install -U"):
        ModelConfig.from_json(values, PLACE)


JUNK = [None, 1, -1, 0.5, "text", [], {}, [1], {"a": 1}, True]


def paths(value, path=()):
    yield path
    for key, below in value.items() if isinstance(value, dict) else ():
        yield from paths(below, (*path, key))


def changed(values, path, junk):
    copy = json.loads(json.dumps(values))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = junk
    return copy


def test_junk_anywhere_is_a_model_error_or_a_config(config):
    """Whatever a person edits into the file, no other error comes out of reading it."""
    values = json.loads(config.to_json())
    for path in paths(values):
        for junk in JUNK if path else ():
            try:
                read = ModelConfig.from_json(changed(values, path, junk), PLACE)
            except ModelError as error:
                assert PLACE in str(error)  # noqa: PT017 - most junk is refused, some is fine
            else:
                assert isinstance(read, ModelConfig)


@pytest.mark.parametrize("key", ["cell", "tokenizer", "task", "network", "training", "corpus", "vocabulary"])
def test_a_missing_entry_is_damage(config, key):
    values = json.loads(config.to_json())
    del values[key]
    with pytest.raises(ModelError, match=rf"config\.json is damaged.*{key}"):
        ModelConfig.from_json(values, PLACE)


def test_an_entry_too_many_is_damage(config):
    with pytest.raises(ModelError, match=r"damaged.*surplus"):
        ModelConfig.from_json({**json.loads(config.to_json()), "surplus": 1}, PLACE)


@pytest.mark.parametrize(
    "change",
    [
        {"cell": component("gru")},
        {"tokenizer": component("word")},
        {"task": component("lines")},
        {"network": NetworkOptions(hidden=9)},
        {"network": NetworkOptions(hidden=8, head="adaptive")},
        {"network": NetworkOptions(hidden=8, head="mixture")},
        {"vocabulary": 301},
        {"default_prompt": ""},
    ],
)
def test_weights_belong_to_parts_and_sizes(config, change):
    assert config.replace(**change).identity != config.identity


def test_models_from_before_there_were_other_output_layers_are_the_same_models(config):
    values = json.loads(config.to_json())
    for key in ("head", "mixture"):
        del values["network"][key]
    read = ModelConfig.from_json(values, PLACE)
    assert read == config
    assert sorted(json.loads(read.identity)["network"]) == sorted(values["network"])


@pytest.mark.parametrize("change", [{"training": TrainingOptions(steps=99)}, {"rnngen": "0.2"}])
def test_weights_do_not_depend_on_how_long_or_with_what_they_were_trained(config, change):
    assert config.replace(**change).identity == config.identity


# ── what the options refuse ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [
        {"hidden": 0},
        {"layers": 0},
        {"embed": 0},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": float("nan")},
        {"mixture": 0, "head": "mixture"},
        {"head": "adaptive", "tied": True},
    ],
)
def test_impossible_sizes_are_refused_by_name(options):
    with pytest.raises(ValueError, match=rf"^{next(iter(options))}="):
        NetworkOptions(**options)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("seq", [0, -1]),
        ("batch", [0]),
        ("evaluations", [0]),
        ("lr", [0, -1, float("inf"), float("nan")]),
        ("warmup", [1.0, -0.1, float("nan")]),
        ("clip", [-1, float("nan")]),
        ("weight_decay", [-1]),
        ("l1", [-1]),
        ("patience", [-1]),
        ("epochs", [0, -1, float("inf"), float("nan")]),
        ("steps", [0, -1]),
        ("minutes", [0, float("inf"), float("nan")]),
        ("seed", [-1, 2**63]),
    ],
)
def test_impossible_training_is_refused_by_name(name, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"^{name}="):
            TrainingOptions(**{name: value})


@pytest.mark.parametrize("pair", [("steps", "epochs"), ("steps", "minutes"), ("epochs", "minutes")])
def test_one_budget_is_enough(pair):
    with pytest.raises(ValueError, match="different budgets"):
        TrainingOptions(**dict.fromkeys(pair, 1))
