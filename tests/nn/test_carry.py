"""A state that grows, or counts, goes through training, resuming, beams and saved states like any other."""

import json
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from rnngen import hookimpl
from rnngen.api import Session
from rnngen.contracts import AttentionSpec, CellSpec
from rnngen.data.batches import Batch
from rnngen.decoding.sampler import Sampler
from rnngen.errors import OptionError, PluginError, UsageError
from rnngen.generation.onnx import graph
from rnngen.generation.prompts import Prompt
from rnngen.generation.saved_state import ResumableGeneration, SavedState, save_state
from rnngen.nn.loss import batch_loss, initial_states
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import NetworkOptions
from rnngen.registry import Distribution, Registry
from rnngen.registry.components import restore
from rnngen.requests.train import TrainRequest
from rnngen.store.model_folder import ModelStore
from rnngen.testing import check_network

LIMIT = 12


class Forgetless(nn.Module):
    """Causal attention over all before; its state: keys and values (B,t,2H), how many count (B,)."""

    def __init__(self, input_size, hidden_size, options):
        super().__init__()
        self.hidden = hidden_size
        self.project, self.out = nn.Linear(input_size, 3 * hidden_size), nn.Linear(hidden_size, hidden_size)

    def initial_state(self, batch):
        weight = self.out.weight
        return weight.new_zeros(batch, 0, 2 * self.hidden), weight.new_zeros(batch, dtype=torch.int64)

    def forward(self, x, state):
        cache, counted = state
        q, kv = self.project(x).split([self.hidden, 2 * self.hidden], -1)
        past, cache = cache.shape[1], torch.cat([cache, kv], 1)
        here = torch.arange(cache.shape[1], device=x.device)
        seen = (here <= past + torch.arange(x.shape[1], device=x.device)[:, None])[None]
        seen = seen & (here >= past - counted[:, None])[:, None]
        keys, values = cache.chunk(2, -1)
        y = scaled_dot_product_attention(q, keys.to(q), values.to(q), attn_mask=seen)
        return self.out(y), (cache, counted + x.shape[1])


class Cached(Forgetless):
    """The same, bounded."""

    def carry(self, state, reset):
        cache, counted = state
        cache = cache[:, -LIMIT:]
        return cache, torch.where(reset, 0, counted.clamp(max=cache.shape[1]))


class Clock(nn.Module):
    """A layer whose state counts, in integers, beside what it sums up."""

    def __init__(self, input_size, hidden_size, options):
        super().__init__()
        self.x = nn.Linear(input_size, hidden_size)

    def initial_state(self, batch):
        return self.x.weight.new_zeros(batch, self.x.out_features), torch.zeros(batch, 1, dtype=torch.int32)

    def forward(self, x, state):
        (h, ticks), outputs = state, []
        for xt in self.x(x).unbind(1):
            h = 0.5 * h + torch.tanh(xt)
            outputs.append(h)
        return torch.stack(outputs, 1), (h, ticks + x.shape[1])


def cells():
    return [CellSpec(name=c.__name__.lower(), summary="x", load=f"{__name__}:{c.__name__}") for c in CELLS]


CELLS = (Cached, Forgetless, Clock)
PLUGIN = types.SimpleNamespace(rnngen_cells=hookimpl(cells))


@pytest.fixture
def session(tmp_path):
    return Session(Registry(plugins=[(Distribution("grown", "1"), PLUGIN)]), ModelStore(tmp_path / "models"))


@pytest.fixture
def request_to_train(tmp_path):
    corpus = tmp_path / "sea.txt"
    corpus.write_text("the sea, the sky, and the sand between them. " * 60)
    sizes = {"hidden": 8, "layers": 2, "batch": 4, "seq": 8, "seed": 1, "device": "cpu", "ngram": "none"}

    def make(cell="cached", **given):
        return TrainRequest.of(str(corpus), cell=cell, **{**sizes, "steps": 12, "evaluations": 2, **given})

    return make


def train(session, request, stop=lambda: False):
    return list(session.train(session.plan(request), stop))


def network(layer, **options):
    torch.manual_seed(0)
    sizes = NetworkOptions(hidden=8, layers=1, dropout=0.0, **options)
    return RecurrentNetwork(11, sizes, lambda i, h: layer(i, h, None))


def batch(reset, time=5):
    rows = np.random.default_rng(0).integers(11, size=(len(reset), time))
    return Batch(rows, rows, np.array(reset), None)


@pytest.mark.slow
def test_a_cache_that_grows_trains_on_free_text_and_generates_in_every_way(
    session, request_to_train, tmp_path
):
    assert train(session, request_to_train())[-1].reason == "budget"
    model = session.load("sea")
    texts = model.generate("the", length=30, seed=1, count=3)
    assert texts[0] == model.generate("the", length=30, seed=1)
    assert len(model.generate("the", length=20, beam=3)) > 0
    assert "dynamic" in json.dumps(model.evaluate(dynamic=True).as_json())


