"""Training and generation on a CUDA device: the same program as on the CPU, to rounding."""

import pytest

from rnngen.events import Evaluated, Finished
from rnngen.generation.loading import LoadOptions
from rnngen.registry.components import choose

pytestmark = pytest.mark.cuda

ON_GPU = {"device": "cuda", "precision": "fp32", "steps": 60, "hidden": 32}
NUMBERS = [str(number * number) for number in range(100, 220)]
PAIRS = "".join(f"{number}\t{number[::-1]}\n" for number in NUMBERS)


def losses(events):
    return [event.nats_per_char for event in events if isinstance(event, Evaluated)]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_a_cell_learns_on_a_gpu_what_it_learns_on_the_cpu(train, cell):
    on_gpu = losses(train(cell=cell, name="on-gpu", **ON_GPU))
    on_cpu = losses(train(cell=cell, name="on-cpu", **{**ON_GPU, "device": "cpu"}))
    assert on_gpu[-1] < on_gpu[0]
    assert on_gpu == pytest.approx(on_cpu, abs=0.02)


@pytest.mark.parametrize("options", [{"layer_norm": "true"}, {"mogrifier": "3"}], ids=str)
def test_options_of_a_cell_work_on_a_gpu(train, options):
    found = losses(train(settings=options, **ON_GPU))
    assert found[-1] < found[0]


def test_bf16_learns_as_well(train):
    found = losses(train(**{**ON_GPU, "precision": "bf16"}))
    assert found[-1] < found[0]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_what_cudnn_computes_is_not_cast_to_fp16(session, cell):
    """Autocast casts these to fp16, whatever type it is for; the features would have no more than 11 bits."""
    import torch

    layer = choose(session.registry, {"cell": cell}, {})["cell"].build(8, 16).cuda()
    x = torch.full((2, 5, 8), 1e-9, device="cuda")  # nothing in fp16
    with torch.autocast("cuda", torch.bfloat16):
        y, _ = layer(x, layer.initial_state(2))
    assert y.dtype == torch.float32
    assert y.abs().max() > 0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_learnt_state_is_one_that_cudnn_takes(train, precision):
    assert isinstance(train(learn_state=True, **{**ON_GPU, "precision": precision})[-1], Finished)


def test_pairs_are_learnt_and_answered_on_a_gpu(session, train, tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text(PAIRS)
    train(path, task="pairs", tokenizer="char", source_tokenizer="char", name="pairs", **ON_GPU)
    answers = {}
    for device in ("cpu", "cuda"):
        model = session.load("pairs", options=LoadOptions(device))
        answers[device] = model.translate(["10201", "40000"], beam=3)
    assert answers["cuda"] == answers["cpu"]


def test_a_run_on_a_gpu_goes_on_where_it_stopped(session, train, ask):
    steps = iter(range(1, 100))
    train(name="whole", **ON_GPU)
    train(name="cut", stop=lambda: next(steps) >= 25, **ON_GPU)
    rest = list(session.train(session.plan(ask(name="cut", resume=True, **ON_GPU))))
    assert isinstance(rest[-1], Finished)
    whole, cut = (session.load(name).score("the sun sing of love") for name in ("whole", "cut"))
    assert cut == pytest.approx(whole, abs=0.05)


def test_greedy_text_of_a_gpu_is_that_of_the_cpu(session, train):
    train(**ON_GPU)
    texts = [
        session.load("verse", options=LoadOptions(device)).generate("the sun", temp=0, length=40)
        for device in ("cpu", "cuda")
    ]
    assert texts[0] == texts[1]
