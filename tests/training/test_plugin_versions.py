"""A model across versions of its plugin: upgraded where the plugin says how, and told where it does not."""

import types
from dataclasses import replace

import pytest
import torch
from torch import nn

from rnngen import hookimpl
from rnngen.api import Session
from rnngen.contracts import CellSpec, NetworkSpec
from rnngen.errors import ModelError, RnngenError, UsageError
from rnngen.registry import Distribution, Registry
from rnngen.requests.conflicts import ConflictError
from rnngen.requests.train import TrainRequest
from rnngen.store.model_folder import ModelStore
from rnngen.testing import check_network


class Older(nn.Module):
    """A plain recurrence, whose matrices have names that are given up later."""

    names = ("inward", "onward")

    def __init__(self, input_size, hidden_size, options):
        super().__init__()
        sizes = (input_size, hidden_size)
        for name, size in zip(self.names, sizes, strict=True):
            setattr(self, name, nn.Linear(size, hidden_size))

    def initial_state(self, batch):
        own = getattr(self, self.names[1])
        return (own.weight.new_zeros(batch, own.in_features),)

    def forward(self, x, state):
        (h,), outputs = state, []
        inward, onward = (getattr(self, name) for name in self.names)
        for xt in inward(x).unbind(1):
            h = torch.tanh(xt + onward(h))
            outputs.append(h)
        return torch.stack(outputs, 1), (h,)


class Newer(Older):
    names = ("x", "h")


def upgrade(options, weights, version):
    assert version == "1"
    renamed = {name.replace("inward", "x").replace("onward", "h"): array for name, array in weights.items()}
    return options, renamed


class Windows(nn.Module):
    """A whole network without a source: the last two tokens, embedded, and a head."""

    fixed = 0

    def __init__(self, blueprint, modules, options):
        super().__init__()
        self.embedding = nn.Embedding(blueprint.vocabulary, blueprint.embed)
        self.mix = nn.Linear(2 * blueprint.embed, blueprint.hidden)
        self.head = modules.head(blueprint.hidden)

    def start(self, about):
        return (self.embedding.weight.new_zeros(about, self.embedding.embedding_dim),)

    def _features(self, tokens, state):
        x = torch.cat([state[0][:, None], self.embedding(tokens)], 1)
        return torch.tanh(self.mix(torch.cat([x[:, :-1], x[:, 1:]], -1))), (x[:, -1],)

    def forward(self, tokens, state):
        x, after = self._features(tokens, state)
        return self.head(x), after

    def nll(self, tokens, targets, state):
        x, after = self._features(tokens, state)
        return self.head.nll(x, targets), after

    def attended(self, state):
        return None


class Pieces(Windows):
    """One that counts the bytes of its tokens, and refuses long ones."""

    def __init__(self, blueprint, modules, options):
        super().__init__(blueprint, modules, options)
        self.register_buffer("sizes", torch.zeros(blueprint.vocabulary))

    def set_pieces(self, target, source):
        if max(map(len, target)) > 1:
            raise ValueError("long tokens; use `tokenizer=byte`")
        assert target == source
        self.sizes.copy_(torch.tensor([len(piece) for piece in target]))


def cell(made, **more):
    return CellSpec(name="mine", summary="x", load=f"{__name__}:{made.__name__}", **more)


WINDOWS = NetworkSpec(name="windows", summary="x", load=f"{__name__}:Windows", reads_source=False)


@pytest.fixture
def session(tmp_path):
    def make(spec, version="1"):
        plugin = types.SimpleNamespace(rnngen_cells=hookimpl(lambda: [spec]))
        return Session(Registry([(Distribution("acme", version), plugin)]), ModelStore(tmp_path / "models"))

    return make


@pytest.fixture
def ask(tmp_path):
    (tmp_path / "sea.txt").write_text("the sea, the sky, and the sand between them.\nsand and sea\n" * 40)

    def request(**given):
        sizes = {"hidden": 8, "steps": 4, "batch": 2, "seq": 8, "seed": 1, "ngram": "none", "device": "cpu"}
        return TrainRequest.of(str(tmp_path / "sea.txt"), **{**sizes, "cell": "mine", **given})

    return request


def train(session, request):
    return list(session.train(session.plan(request)))


@pytest.mark.slow
def test_a_model_is_upgraded_to_the_names_that_weights_have_now(session, ask):
    old = session(cell(Older))
    train(old, ask())
    written = old.load("sea").generate("the", length=20, seed=1)
    new = session(cell(Newer, upgrade=f"{__name__}:upgrade"), "2")
    assert new.load("sea").generate("the", length=20, seed=1) == written
    assert new.load("sea").evaluate().losses["stream"] == old.load("sea").evaluate().losses["stream"]
    train(new, tuned(ask))
    assert new.read("tuned").config.cell.version == "2"
    with pytest.raises(ModelError, match="begun with acme 1, and 2 makes other weights"):
        new.plan(TrainRequest.of(name="sea", resume=True))


def tuned(ask):
    sizes = {"steps": 2, "batch": 2, "seq": 8, "device": "cpu"}
    return TrainRequest.of(*ask().corpus, init_from="sea", name="tuned", **sizes)


def test_weights_of_other_names_are_told_and_no_bug(session, ask):
    train(session(cell(Older)), ask())
    new = session(cell(Newer), "2")
    with pytest.raises(ModelError, match="do not fit"):
        new.load("sea")
    with pytest.raises(RnngenError):
        train(new, TrainRequest.of(name="sea", resume=True))


def test_a_whole_network_without_a_source_trains_resumes_and_generates(session, ask):
    here = session(WINDOWS)
    assert train(here, ask(cell="windows"))[-1].reason == "budget"
    assert len(here.load("sea").generate("the", length=20, include_prompt=False)) == 20
    assert here.load("sea").generate("the", beam=2, length=10)
    train(here, ask(cell="windows", task="lines", name="lines"))
    with pytest.raises(ConflictError, match="weight_drop"):
        here.checked(ask(cell="windows", weight_drop=0.1))


def test_a_whole_network_without_a_source_passes_its_suite():
    check_network(WINDOWS)


@pytest.mark.slow
def test_a_network_that_asks_for_the_bytes_of_its_tokens_has_them_when_it_trains_and_ever_after(session, ask):
    made = session(replace(WINDOWS, name="mine", load=f"{__name__}:Pieces"))
    train(made, ask())
    kept = made.read("sea").weights["sizes"]
    assert kept.tolist() == [len(piece) for piece in made.load("sea").generator.tokenizers.target.pieces]
    train(made, tuned(ask))
    assert made.read("tuned").weights["sizes"].tolist() == kept.tolist()
    with pytest.raises(UsageError, match="long tokens; use tokenizer=byte"):
        train(made, ask(tokenizer="bpe", vocab_size=260, name="long"))
