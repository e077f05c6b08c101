"""Losses are what a reading token by token gives, however the text is cut for speed."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import Chunk
from rnngen.data.batches import StreamBatches
from rnngen.data.token_store import TokenStore
from rnngen.evaluation import perplexity
from rnngen.evaluation.perplexity import Loss, LossEvaluator
from rnngen.inference.torch_model import TorchStep
from rnngen.nn.network import RecurrentNetwork
from rnngen.numerics import log_softmax
from rnngen.options.model import NetworkOptions

END = 256
TEXTS = ["the quick brown fox jumps over the lazy dog\n", "a", "xy", "天地玄黃,宇宙洪荒", "z" * 29]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    options = NetworkOptions(hidden=8, layers=2, dropout=0.5, learn_state=True)
    made = RecurrentNetwork(257, options, lambda i, h: LSTM(i, h, LSTMOptions()))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.uniform_(-0.5, 0.5)
    return made


@pytest.fixture
def store(tmp_path):
    return TokenStore.write(tmp_path, [Chunk(text, starts_document=True) for text in TEXTS], ByteTokenizer())


def nll(network, read, targets):
    """Summed over ``targets``, from a fresh state; ``read`` stands before them, one token each."""
    step = TorchStep(network)
    state, nats = step.start(1), 0.0
    for token, target in zip(read, targets, strict=True):
        logits, state = step(np.array([token]), state)
        nats -= float(log_softmax(logits)[0, target])
    return nats


def documents():
    return [list(text.encode()) for text in TEXTS]


def test_stream_loss_equals_brute_force(network, store):
    nats = sum(nll(network, [END, *d[:-1]], d) for d in documents())
    loss = LossEvaluator(network).stream(store, has_eos=False)
    assert loss.tokens == sum(map(len, documents()))
    assert loss.nats == pytest.approx(nats, rel=1e-5)


def test_loss_of_examples_counts_their_ends(network, store):
    nats = sum(nll(network, [END, *d], [*d, END]) for d in documents())
    for loss in (
        LossEvaluator(network).stream(store, has_eos=True),
        LossEvaluator(network).window(store, has_eos=True),
    ):
        assert loss.tokens == sum(len(d) + 1 for d in documents())
        assert loss.nats == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize("size", [1, 7, 16, 256])
def test_window_loss_equals_brute_force(network, store, size, monkeypatch):
    monkeypatch.setattr(perplexity, "WINDOW", size)
    nats, tokens = 0.0, 0
    for document in documents():
        for start in range(0, len(document) - 1, size):
            window = document[start : start + size + 1]
            nats += nll(network, window[:-1], window[1:])
            tokens += len(window) - 1
    loss = LossEvaluator(network).window(store, has_eos=False)
    assert loss.tokens == tokens
    assert loss.nats == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize("seq", [1, 7, 64, 1024])
def test_stream_loss_is_the_same_however_many_tokens_are_read_at_a_time(network, store, seq):
    whole = LossEvaluator(network).stream(store, has_eos=False)
    loss = LossEvaluator(network).stream(store, has_eos=False, seq=seq)
    assert loss.nats == pytest.approx(whole.nats, rel=1e-6)
    assert (loss.tokens, loss.chars_per_token) == (whole.tokens, whole.chars_per_token)


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_read_in_parts(network, store, monkeypatch):
    """Of three streams, whose states are carried."""
    whole = LossEvaluator(network).stream(store, has_eos=False, streams=3, seq=5)
    read, rows = network.nll, []

    def cramped(tokens, targets, state):
        rows.append(len(tokens))
        if len(tokens) > 1:
            raise MemoryError
        return read(tokens, targets, state)

    monkeypatch.setattr(network, "nll", cramped)
    found = LossEvaluator(network).stream(store, has_eos=False, streams=3, seq=5)
    assert found.nats == pytest.approx(whole.nats, rel=1e-6)
    assert (rows[:4], {*rows[4:]}) == ([3, 1, 2, 1], {1})


@pytest.mark.parametrize("budget", [1, 10, 100_000])
def test_window_loss_is_the_same_whatever_is_batched_together(network, store, budget, monkeypatch):
    whole = LossEvaluator(network).window(store, has_eos=False)
    monkeypatch.setattr(perplexity, "BUDGET", budget)
    assert LossEvaluator(network).window(store, has_eos=False).nats == pytest.approx(whole.nats, rel=1e-6)


def test_lanes_forget_only_where_they_begin(network, store):
    """Read in three stretches, the loss is the sum of three readings from a fresh state."""
    tokens = store.tokens.tolist()
    edges, starts = StreamBatches(store, 3, 8).edges.tolist(), store.starts.tolist()
    borders = sorted({*edges, *starts})
    nats = 0.0
    for start, stop in pairwise(borders):
        read, targets = tokens[start:stop], tokens[start + 1 : stop + 1]
        if targets[-1] == END:
            read, targets = read[:-1], targets[:-1]
        nats += nll(network, read, targets)
    loss = LossEvaluator(network).stream(store, has_eos=False, streams=3, seq=8)
    assert loss.nats == pytest.approx(nats, rel=1e-5)
    assert loss.tokens == sum(map(len, documents()))


def test_a_document_is_read_as_if_no_other_stood_before_it(network, tmp_path):
    def nats(*texts):
        chunks = [Chunk(text, starts_document=True) for text in texts]
        store = TokenStore.write(tmp_path / texts[0], chunks, ByteTokenizer())
        return LossEvaluator(network).stream(store, has_eos=False).nats

    assert nats("first", "second") == pytest.approx(nats("first") + nats("second"), rel=1e-5)


def test_the_beginning_of_a_text_is_a_text(network, store):
    """What is tried while training a long held-out text has the losses that it has in the whole."""
    tokens = store.tokens.tolist()
    for length in range(1, len(store) + 1):
        first = store.prefix(length)
        assert first.tokens.tolist() == ([*tokens[:length], END] if length < len(store) else tokens)
        assert [i for i, token in enumerate(first.tokens[:-1]) if token == END] == first.starts[:-1].tolist()
        assert first.starts[-1] == len(first) - 1
    nats = sum(nll(network, [END, *d[:-1]], d) for d in documents()[:3])
    three = store.prefix(int(store.starts[3]))
    assert LossEvaluator(network).stream(three, has_eos=False).nats == pytest.approx(nats, rel=1e-5)
    assert three.text_tokens == sum(map(len, documents()[:3]))


def test_the_network_keeps_its_mode(network, store):
    for mode in (True, False):
        network.train(mode)
        LossEvaluator(network).stream(store, has_eos=False)
        assert network.training is mode


def test_judging_draws_nothing(network, store):
    network.train()
    before = torch.get_rng_state()
    first = LossEvaluator(network).stream(store, has_eos=False)
    assert LossEvaluator(network).stream(store, has_eos=False) == first
    assert torch.equal(torch.get_rng_state(), before)


# ── units ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_losses_are_told_in_nats_bits_and_perplexity():
    told = Loss(nats=20.0, tokens=10, chars_per_token=4.0).as_json()
    assert told == {
        "nats_per_token": 2.0,
        "nats_per_char": 0.5,
        "bits_per_char": pytest.approx(0.5 / math.log(2)),
        "perplexity": pytest.approx(math.exp(2)),
    }


def test_a_loss_by_character_does_not_depend_on_what_a_token_is(network, store):
    """Nats per character are the nats over the characters, ends of examples included where they count."""
    free = LossEvaluator(network).stream(store, has_eos=False)
    assert free.nats_per_char == pytest.approx(free.nats / sum(map(len, TEXTS)))
    lines = LossEvaluator(network).stream(store, has_eos=True)
    assert lines.nats_per_char == pytest.approx(lines.nats / sum(len(text) + 1 for text in TEXTS))


def test_a_text_with_nothing_to_predict_has_no_loss(network, tmp_path):
    store = TokenStore.write(tmp_path, [Chunk("a", starts_document=True)], ByteTokenizer())
    loss = LossEvaluator(network).window(store, has_eos=False)
    assert loss.tokens == 0
    assert all(math.isnan(value) for value in loss.as_json().values())


def test_bf16_is_close_to_fp32(network, store):
    exact = LossEvaluator(network).stream(store, has_eos=False).nats_per_token
    rough = LossEvaluator(network, "bf16").stream(store, has_eos=False, seq=16).nats_per_token
    assert rough == pytest.approx(exact, rel=0.02)
