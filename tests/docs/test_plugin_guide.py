"""The plugins in the guide work as they stand there."""

import re
import sys

import pytest

from rnngen.cli.commands.help import guide

GUIDE = guide("plugins")[1]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Writes a package that the guide shows, as a reader would type it; returns its folder."""

    def write(name):
        blocks = re.findall(rf"```python\n# ({name}/\S+\.py)\n(.*?)```", GUIDE, re.DOTALL)
        assert len(blocks) == 2
        for path, text in blocks:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        return tmp_path

    yield write
    for name in [name for name in sys.modules if name.startswith(("rnngen_mgu", "rnngen_lipogram"))]:
        del sys.modules[name]


@pytest.fixture
def mgu(package):
    return package("rnngen_mgu")


def test_the_cell_in_the_guide_passes_its_own_test(mgu):
    source = re.search(r"```python\n(def test_mgu.*?)```", GUIDE, re.DOTALL)
    names: dict = {}
    exec(source[1], names)
    names["test_mgu"]()


def test_the_cell_in_the_guide_trains_and_generates(mgu, tmp_path):
    import rnngen_mgu

    from rnngen.api import Session
    from rnngen.registry import Distribution, Registry
    from rnngen.requests.train import TrainRequest
    from rnngen.store.model_folder import ModelStore

    corpus = tmp_path / "corpus.txt"
    corpus.write_text("the sea, the sky, and the sand between them. " * 40)
    registry = Registry(plugins=[(Distribution("rnngen-mgu", "0.1"), rnngen_mgu)])
    session = Session(registry, ModelStore(tmp_path / "models"))
    request = TrainRequest.of(
        str(corpus), cell="mgu", hidden=16, steps=4, batch=2, seq=16, seed=1, device="cpu"
    )
    events = list(session.train(session.plan(request)))
    assert events[-1].reason == "budget"
    import numpy as np

    writer = session.writer(session.read("corpus"))
    assert len("".join(writer.write("the", rng=np.random.default_rng(0), length=20))) == 20
