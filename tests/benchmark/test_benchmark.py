"""Benchmarks: what they report hangs together, and both programs run the same network. None checks a time."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rnngen import hookimpl
from rnngen.benchmark import ROUNDS, generation, rates
from rnngen.benchmark.generation import bench_sample, many_streams, numbers_read, one_stream
from rnngen.benchmark.plain import PlainNetwork, train
from rnngen.benchmark.training import LARGE, bench_train, make_trainer, random_text
from rnngen.builtins.cells.options import GRUOptions
from rnngen.builtins.filters.options import TemperatureOptions
from rnngen.builtins.filters.truncation import temperature
from rnngen.contracts import IGNORE, CellSpec
from rnngen.data.batches import StreamBatches
from rnngen.errors import DeviceError, UnknownName, UsageError
from rnngen.inference.build import numpy_layers
from rnngen.inference.numpy_model import NumpyStep
from rnngen.nn.devices import choose_precision
from rnngen.nn.loss import batch_loss
from rnngen.options.given import Given
from rnngen.registry import Distribution, Registry
from rnngen.registry.components import choose
from rnngen.requests.bench import (
    BenchNetwork,
    SampleBench,
    SampleBenchRequest,
    TrainBench,
    TrainBenchRequest,
)

CELLS = ["lstm", "gru", "rnn"]
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def quick_product(monkeypatch):
    """A product that takes no time."""
    monkeypatch.setitem(LARGE, "cpu", 64)


def small(cell="lstm", layers=2):
    return BenchNetwork(cell, layers, hidden=8, embed=6, vocab=11)


def sampling(network, options):
    return SampleBenchRequest(Given(network), options)


def plain_and_step(registry, sizes):
    """A plain network, and rnngen's step with its weights."""
    torch.manual_seed(3)
    network = PlainNetwork(sizes)
    weights = {name: parameter.detach().numpy() for name, parameter in network.named_parameters()}
    for name in [name for name in weights if name.startswith("rnn.")]:
        kind, _, layer = name.removeprefix("rnn.").rpartition("_l")
        weights[f"layers.{layer}.rnn.{kind}_l0"] = weights.pop(name)
    part = choose(registry, {"cell": sizes.cell}, {})["cell"]
    return network, NumpyStep(weights, numpy_layers(part, weights, sizes.layers))


# ── turns ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_all_works_have_their_turns_alternately():
    turns = []

    def work(name):
        return lambda units: turns.append(name) or units

    found = rates({"a": work("a"), "b": work("b")}, seconds=1e-9)
    assert turns[-2 * ROUNDS :] == ["a", "b"] * ROUNDS
    assert set(found) == {"a", "b"}


def test_the_rate_is_of_the_units_that_were_done(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))  # every call takes a second
    found = rates({"exact": lambda units: 5, "more": lambda units: 20}, seconds=10)
    assert found == {"exact": 5, "more": 20}


# ── generation ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_told_of_generation_hangs_together(session, cell):
    found = bench_sample(session.registry, sampling(small(cell), SampleBench(count=3, seconds=0.01)))
    told = found.as_json()
    assert min(told[key] for key in told if key.endswith(("second", "ratio", "fraction"))) > 0
    assert told["ratio"] == told["rnngen_tokens_per_second"] / told["plain_tokens_per_second"]
    assert told["bandwidth_fraction"] == told["rnngen_tokens_per_second"] / told["products_per_second"]
    assert told["batched_ratio"] == told["batched_tokens_per_second"] / told["rnngen_tokens_per_second"]
    assert (told["cell"], told["layers"], told["hidden"], told["vocab"]) == (cell, 2, 8, 11)


def test_without_a_count_nothing_is_told_of_many_texts(session):
    told = bench_sample(session.registry, sampling(small(), SampleBench(seconds=0.01))).as_json()
    assert not {"count", "batched_tokens_per_second", "batched_ratio"} & set(told)