@pytest.mark.slow
def test_a_text_goes_on_from_a_file_with_all_of_its_cache_as_if_it_had_never_stopped(
    session, request_to_train, tmp_path
):
    train(session, request_to_train())
    generator, path = session.load("sea").generator, tmp_path / "sea.state"
    sampler = Sampler(generator.model, [])

    def begun():
        given = generator.prefill(Prompt("the "))
        state = sampler.start(given, [np.random.default_rng(3)])
        return ResumableGeneration(sampler, state, generator.tokenizers.target, len(given.histories[0]))

    whole, first = "".join(begun().write(60)), begun()
    shown = "".join(first.write(20))
    for _ in range(2):  # a state that was read is saved and read again
        save_state(path, first, "sea", ())
        first = SavedState.read(path).resume(generator, sampler, model="sea", filters=())
        shown += "".join(first.write(20))
    assert shown == whole
    kept = [array.shape for array in SavedState.read(path).arrays.values() if array.ndim == 3]
    assert kept == [(1, len(first.state.histories[0]) - 21, 16)] * 2, "what was read is kept, the last 20 not"


@pytest.mark.slow
def test_a_step_whose_state_grows_is_no_graph_in_onnx(session, request_to_train):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed (rnngen[onnx])")
    train(session, request_to_train())
    stored = session.read("sea")
    cell = restore(session.registry, "cell", stored.config.cell)
    with pytest.raises(UsageError, match="sea: the state of its cell grows with the text"):
        graph(session.load("sea").generator, stored, cell, "sea")


@pytest.mark.slow
def test_a_run_with_a_cache_is_resumed_to_the_same_bytes(session, request_to_train):
    train(session, request_to_train(name="whole"))
    asked = iter([False] * 5 + [True])
    train(session, request_to_train(name="broken"), lambda: next(asked, False))
    train(session, request_to_train(name="broken", resume=True))
    whole, broken = (session.read(name).weights for name in ("whole", "broken"))
    assert all((whole[name] == broken[name]).all() for name in whole)


@pytest.mark.slow
def test_the_gradient_is_accumulated_over_parts_whose_rows_begin_anew_at_different_places(
    session, request_to_train
):
    assert train(session, request_to_train(accumulate=4))[-1].reason == "budget"


def test_what_came_before_a_fresh_row_is_hidden_from_it_and_the_rest_is_cut():
    net = network(Cached).eval()
    _, state = batch_loss(net, batch([True, True], 9), None, "fp32")
    _, state = batch_loss(net, batch([False, False], 9), state, "fp32")
    before = initial_states(net, batch([False, True]), state)
    assert [tuple(array.shape) for array in before] == [(2, LIMIT, 16), (2,)]
    assert before[1].tolist() == [LIMIT, 0]
    tokens = torch.from_numpy(batch([False, True]).inputs)
    fresh, kept = net(tokens, net.start(2))[0], net(tokens, before)[0]
    torch.testing.assert_close(kept[1], fresh[1])
    assert not torch.allclose(kept[0], fresh[0])


def test_a_state_that_grows_without_a_limit_is_told(session, request_to_train):
    with pytest.raises(PluginError, match=r"Forgetless: array 0 .* from \(B, 0, 16\) to .*carry\(state"):
        train(session, request_to_train("forgetless", steps=40))


def test_integers_stay_integers():
    net = network(Clock, learn_state=True)
    _, state = batch_loss(net, batch([True, True]), None, "bf16")
    _, state = batch_loss(net, batch([False, True]), state, "bf16")
    assert [array.dtype for array in state] == [torch.float32, torch.int32]
    assert state[1].tolist() == [[10], [5]]
    assert [one.requires_grad for one in net.initial] == [True, False]


def test_a_clock_trains_with_a_learnt_state(session, request_to_train):
    assert train(session, request_to_train("clock", learn_state=True))[-1].reason == "budget"
    assert len(session.load("sea").generate("the", length=20, include_prompt=False)) == 20


def test_pairs_are_learnt_with_states_that_grow_or_count_but_those_that_grow_are_not_copied():
    seq2seq = Registry().find("cell", "seq2seq").spec
    parts = [*cells(), *Registry().specs(AttentionSpec)]
    check_network(seq2seq, *parts, encoder="cached", decoder="clock")
    check_network(seq2seq, *parts, encoder="clock", decoder="cached")
    with pytest.raises(UsageError, match="bridge=copy needs states of one shape"):
        check_network(seq2seq, *parts, encoder="cached", decoder="cached", bridge="copy")


def test_a_state_with_a_carry_is_not_learnt():
    with pytest.raises(OptionError, match="learn_state"):
        network(Cached, learn_state=True)
