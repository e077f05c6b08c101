"""Dynamic evaluation scores before it learns, follows its formulas, and leaves the network as it was."""

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import IGNORE, Chunk
from rnngen.data.batches import segment_batches
from rnngen.data.token_store import TokenStore
from rnngen.evaluation import dynamic
from rnngen.evaluation.dynamic import DynamicUpdate, dynamic_loss
from rnngen.evaluation.perplexity import LossEvaluator
from rnngen.nn.loss import batch_loss
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import EvaluationOptions, NetworkOptions

TEXTS = ["so much depends upon a red wheel barrow " * 4, "glazed with rain water", "x"]
END = 256


@pytest.fixture
def network():
    torch.manual_seed(0)
    options = NetworkOptions(hidden=8, layers=2, dropout=0.5, tied=True, learn_state=True)
    return RecurrentNetwork(257, options, lambda i, h: LSTM(i, h, LSTMOptions()))


@pytest.fixture
def store(tmp_path):
    return TokenStore.write(tmp_path, [Chunk(text, starts_document=True) for text in TEXTS], ByteTokenizer())


def options(**given):
    return EvaluationOptions(**{"dynamic_segment": 8, "dynamic_lr": 0.01, "dynamic_decay": 0.05, **given})


def by_hand(network, rule, lr, decay, size):
    """Documents read in pieces, each scored, then learnt from: parameter by parameter, in plain torch."""
    made = RecurrentNetwork(
        257,
        NetworkOptions(hidden=8, layers=2, dropout=0.0, tied=True, learn_state=True),
        lambda i, h: LSTM(i, h, LSTMOptions()),
    )
    made.load_state_dict(network.state_dict())
    home = [p.detach().clone() for p in made.parameters()]
    sums, moves, nats = [torch.zeros_like(p) for p in home], 0, 0.0
    for text in TEXTS:
        ids = [END, *text.encode()]
        state = made.start(1)
        for start in range(0, len(ids) - 1, size):
            piece = torch.tensor([ids[start : start + size + 1]])
            logits, state = made(piece[:, :-1], state)
            state = tuple(array.detach() for array in state)
            loss = torch.nn.functional.cross_entropy(logits[0], piece[0, 1:])
            nats += loss.item() * (piece.shape[1] - 1)
            gradients = torch.autograd.grad(loss, list(made.parameters()), allow_unused=True)
            moves += 1
            with torch.no_grad():
                for p, g, h, s in zip(made.parameters(), gradients, home, sums, strict=True):
                    g = torch.zeros_like(p) if g is None else g  # noqa: PLW2901
                    s += g**2  # noqa: PLW2901
                    root = (s / moves).sqrt()
                    if rule == "sgd":
                        p += decay * (h - p) - lr * g  # noqa: PLW2901
                    else:
                        back = (decay * root / (root.mean() + 1e-10)).clamp(max=1)
                        p += back * (h - p) - lr * g / (root + 1e-5)  # noqa: PLW2901
    return nats


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["sgd", "rms"])
@pytest.mark.parametrize("size", [5, 8, 1000])
def test_it_is_the_loop_that_one_would_write_by_hand(network, store, rule, size):
    loss = dynamic_loss(
        network, store, has_eos=False, options=options(dynamic_rule=rule, dynamic_segment=size)
    )
    assert loss.tokens == sum(map(len, TEXTS))
    assert loss.nats == pytest.approx(by_hand(network, rule, 0.01, 0.05, size), rel=1e-4)


