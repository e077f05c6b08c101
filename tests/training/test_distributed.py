"""Several processes learn what one would: the same rows once each, the same losses, whoever goes on with it.

Run as a program, this file is one of those processes.
"""

import json
import os
import random
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import distributed, nn

from rnngen.api import Session
from rnngen.contracts import IGNORE
from rnngen.data.batches import Batch
from rnngen.errors import DeviceError, UsageError
from rnngen.events import Evaluated, Step
from rnngen.requests.train import TrainRequest
from rnngen.training.distributed import ProcessGroup, current, joined

TASKS = {"continue": "tale.txt", "lines": "names.txt", "pairs": "pairs.tsv"}
STEPS = 40
OPTIONS = {"batch": 5, "seq": 16, "lr": 0.03, "seed": 1, "steps": STEPS, "evaluations": 3}
NEAR = 1e-5
"""How far apart sums in another order may be: nats per token in fp32, after every step."""

gloo = pytest.mark.skipif(
    not (distributed.is_available() and distributed.is_gloo_available()), reason="this torch is without gloo"
)


def batch_of(rows):
    """Rows that can be told apart, of one length, and each with a source."""
    tokens = np.arange(rows * 4).reshape(rows, 4)
    return Batch(tokens, tokens + 1, np.arange(rows) % 2 == 0, tokens + 100)


# ── shares ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [1, 2, 6, 7, 20])
def test_every_target_counts_in_exactly_one_process(size, rows):
    batch = batch_of(rows)
    shares = [ProcessGroup(rank, size).share(batch) for rank in range(size)]
    counted = [share.targets[share.targets != IGNORE] for share in shares]
    np.testing.assert_array_equal(np.concatenate(counted), batch.targets.flatten())


@pytest.mark.parametrize("rank", range(3))
def test_a_share_is_whole_rows_and_never_empty(rank):
    share = ProcessGroup(rank, 3).share(batch_of(2))
    assert len(share.inputs) == len(share.targets) == len(share.reset_state) == len(share.source) >= 1
    np.testing.assert_array_equal(share.source, share.inputs + 100)


@pytest.mark.parametrize("rank", range(3))
def test_a_resumed_process_takes_the_state_of_the_rows_that_it_reads(rank):
    group, batch = ProcessGroup(rank, 3), batch_of(8)
    np.testing.assert_array_equal(batch.inputs[group.rows(8)], group.share(batch).inputs)


def test_random_numbers_are_a_processs_own_and_leave_the_shared_ones_alone():
    torch.manual_seed(0)
    before, draws = torch.get_rng_state(), []
    for rank, step in [(0, 5), (1, 5), (0, 6), (0, 5)]:
        with ProcessGroup(rank, 2).own_draws(1, step, torch.device("cpu")):
            draws.append(torch.rand(4).tolist())
    assert draws[0] == draws[3]
    assert len({tuple(drawn) for drawn in draws}) == 3
    assert torch.equal(torch.get_rng_state(), before)


# ── alone ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_alone_everything_is_as_it_is():
    with joined() as group:
        batch, state = batch_of(3), (torch.ones(3, 2),)
        layer, loss = nn.Linear(2, 1), torch.tensor(2.0)
        assert group == current() == ProcessGroup()
        assert group.share(batch) is batch
        assert group.whole(state, 3) is state
        assert group.sum_gradients(list(layer.parameters()), loss) is loss
        assert (group.broadcast(3.5), group.first(lambda: 4.5), group.total(1, 2)) == (3.5, 4.5, [1, 2])
        assert group.any(True)
        assert not group.any(False)
        with group.own_draws(1, 1, torch.device("cpu")):
            torch.manual_seed(0)
            drawn = torch.rand(2).tolist()
        torch.manual_seed(0)
        assert torch.rand(2).tolist() == drawn
    assert not distributed.is_initialized()