def test_torch_has_its_threads_back_afterwards(session):
    torch.set_num_threads(2)  # the fixture puts back what was before
    bench_sample(session.registry, sampling(small(), SampleBench(seconds=0.01)))
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("cell", CELLS)
def test_the_plain_network_and_the_step_are_one_network(session, cell):
    network, step = plain_and_step(session.registry, small(cell))
    tokens = torch.tensor([[1, 5, 10, 0, 5]])
    state, rows = step.start(1), []
    for token in tokens[0].tolist():
        logits, state = step(np.array([token]), state)
        rows.append(logits[0])
    with torch.inference_mode():
        expected, _ = network(tokens)
    np.testing.assert_allclose(rows, expected[0].numpy(), atol=1e-5)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 3])
def test_the_numbers_read_are_those_of_the_steps_matrices(session, cell, layers):
    sizes = small(cell, layers)
    _, step = plain_and_step(session.registry, sizes)
    matrices = [one.recurrent.matrix for one in (step.first, *step.rest)] + [
        one.input.matrix for one in step.rest
    ]
    assert numbers_read(sizes) == sum(matrix.size for matrix in [*matrices, step.head.matrix])


def test_the_works_make_as_many_tokens_as_they_say(session):
    _, step = plain_and_step(session.registry, small())
    filters = [temperature(TemperatureOptions(0.8))]
    assert one_stream(step, filters)(7) == 7
    assert many_streams(step, filters, 3)(7) == 9  # three of three


# ── training ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_told_of_training_hangs_together(session, cell):
    options = TrainBench(batch=2, seq=4, precision="fp32", device="cpu", seconds=0.01)
    told = bench_train(session.registry, TrainBenchRequest(small(cell), options)).as_json()
    ours = told["rnngen_tokens_per_second"]
    assert min(ours, told["plain_tokens_per_second"], told["gemm_flops_per_second"]) > 0
    assert told["ratio"] == ours / told["plain_tokens_per_second"]
    assert told["gemm_fraction"] == 6 * told["parameters"] * ours / told["gemm_flops_per_second"]
    assert (told["batch"], told["seq"], told["precision"], told["device"]) == (2, 4, "fp32", "cpu")
    assert told["parameters"] == sum(p.numel() for p in PlainNetwork(small(cell)).parameters())


def test_auto_is_the_precision_that_training_would_take(session):
    options = TrainBench(batch=2, seq=4, device="cpu", seconds=0.01)
    told = bench_train(session.registry, TrainBenchRequest(small(), options)).as_json()
    assert told["precision"] == choose_precision("auto", CPU)


def test_both_programs_train_on_the_same_windows(session):
    """With the same weights, the first losses are equal."""
    text = random_text(11, 2 * (4 * 3 + 1))
    trainer = make_trainer(session.registry, small(), StreamBatches(text, 2, 4), "fp32", CPU)
    network, _ = plain_and_step(session.registry, small())
    own = dict(network.state_dict())
    for name in [name for name in own if name.startswith("rnn.")]:
        kind, _, layer = name.removeprefix("rnn.").rpartition("_l")
        own[f"layers.{layer}.rnn.{kind}_l0"] = own.pop(name)
    trainer.network.load_state_dict(own)
    first = next(trainer.batches)
    loss, _ = batch_loss(trainer.network, first, None, "fp32")
    rows = [text.tokens[start : start + 5] for start in trainer.batches.edges[:-1]]
    streams = torch.from_numpy(np.concatenate(rows).astype(np.int64))
    inputs = torch.from_numpy(first.inputs)
    assert torch.equal(streams.view(2, 5)[:, :-1], inputs)
    assert (first.targets != IGNORE).all()
    torch.testing.assert_close(next(train(network, streams, 2, 4)), loss)


