"""What README.md shows is what works."""

import re
import sys
from pathlib import Path

import pytest

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def mgu(tmp_path, monkeypatch):
    """The package that README.md shows, as a reader would type it."""
    blocks = re.findall(r"```python\n# (rnngen_mgu/\S+\.py)[^\n]*\n(.*?)```", README, re.DOTALL)
    assert [name for name, _ in blocks] == ["rnngen_mgu/__init__.py", "rnngen_mgu/layer.py"]
    for name, text in blocks:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("rnngen_mgu")]:
        del sys.modules[name]


def test_the_plugin_in_the_readme_passes_its_own_test(mgu):
    source = re.search(r"```python\n(def test_mgu.*?)```", README, re.DOTALL)
    names: dict = {}
    exec(source[1], names)
    names["test_mgu"]()


def test_the_plugin_in_the_readme_trains_and_generates(mgu, tmp_path):
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


def test_every_command_in_the_readme_exists():
    from rnngen.cli.app import COMMANDS

    used = set(
        re.findall(
            r"(?<![\w-])rnngen ([a-z]+)\b", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
        )
    )
    assert used <= set(COMMANDS)


def test_the_picture_of_the_house_is_the_house():
    """Every file and folder of the picture exists, and every package of rnngen is in it."""
    root = Path(__file__).parent.parent
    picture = README.split("    rnngen/\n", 1)[1].split("    plugins/", 1)[0]
    drawn = set(re.findall(r"^ {6}(\w+(?:\.py|/)) ", picture, re.MULTILINE))
    assert all((root / "rnngen" / name).exists() for name in drawn)
    there = {
        path.name + "/" * path.is_dir()
        for path in (root / "rnngen").iterdir()
        if not path.name.startswith("_") and path.name != "py.typed"
    }
    assert there == drawn
