"""Runs with every regulariser and Muon go on where they stopped, to the bit; what judges is the text."""

from functools import partial

import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import Chunk
from rnngen.data.batches import StreamBatches
from rnngen.data.token_store import TokenStore
from rnngen.evaluation.perplexity import LossEvaluator
from rnngen.events import Finished
from rnngen.nn.network import RecurrentNetwork
from rnngen.nn.regularizers import TrainingSetup
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.training.trainer import Trainer

TEXT = "so much depends upon a red wheel barrow glazed with rain water beside the white chickens " * 8
EVERYTHING = {
    "optimizer": "muon",
    "muon": "layers",
    "embed_dropout": 0.2,
    "weight_drop": 0.3,
    "activation_reg": 2.0,
    "temporal_reg": 1.0,
    "vary_seq": 0.2,
    "gradient_noise": 0.01,
    "average": 0.9,
}


@pytest.fixture
def store(tmp_path):
    return TokenStore.write(tmp_path, [Chunk(TEXT, starts_document=True)], ByteTokenizer())


def make(store, stop_after=None, **given):
    options = TrainingOptions(**{"batch": 2, "seq": 12, "steps": 14, "evaluations": 3, "seed": 1, **given})
    torch.manual_seed(1)
    sizes = NetworkOptions(hidden=8, layers=2, dropout=0.3, tied=True, learn_state=True)
    setup = TrainingSetup(torch.ones(257, dtype=torch.long), options, restricted=False)
    network = RecurrentNetwork(257, sizes, lambda i, h: LSTM(i, h, LSTMOptions()), setup)
    batches = StreamBatches(store, 2, 12, state_reset_prob=0.1, seed=1, vary=options.vary_seq)
    snapshots = []

    def save(trainer, evaluation):
        snapshots.append(trainer.snapshot())
        return iter(())

    def stop():
        return trainer.progress.step == stop_after

    evaluate = partial(LossEvaluator(network).stream, store, has_eos=False, streams=2, seq=64)
    trainer = Trainer(network, batches, evaluate, options, "fp32", save, stop)
    return trainer, snapshots


def finished(trainer):
    *_, last = trainer.run()
    assert isinstance(last, Finished)
    return last


def bits(trainer):
    tensors, record = trainer.snapshot()
    record["progress"].pop("seconds")
    return {name: array.tobytes() for name, array in tensors.items()}, record


@pytest.mark.slow
@pytest.mark.parametrize("given", [{"optimizer": "muon"}, EVERYTHING], ids=["muon", "everything"])
@pytest.mark.parametrize("cut", [1, 6])
def test_a_run_in_pieces_is_the_unbroken_run_to_the_bit(store, given, cut):
    unbroken, _ = make(store, **given)
    finished(unbroken)
    first, snapshots = make(store, stop_after=cut, **given)
    assert finished(first).reason == "interrupt"
    second, _ = make(store, **given)
    torch.manual_seed(99)  # nothing but the snapshot may matter
    second.restore(*snapshots[-1])
    assert finished(second).reason == "budget"
    assert bits(second) == bits(unbroken)


@pytest.mark.slow
def test_it_learns_with_everything_and_is_judged_without(store):
    trainer, _ = make(store, steps=150, **{**EVERYTHING, "gradient_noise": 0.0001, "lr": 0.02})
    before = trainer.evaluate().nats_per_token
    finished(trainer)
    judged = trainer.evaluate()
    assert judged.nats_per_token < before - 1
    plain, _ = make(store)
    plain.network.load_state_dict(trainer.network.state_dict())
    assert plain.evaluate() == judged