def test_the_plain_program_learns():
    torch.manual_seed(0)
    network = PlainNetwork(BenchNetwork(layers=1, hidden=32, vocab=11))
    steps = train(network, torch.arange(600) % 10, batch=2, seq=16)
    losses = [float(next(steps).detach()) for _ in range(100)]
    assert losses[-1] < 0.5 * losses[0]


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: BenchNetwork(hidden=0), "hidden=0"),
        (lambda: BenchNetwork(layers=0), "layers=0"),
        (lambda: BenchNetwork(vocab=1), "vocab=1"),
        (lambda: SampleBench(count=0), "count=0"),
        (lambda: SampleBench(seconds=0), "seconds=0"),
        (lambda: TrainBench(batch=0), "batch=0"),
        (lambda: TrainBench(seq=-1), "seq=-1"),
        (lambda: TrainBench(seconds=float("nan")), "seconds=nan"),
    ],
)
def test_senseless_numbers_are_refused_by_name(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_a_whole_network_is_refused(session):
    with pytest.raises(UsageError, match="'seq2seq' is a whole network"):
        bench_sample(session.registry, sampling(small("seq2seq"), SampleBench()))
    with pytest.raises(UsageError, match="'seq2seq' is a whole network"):
        bench_train(session.registry, TrainBenchRequest(small("seq2seq"), TrainBench(device="cpu")))


def test_a_plugins_cell_is_measured_beside_an_lstm_though_it_has_no_numpy_implementation():
    spec = CellSpec(name="mine", summary="x", load="rnngen.builtins.cells.gru.torch:gru", options=GRUOptions)
    plugin = SimpleNamespace(rnngen_cells=hookimpl(lambda: [spec]))
    registry = Registry([(Distribution("acme", "1"), plugin)])
    found = bench_sample(registry, sampling(small("mine"), SampleBench(seconds=0.05))).as_json()
    assert found["plain_cell"] == "lstm"
    assert found["weight_bytes"] == 4 * (3 * 8 * (6 + 8 + 8 + 8 + 4) + 11 * 8)
    learnt = bench_train(
        registry, TrainBenchRequest(small("mine"), TrainBench(2, 4, device="cpu", seconds=0.05))
    )
    assert learnt.rnngen > 0


def test_an_unknown_cell_is_named_with_the_closest(session):
    with pytest.raises(UnknownName, match="did you mean 'lstm'"):
        bench_sample(session.registry, sampling(small("lstn"), SampleBench()))


# ── elsewhere than on the CPU ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def on_torch(monkeypatch):
    """A device that is not called cpu, and where torch works all the same."""
    chosen = torch.device("cpu", 0)
    monkeypatch.setattr(generation, "choose_device", lambda name: chosen)
    monkeypatch.setattr(generation, "by_numpy", lambda device: False)
    return chosen


def test_through_torch_the_fields_of_numpy_are_left_out(session, on_torch):
    options = SampleBench(count=3, seconds=0.01, device="cuda")
    told = bench_sample(session.registry, sampling(small(), options)).as_json()
    assert told["device"] == str(on_torch)
    assert told["ratio"] == told["rnngen_tokens_per_second"] / told["plain_tokens_per_second"]
    assert told["batched_ratio"] > 0
    assert not {"products_per_second", "bandwidth_fraction"} & set(told)


def test_a_format_of_weights_is_for_numpy_alone(session, on_torch):
    with pytest.raises(UsageError, match="leave it or device out"):
        bench_sample(session.registry, sampling(small(), SampleBench(quantize="int8", device="cuda")))


@pytest.mark.parametrize("device", ["cuda:99", "mps"])
def test_a_device_that_is_not_there_is_told_with_those_that_are(session, monkeypatch, device):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=rf"'{device}' is not here; there is cpu"):
        bench_sample(session.registry, sampling(small(), SampleBench(device=device)))


@pytest.mark.cuda
def test_a_gpu_is_measured(session):
    options = SampleBench(count=4, seconds=0.1, device="cuda")
    found = bench_sample(session.registry, sampling(small(), options))
    assert found.device.startswith("cuda")
    assert found.batched
