"""A session of its own for each test, and a corpus small enough to train on in a blink."""

import pytest

from rnngen.engine.models import ModelStore
from rnngen.registry import Registry
from rnngen.session import Session
from rnngen.session.runs import Request

WORDS = ("the sun", "a star", "we", "sing of", "love", "and", "night", "day", "until", "dawn", "a rose")
STAGES = {
    "network": {"hidden", "layers", "embed", "dropout", "tied", "learn_state", "head", "mixture"},
    "parts": {"cell", "task", "tokenizer", "vocab_size"},
    "text": {"val", "val_fraction", "encoding", "field"},
}
SMALL = {
    "hidden": 8,
    "dropout": 0.0,
    "batch": 4,
    "seq": 8,
    "steps": 12,
    "evaluations": 4,
    "lr": 0.01,
    "seed": 1,
    "precision": "fp32",
    "device": "cpu",
}


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks are slower on several."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def session(tmp_path):
    """With the built-ins alone."""
    return Session(Registry(), ModelStore(tmp_path / "models"))


@pytest.fixture
def corpus(tmp_path):
    """Some 600 characters of verse."""
    path = tmp_path / "verse.txt"
    lines = [" ".join(WORDS[(i * i + j * 3) % len(WORDS)] for j in range(7)) for i in range(16)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def ask(corpus):
    """Builds a request: sizes and training options by name, the rest as ``Request`` has it."""

    def request(path=corpus, /, **given):
        stages = {name: {} for name in (*STAGES, "training")}
        rest = {key: given.pop(key) for key in Request.__dataclass_fields__ if key in given}
        for key, value in {**SMALL, **given}.items():
            stage = next((name for name, keys in STAGES.items() if key in keys), "training")
            stages[stage][key] = value
        return Request(corpus=[str(path)] if path else [], **stages, **rest)

    return request


@pytest.fixture
def train(session, ask):
    """Trains to the end, and gives the events."""

    def run(*path, stop=lambda: False, listeners=(), **given):
        return list(session.train(session.plan(ask(*path, **given)), stop, listeners))

    return run
