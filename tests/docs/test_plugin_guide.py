"""The plugins in the guide work as they stand there."""

import re
import sys
from importlib import import_module

import pytest

from rnngen.api import Session
from rnngen.cli.commands.help import guide
from rnngen.registry import Distribution, Registry
from rnngen.requests.train import TrainRequest
from rnngen.store.model_folder import ModelStore

GUIDE = guide("plugins")[1]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a package that the guide shows, as a reader would type it; returns its module of hooks."""
    written = []

    def write(name):
        blocks = re.findall(rf"```python\n# ({name}/\S+\.py)\n(.*?)```", GUIDE, re.DOTALL)
        assert len(blocks) == 2
        for path, text in blocks:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        written.append(name)
        return import_module(name)

    yield write
    for module in [module for module in sys.modules if module.partition(".")[0] in written]:
        del sys.modules[module]


@pytest.fixture
def model(tmp_path):
    """Trains a model with a plugin installed; what is given are further options of the training."""

    def train(plugin, **options):
        corpus = tmp_path / "corpus.txt"
        corpus.write_text("the sea, the sky, and the sand between them. " * 40)
        registry = Registry(plugins=[(Distribution(plugin.__name__, "0.1"), plugin)])
        session = Session(registry, ModelStore(tmp_path / "models"))
        request = TrainRequest.of(
            str(corpus), hidden=16, steps=4, batch=2, seq=16, seed=1, device="cpu", **options
        )
        events = list(session.train(session.plan(request)))
        assert events[-1].reason == "budget"
        return session.load("corpus")

    return train


def test_the_cell_in_the_guide_passes_its_own_test(package):
    package("rnngen_mgu")
    source = re.search(r"```python\n(def test_mgu.*?)```", GUIDE, re.DOTALL)
    names: dict = {}
    exec(source[1], names)
    names["test_mgu"]()


def test_the_cell_in_the_guide_trains_and_generates(package, model):
    trained = model(package("rnngen_mgu"), cell="mgu")
    assert len(trained.generate("the", include_prompt=False, length=20, seed=0)) == 20


def test_the_filter_in_the_guide_has_a_flag_and_does_what_it_says(package, model):
    trained = model(package("rnngen_lipogram"))
    text = trained.generate("the", include_prompt=False, length=200, seed=0, lipogram="et")
    assert len(text) == 200
    assert not {"e", "t"} & set(text)
    assert {"e", "t"} & set(trained.generate("the", include_prompt=False, length=200, seed=0))


def test_the_strategy_in_the_guide_has_a_flag_and_becomes_greedy(package, model):
    trained = model(package("rnngen_cooling"))
    texts = trained.generate("the", include_prompt=False, length=80, seed=0, cooling=5, count=2)
    assert [len(text) for text in texts] == [80, 80]
    assert texts[0] != texts[1]
    options = {"include_prompt": False, "seed": 1, "length": 80}
    assert trained.generate("the", strategy="cooling;tokens=5", **options) == trained.generate(
        "the", cooling=5, **options
    )