@pytest.mark.parametrize("has_eos", [False, True])
def test_every_token_is_scored_before_the_weights_see_it(network, store, has_eos, monkeypatch):
    """A text whose end is another has the same losses up to there."""

    def losses(texts):
        told = []

        def spy(*args, **kwargs):
            loss, state = batch_loss(*args, **kwargs)
            told.append((args[1].targets, loss.item(), [p.sum().item() for p in network.parameters()]))
            return loss, state

        monkeypatch.setattr(dynamic, "batch_loss", spy)
        dynamic_loss(network, texts, has_eos=has_eos, options=options())
        monkeypatch.setattr(dynamic, "batch_loss", batch_loss)
        return told

    told = losses(store)
    weights = [now for _, _, now in told]
    assert weights[0] == [p.sum().item() for p in network.parameters()]  # those of the model itself
    assert len({tuple(now) for now in weights}) >= 3
    changed = store.tokens.copy()
    changed[-3] = 7  # in the last segment
    other = losses(TokenStore(changed, store.starts, store.chars, store.vocabulary))
    same = [np.array_equal(a, b) for (a, *_), (b, *_) in zip(told, other, strict=True)]
    assert not same[-1] or not same[-2]
    for (_, mine, now), (_, theirs, then), unchanged in zip(told, other, same, strict=True):
        if not unchanged:
            assert now == then  # weights that scored what differs did not know of it
            assert mine != theirs
            break
        assert (mine, now) == (theirs, then)


@pytest.mark.parametrize("has_eos", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_as_it_was(network, store, has_eos, training):
    network.train(training)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    dynamic_loss(network, store, has_eos=has_eos, options=options())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert {m.training for m in network.modules()} == {training}


def test_the_network_is_as_it_was_after_a_failure(network, store, monkeypatch):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    calls = iter(range(3))
    monkeypatch.setattr(DynamicUpdate, "step", lambda self: self.parameters[0].data.add_(next(calls)))
    with pytest.raises(StopIteration):
        dynamic_loss(network, store, has_eos=False, options=options())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("has_eos", [False, True])
def test_with_a_rate_of_nothing_it_is_the_stream(network, store, has_eos):
    loss = dynamic_loss(
        network, store, has_eos=has_eos, options=options(dynamic_lr=1e-30, dynamic_rule="sgd")
    )
    stream = LossEvaluator(network).stream(store, has_eos=has_eos)
    assert loss.nats == pytest.approx(stream.nats, rel=1e-6)
    assert (loss.tokens, loss.chars_per_token) == (stream.tokens, stream.chars_per_token)


@pytest.mark.parametrize("rule", ["sgd", "rms"])
def test_on_a_text_that_repeats_itself_it_is_better(network, store, rule):
    stream = LossEvaluator(network).stream(store, has_eos=False)
    rate = 0.3 if rule == "sgd" else 0.01
    loss = dynamic_loss(network, store, has_eos=False, options=options(dynamic_rule=rule, dynamic_lr=rate))
    assert loss.nats < 0.95 * stream.nats


@pytest.mark.parametrize("size", [1, 25, 40, 10_000])
def test_examples_are_read_whole_in_order_and_once(store, size):
    read = [
        [int(t) for t in row if t != IGNORE]
        for batch in segment_batches(store, size, has_eos=True)
        for row in batch.targets
    ]
    assert read == [[*text.encode(), END] for text in TEXTS]


def test_the_decay_leads_home():
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    update = DynamicUpdate([weight], "sgd", 0.1, 0.25)
    with torch.no_grad():
        weight.copy_(torch.tensor([5.0, 2.0]))
    update.step()
    assert weight.tolist() == [4.0, 2.0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dynamic_segment": 0}, "dynamic_segment=0: at least 1"),
        ({"dynamic_lr": 0.0}, "dynamic_lr=0: a number above 0"),
        ({"dynamic_decay": 1.0}, "dynamic_decay=1: a number from 0 to below 1"),
        ({"cache_size": 0}, "cache_size=0: at least 1"),
        ({"cache_weight": 1.0}, "cache_weight=1: a number from 0 to below 1"),
        ({"cache_flatness": -1.0}, "cache_flatness=-1: 0 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        EvaluationOptions(**given)


def test_the_rate_in_force_is_the_rules_own_unless_given():
    assert EvaluationOptions(dynamic_rule="sgd").rate > EvaluationOptions(dynamic_rule="rms").rate
    assert EvaluationOptions(dynamic_lr=0.5).rate == 0.5