def test_each_process_takes_a_gpu_of_its_own_or_none(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    group = ProcessGroup(2, 3)
    assert group.device("cpu") == torch.device("cpu")
    with pytest.raises(DeviceError, match="there are 2"):
        group.device("auto")
    with pytest.raises(UsageError, match="cuda:1"):
        group.device("cuda:1")


# ── together ───────────────────────────────────────────────────────────────────────────────────────────────


def write_texts(folder):
    """Free text, short lines of unequal length, and lines with sources."""
    rng = random.Random(1)
    words = ["the", "cat", "a", "paints", "sister", "sea", "red", "forgets", "bread"]
    sentences = [" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(120)]
    (folder / "tale.txt").write_text(". ".join(sentences))
    (folder / "names.txt").write_text("\n".join(sentences[:80]))
    (folder / "pairs.tsv").write_text("\n".join(f"{line}\t{line[::-1]}" for line in sentences[:80]))


def curve(folder, name, task, *, stop_after=STEPS, resume=False, normalised=False, **options):
    """Train, and say what each step and each evaluation told.

    With layer normalisation, which divides by what is near 0 at first, rounding grows from step to step.
    """
    network = {"hidden": 12, "dropout": 0.0, "embed": 8}
    training = {**OPTIONS, "precision": "fp32", "device": "cpu", **options}
    corpus, cell = str(folder / TASKS[task]), {"layer_norm": str(normalised).lower()}
    settings = {} if task == "pairs" else cell
    request = TrainRequest.of(
        corpus, name=name, task=task, settings=settings, resume=resume, **network, **training
    )
    session, made, losses = Session.here(), [], []
    for event in session.train(session.plan(request), lambda: len(made) >= stop_after):
        if isinstance(event, Step):
            made.append(event.step)
        if isinstance(event, Step | Evaluated):
            losses.append(event.batch_loss if isinstance(event, Step) else event.loss)
    return losses


def work(folder):
    """What the two processes do, in one go."""
    with joined() as group:
        told = {task: curve(folder, f"two-{task}", task) for task in TASKS}
        told["parts"] = curve(folder, "two-parts", "continue", accumulate=2)
        told["noise"] = curve(folder, "two-noise", "continue", gradient_noise=0.1)
        told["begun"] = curve(folder, "two-begun", "continue", stop_after=7)
        told["ended"] = curve(folder, "one-begun", "continue", resume=True)
        told["normalised"] = curve(folder, "two-normalised", "continue", normalised=True, lr=0.003)
        told["minutes"] = curve(folder, "two-minutes", "continue", steps=None, minutes=0.02)
        (folder / f"told-{group.rank}.json").write_text(json.dumps(told))


def free_port():
    with closing(socket.socket()) as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def run_two(folder):
    """Run this file as two processes → what each told."""
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": str(free_port())}
    common |= {"OMP_NUM_THREADS": "1", "TORCHELASTIC_RUN_ID": "test"}
    command = [sys.executable, __file__, str(folder)]
    environments = [{**os.environ, **common, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"]
    running = [subprocess.Popen(command, env=environment) for environment in environments]
    try:
        assert [process.wait(timeout=240) for process in running] == [0, 0]
    finally:
        for process in running:
            process.kill()
    return [json.loads((folder / f"told-{rank}.json").read_text()) for rank in range(2)]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """The curves of one process, of the first of two, and of the second, by what they did."""
    folder = tmp_path_factory.mktemp("two")
    write_texts(folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RNNGEN_HOME", str(folder / "home"))
        one = {task: curve(folder, f"one-{task}", task) for task in TASKS}
        one["noise"] = curve(folder, "one-noise", "continue", gradient_noise=0.1)
        one["normalised"] = curve(folder, "one-normalised", "continue", normalised=True, lr=0.003)
        one["begun"] = curve(folder, "one-begun", "continue", stop_after=7)
        two, second = run_two(folder)
        one["ended"] = curve(folder, "two-begun", "continue", resume=True)
    torch.set_num_threads(threads)
    return one, two, second


@gloo
@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_two_processes_have_the_loss_curve_of_one(told, task):
    one, two, _ = told
    assert len(one[task]) >= STEPS + 2
    assert one[task][0] > one[task][-1] + 0.1  # a curve that falls, so that the gradients are compared
    assert two[task] == pytest.approx(one[task], abs=NEAR)


@gloo
@pytest.mark.slow
def test_with_layer_normalisation_the_curves_begin_alike(told):
    one, two, _ = told
    assert two["normalised"][:12] == pytest.approx(one["normalised"][:12], abs=10 * NEAR)


@gloo
@pytest.mark.slow
def test_two_processes_that_read_in_parts_have_the_same_curve(told):
    one, two, _ = told
    assert two["parts"] == pytest.approx(one["continue"], abs=NEAR)


@gloo
@pytest.mark.slow
def test_noise_on_the_gradients_is_the_same_for_all(told):
    one, two, _ = told
    assert two["noise"] == pytest.approx(one["noise"], abs=NEAR)
    assert one["noise"] != pytest.approx(one["continue"], abs=0.01)


@gloo
@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes(told):
    one, two, _ = told
    assert two["begun"] + one["ended"] == pytest.approx(one["continue"], abs=NEAR)
    assert one["begun"] + two["ended"] == pytest.approx(one["continue"], abs=NEAR)


@gloo
@pytest.mark.slow
def test_all_processes_see_the_same_to_the_bit_and_end_together_by_one_clock(told):
    _, two, second = told
    assert two == second
    assert len(two["minutes"]) > 2


# ── parts ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_a_batch_in_parts_gives_the_curve_of_the_whole(tmp_path, task):
    write_texts(tmp_path)
    whole, halves, rows = (
        curve(tmp_path, f"parts-{parts}", task, accumulate=parts, steps=15) for parts in (1, 2, 99)
    )
    assert halves == pytest.approx(whole, abs=NEAR)
    assert rows == pytest.approx(whole, abs=NEAR)


if __name__ == "__main__":
    work(Path(sys.argv[1]))
