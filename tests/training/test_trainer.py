"""Training learns, does what its options say, stops where it should, and goes on where it stopped."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
import torch

from rnngen.builtins.cells.lstm.torch import LSTM
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.tokenizers.byte import ByteTokenizer
from rnngen.contracts import IGNORE, Chunk
from rnngen.data.batches import SpanBatches, StreamBatches, example_spans
from rnngen.data.token_store import TokenStore
from rnngen.errors import DeviceError, DivergedError
from rnngen.evaluation.perplexity import Loss, LossEvaluator
from rnngen.events import Evaluated, Finished, Step, Warned
from rnngen.nn.loss import batch_loss
from rnngen.nn.network import RecurrentNetwork, weights_of
from rnngen.options.model import NetworkOptions, TrainingOptions
from rnngen.training.averaging import TriggeredMean
from rnngen.training.budget import planned_steps
from rnngen.training.trainer import ABSURD, LOSS_WINDOW, Trainer, rate

TEXT = "so much depends upon a red wheel barrow glazed with rain water beside the white chickens " * 4
OPTIMIZERS = ["sgd", "nt-asgd", "momentum", "rmsprop", "adam", "adamw", "muon"]
RATES = {"sgd": 0.5, "nt-asgd": 0.5, "momentum": 0.1}
"""Those that do not scale by the gradient's size need larger ones."""


@pytest.fixture(autouse=True)
def one_thread():
    """Small networks are slower on several."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def store(tmp_path):
    return TokenStore.write(
        tmp_path, [Chunk(line + " ", starts_document=True) for line in [TEXT, TEXT[:50]]], ByteTokenizer()
    )


class Saves:
    """What a run saved, in memory."""

    def __init__(self):
        self.snapshots, self.evaluations = [], []

    def __call__(self, trainer, evaluation):
        self.snapshots.append(trainer.snapshot())
        self.evaluations.append(evaluation)
        return iter(())


def make(store, *, has_eos=False, evaluate=None, stop=lambda: False, dropout=0.0, cell=LSTM, **options):
    options = TrainingOptions(**{"batch": 2, "seq": 8, "steps": 12, "evaluations": 3, "seed": 1, **options})
    torch.manual_seed(options.seed)
    sizes = NetworkOptions(hidden=8, embed=8, dropout=dropout, learn_state=True)
    network = RecurrentNetwork(257, sizes, lambda i, h: cell(i, h, LSTMOptions()))
    if has_eos:
        batches = SpanBatches(store, example_spans(store, 16), 16, seed=1)
    else:
        batches = StreamBatches(store, options.batch, options.seq, state_reset_prob=0.1, seed=1)
    evaluate = evaluate or partial(LossEvaluator(network).stream, store, has_eos=has_eos, streams=2, seq=64)
    return Trainer(network, batches, evaluate, options, "fp32", Saves(), stop)


def scripted(losses):
    """A judge that says these losses one after another, and the last one for ever."""
    told = itertools.chain(losses, itertools.repeat(losses[-1]))
    return lambda: Loss(next(told), 1, 1.0)


def after(steps):
    """Says stop once that many steps are made."""
    asked = itertools.count(1)
    return lambda: next(asked) >= steps


def finished(trainer):
    *_, last = trainer.run()
    assert isinstance(last, Finished)
    return last


def bits(trainer):
    tensors, record = trainer.snapshot()
    record["progress"].pop("seconds")
    return {name: array.tobytes() for name, array in tensors.items()}, record


# ── learning ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("has_eos", [False, True])
def test_every_optimizer_learns(store, optimizer, has_eos):
    rate = RATES.get(optimizer, 0.02)
    trainer = make(store, has_eos=has_eos, optimizer=optimizer, lr=rate, steps=60, weight_decay=0)
    before = trainer.evaluate().nats_per_token
    assert finished(trainer).reason == "budget"
    assert trainer.evaluate().nats_per_token < before - 1


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["cosine", "linear", "plateau", "constant"])
def test_every_schedule_learns(store, schedule):
    trainer = make(store, schedule=schedule, lr=0.02, steps=60)
    before = trainer.evaluate().nats_per_token
    finished(trainer)
    assert trainer.evaluate().nats_per_token < before - 1


def test_training_reads_as_evaluation_does(store):
    """With a rate of nearly nothing, an epoch of training sums up to the loss of the same streams."""
    trainer = make(store, lr=1e-30, optimizer="sgd", weight_decay=0, warmup=0, evaluations=1)
    trainer.batches.state_reset_prob = 0.0
    expected = LossEvaluator(trainer.network).stream(store, has_eos=False, streams=2, seq=8)
    nats = tokens = 0
    for _ in range(trainer.batches.steps_per_epoch):
        batch = next(trainer.batches)
        loss, trainer.state = batch_loss(trainer.network, batch, trainer.state, "fp32")
        count = int((batch.targets >= 0).sum())
        nats, tokens = nats + loss.item() * count, tokens + count
    assert tokens == expected.tokens
    assert nats == pytest.approx(expected.nats, rel=1e-5)


def test_the_state_is_carried_from_step_to_step(store):
    trainer = make(store, lr=1e-30, optimizer="sgd", weight_decay=0, warmup=0)
    events = trainer.run()
    next(events)
    first = [array.clone() for array in trainer.state]
    next(events)
    assert any(not torch.equal(a, b) for a, b in zip(first, trainer.state, strict=True))
    assert all(array.abs().max() > 0 for array in trainer.state)


# ── one step ───────────────────────────────────────────────────────────────────────────────────────────────


def weights_after_one_step(store, **options):
    options = {
        "optimizer": "sgd",
        "weight_decay": 0,
        "warmup": 0,
        "schedule": "constant",
        "lr": 0.1,
        **options,
    }
    trainer = make(store, steps=1, evaluations=1, **options)
    before = {name: p.detach().clone() for name, p in trainer.network.named_parameters()}
    step = next(trainer.run())
    moved = {n: p.detach() - before[n] for n, p in trainer.network.named_parameters()}
    return before, moved, step


def length(moved):
    return math.sqrt(sum(float(array.square().sum()) for array in moved.values()))


def test_clipping_shortens_what_is_longer_and_reports_what_it_was(store):
    _, free, unclipped = weights_after_one_step(store, clip=0)
    _, short, clipped = weights_after_one_step(store, clip=0.01)
    assert (
        clipped.grad_norm == pytest.approx(unclipped.grad_norm) == pytest.approx(length(free) / 0.1, rel=1e-3)
    )
    assert length(short) == pytest.approx(0.1 * 0.01, rel=1e-3)
    for name, whole in free.items():
        torch.testing.assert_close(short[name] * unclipped.grad_norm / 0.01, whole, atol=1e-4, rtol=0.02)


def test_a_gradient_within_the_limit_is_left_alone(store):
    _, free, _ = weights_after_one_step(store, clip=0)
    _, same, _ = weights_after_one_step(store, clip=1000)
    assert all(torch.equal(free[name], same[name]) for name in free)


def test_l1_pulls_every_weight_of_a_matrix_by_the_same(store):
    before, plain, _ = weights_after_one_step(store, clip=0)
    _, pulled, _ = weights_after_one_step(store, clip=0, l1=0.01)
    for name, array in before.items():
        expected = -0.1 * 0.01 * array.sign() if array.ndim >= 2 else torch.zeros_like(array)
        torch.testing.assert_close(pulled[name] - plain[name], expected, atol=1e-6, rtol=0)


def test_weight_decay_pulls_every_weight_of_a_matrix_by_its_share(store):
    before, plain, _ = weights_after_one_step(store, clip=0)
    _, pulled, _ = weights_after_one_step(store, clip=0, weight_decay=0.3)
    for name, array in before.items():
        expected = -0.1 * 0.3 * array if array.ndim >= 2 else torch.zeros_like(array)
        torch.testing.assert_close(pulled[name] - plain[name], expected, atol=1e-6, rtol=0)


def test_every_step_has_the_rate_of_its_place_in_the_budget(store):
    trainer = make(store, steps=10, warmup=0.2, schedule="linear", lr=0.01, evaluations=1)
    rates = [event.lr for event in trainer.run() if isinstance(event, Step)]
    assert rates == pytest.approx([rate(trainer.options, i / 10) for i in range(1, 11)])
    assert max(rates) == rates[1] == pytest.approx(0.01)
    assert rates[0] > 0


# ── when it is tried, and when it ends ─────────────────────────────────────────────────────────────────────


def test_the_held_out_text_is_tried_at_even_intervals_and_at_the_end(store):
    trainer = make(store, steps=11, evaluations=3)
    events = list(trainer.run())
    assert [e.step for e in events if isinstance(e, Evaluated)] == [3, 6, 9, 11]
    assert [e.step for e in trainer.save.evaluations] == [3, 6, 9, 11]
    assert [e.step for e in events if isinstance(e, Step)] == list(range(1, 12))
    assert events[-1].reason == "budget"


def test_a_long_held_out_text_is_tried_less_often(store):
    trainer = make(store, steps=10, evaluations=10)
    trainer.interval = max(trainer.interval, 4)
    assert [e.step for e in trainer.run() if isinstance(e, Evaluated)] == [4, 8, 10]


def test_the_training_loss_is_a_running_mean_and_the_same_in_steps_and_metrics(store):
    trainer = make(store, steps=6, evaluations=2)
    steps = [e for e in trainer.run() if isinstance(e, Step)]
    for number, step in enumerate(steps, 1):
        weights = [(1 - 1 / LOSS_WINDOW) ** (number - 1 - at) for at in range(number)]
        losses = [one.batch_loss for one in steps[:number]]
        assert step.loss == pytest.approx(np.average(losses, weights=weights))
    assert [e.train_nats_per_token for e in trainer.save.evaluations] == [steps[2].loss, steps[5].loss]


def test_a_batch_without_targets_does_not_count_for_the_training_loss(store, monkeypatch):
    trainer = make(store, steps=2, evaluate=scripted([3.0, 2.0, 1.0]))
    batch = next(trainer.batches)
    empty = batch._replace(targets=np.full_like(batch.targets, IGNORE))
    both = iter([batch, empty])
    monkeypatch.setattr(StreamBatches, "__next__", lambda _: next(both))
    first, second = (e for e in trainer.run() if isinstance(e, Step))
    assert first.loss == second.loss == first.batch_loss
    assert second.batch_loss == 0


def test_training_stops_early_once_nothing_has_improved_for_long(store):
    evaluate = scripted([3.0, 2.0, 2.5, 2.0, 2.1])
    trainer = make(store, steps=100, evaluations=100, patience=3, evaluate=evaluate)
    last = finished(trainer)
    assert (last.reason, last.step, last.best_step) == ("early stop", 5, 2)
    assert [e.best for e in trainer.save.evaluations] == [True, True, False, False, False]


def test_without_patience_training_never_stops_early(store):
    trainer = make(store, steps=30, evaluations=30, patience=0, evaluate=scripted([1.0, 2.0]))
    assert finished(trainer).reason == "budget"


def test_a_run_that_stopped_early_stays_stopped(store):
    evaluate = scripted([1.0, 2.0])
    options = {"steps": 100, "evaluations": 100, "patience": 2, "evaluate": evaluate}
    trainer = make(store, **options)
    assert finished(trainer).step == 3
    resumed = make(store, **options)
    resumed.restore(*trainer.snapshot())
    last = finished(resumed)
    assert (last.reason, last.step) == ("early stop", 3)
    assert resumed.save.evaluations == []


def test_a_plateau_halves_the_rate_after_two_evaluations_without_a_better_one(store):
    evaluate = scripted([3.0, 3.1, 3.2, 2.9, 3.0, 3.0, 3.0, 3.0])
    trainer = make(
        store, steps=10, evaluations=10, patience=0, schedule="plateau", warmup=0, lr=0.08, evaluate=evaluate
    )
    rates = [event.lr for event in trainer.run() if isinstance(event, Step)]
    #                             better          -     -cut  better  -     -cut   -     -cut   -
    assert rates == pytest.approx([0.08, 0.08, 0.08, 0.04, 0.04, 0.04, 0.02, 0.02, 0.01, 0.01])


def test_a_budget_that_is_spent_needs_no_step(store):
    trainer = make(store)
    finished(trainer)
    resumed = make(store)
    resumed.restore(*trainer.snapshot())
    assert [type(event) for event in resumed.run()] == [Finished]


def test_the_clock_decides_where_minutes_are_the_budget(store, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr("rnngen.training.trainer.time.monotonic", lambda: float(next(ticks)))
    trainer = make(store, steps=None, minutes=2, evaluations=4, schedule="linear", lr=0.01)
    events = list(trainer.run())
    steps = [event for event in events if isinstance(event, Step)]
    assert events[-1].reason == "budget"
    assert events[-1].seconds >= 120
    assert len([event for event in events if isinstance(event, Evaluated)]) == 4
    assert [s.lr for s in steps[1:]] == sorted((s.lr for s in steps[1:]), reverse=True)
    assert trainer.steps is None


@pytest.mark.slow
def test_slow_evaluations_do_not_take_the_time_of_training(store, monkeypatch):
    seconds = [0.0]

    def evaluate():
        seconds[0] += 10
        return Loss(1.0, 1, 1.0)

    def stop():  # asked after each step
        seconds[0] += 0.5
        return False

    monkeypatch.setattr("rnngen.training.trainer.time.monotonic", lambda: seconds[0])
    given = {"steps": None, "minutes": 10, "evaluations": 100, "patience": 0, "schedule": "constant"}
    trainer = make(store, evaluate=evaluate, stop=stop, **given)
    done = finished(trainer)
    assert done.step * 0.5 > 0.8 * done.seconds
    assert len(trainer.save.evaluations) >= 5


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"steps": 7}, 7),
        ({"epochs": 2.5}, 25),
        ({"epochs": 0.01}, 1),
        ({"minutes": 3}, None),
        ({}, 10 * 40),
    ],
)
def test_the_budget_is_told_in_steps(options, steps):
    assert planned_steps(TrainingOptions(**options), steps_per_epoch=10, tokens=1000) == steps


def test_a_large_text_is_not_read_forty_times_by_default():
    assert planned_steps(TrainingOptions(), steps_per_epoch=1000, tokens=1_000_000) < 40 * 1000
    assert planned_steps(TrainingOptions(), steps_per_epoch=1000, tokens=10_000_000_000) == 4


def test_the_default_budget_ends_with_the_passes_that_pay():
    options = TrainingOptions(max_epochs=3)
    assert planned_steps(options, steps_per_epoch=10, tokens=1000) == 30


def test_a_budget_in_minutes_and_its_schedule_end_with_the_passes_that_pay(store):
    trainer = make(
        store, steps=None, minutes=1000.0, max_epochs=4, evaluations=4, warmup=0, schedule="linear", lr=0.01
    )
    events = list(trainer.run())
    steps = [event for event in events if isinstance(event, Step)]
    assert (events[-1].reason, events[-1].step) == ("budget", 4 * trainer.batches.steps_per_epoch)
    assert sum(isinstance(event, Evaluated) for event in events) == 4
    assert steps[-1].progress == 1
    assert steps[-1].lr < 0.2 * steps[0].lr


# ── divergence ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_loss_that_is_no_number_says_what_to_try(store):
    trainer = make(store, steps=50, evaluations=1, lr=1e30, optimizer="sgd", clip=0, warmup=0)
    with pytest.raises(DivergedError, match=r"loss became (nan|inf) at step \d+.*--lr 3e\+29 or --clip 1"):
        list(trainer.run())
    assert trainer.save.snapshots == []


def test_divergence_keeps_the_last_good_state(store):
    def break_after_four():
        if trainer.progress.step == 4:
            trainer.parameters[0].data.fill_(math.nan)
        return False

    trainer = make(store, evaluations=12, stop=break_after_four)
    with pytest.raises(
        DivergedError, match=r"loss became nan at step 5.*step 4 are kept.*--init-from, with --lr"
    ):
        list(trainer.run())
    tensors, record = trainer.save.snapshots[-1]
    assert record["progress"]["step"] == 4
    assert all(np.isfinite(array).all() for name, array in tensors.items() if name.startswith("network."))


def test_an_absurd_loss_never_takes_the_place_of_a_good_state(store):
    trainer = make(store, steps=12, evaluations=12)
    losses = iter([3.0, 2.5, ABSURD, 2.0])
    trainer.evaluate = lambda: Loss(next(losses) * 10, 10, 10)
    with pytest.raises(
        DivergedError, match=r"validation loss became 50 nats a token at step 3.*step 2 are kept"
    ):
        list(trainer.run())
    assert trainer.save.snapshots[-1][1]["progress"]["step"] == 2


def test_no_update_is_made_of_a_gradient_that_is_no_number(store, monkeypatch):
    norms = iter([1.0, 1.0, math.inf])
    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", lambda *_: torch.tensor(next(norms)))
    trainer = make(store, steps=12, evaluations=1)
    with pytest.raises(DivergedError, match="the gradient became inf at step 3"):
        list(trainer.run())
    assert trainer.progress.step == 2


@pytest.mark.parametrize("stop_at", [None, 3])
def test_weights_that_are_no_numbers_are_never_saved(store, stop_at):
    """As after a gradient that overflowed, or on a GPU, where few losses are looked at."""
    stop = after(stop_at) if stop_at else lambda: False
    trainer = make(store, steps=12, evaluations=1 if stop_at else 4, stop=stop)
    step = trainer.optimizer.step

    def breaking():
        step()
        if trainer.progress.step == 2:
            trainer.parameters[0].data[0, 0] = math.nan

    trainer.optimizer.step = breaking
    with pytest.raises(DivergedError, match="weights are no longer numbers after step 3"):
        list(trainer.run())
    assert trainer.save.snapshots == []


def test_a_batch_of_nothing_but_an_end_is_no_divergence(tmp_path):
    """32 tokens in 4 streams of 8: what remains is the closing end, which nobody is taught."""
    made = TokenStore.write(tmp_path, [Chunk(TEXT[:32], starts_document=True)], ByteTokenizer())
    trainer = make(made, batch=4, seq=8, steps=6)
    assert finished(trainer).reason == "budget"


# ── stopping and going on ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("made", [1, 2, 3, 4, 7])
def test_asked_to_stop_it_saves_after_that_very_step(store, made):
    trainer = make(store, stop=after(made))
    last = finished(trainer)
    assert (last.reason, last.step) == ("interrupt", made)
    assert trainer.save.snapshots[-1][1]["progress"]["step"] == made


def test_it_can_be_stopped_though_every_step_is_an_evaluation(store):
    trainer = make(store, steps=20, evaluations=20, stop=after(3))
    assert (finished(trainer).reason, trainer.progress.step) == ("interrupt", 3)
    assert len(trainer.save.snapshots) == 3


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("has_eos", [False, True])
@pytest.mark.parametrize("cuts", [(1,), (4,), (2, 5, 1, 1)])
def test_a_run_in_pieces_is_the_unbroken_run_to_the_bit(store, optimizer, has_eos, cuts):
    options = {"has_eos": has_eos, "optimizer": optimizer, "schedule": "plateau", "dropout": 0.3, "steps": 14}
    unbroken = make(store, **options)
    finished(unbroken)
    pieces, evaluations = make(store, **options, stop=after(cuts[0])), []
    for cut in (*cuts[1:], 1000):
        assert finished(pieces).reason == "interrupt"
        evaluations += [e for e in pieces.save.evaluations if e]
        torch.manual_seed(99)  # nothing but the snapshot may matter
        resumed = make(store, **options, stop=after(cut))
        resumed.restore(*pieces.save.snapshots[-1])
        pieces = resumed
    assert finished(pieces).reason == "budget"
    assert bits(pieces) == bits(unbroken)
    assert evaluations + [e for e in pieces.save.evaluations if e] == unbroken.save.evaluations


@pytest.mark.slow
@pytest.mark.parametrize("cut", range(1, 14))
def test_a_mean_that_validation_triggers_goes_on_to_the_bit(store, monkeypatch, cut):
    """The loss rises, so that the mean begins at the third evaluation, after six of fourteen steps."""
    monkeypatch.setattr(TriggeredMean, "INTERVAL", 1)

    def trained(stop=lambda: False, snapshot=None):
        trainer = make(store, optimizer="nt-asgd", lr=0.5, steps=14, evaluations=7, stop=stop)
        trainer.evaluate = lambda: Loss(1.0 + trainer.progress.step, 1, 1.0)
        if snapshot:
            trainer.restore(*snapshot)
        finished(trainer)
        return trainer

    unbroken, first = trained(), trained(after(cut))
    assert unbroken.mean.since == 6
    assert first.mean.since == (6 if cut >= 6 else None)
    resumed = trained(snapshot=first.save.snapshots[-1])
    assert bits(resumed) == bits(unbroken)
    own, kept = weights_of(unbroken.network), unbroken.weights()
    assert any((own[name] != kept[name]).any() for name in own)


def test_a_snapshot_is_a_copy(store):
    trainer = make(store)
    tensors, _ = trainer.snapshot()
    before = {name: array.tobytes() for name, array in tensors.items()}
    finished(trainer)
    assert {name: array.tobytes() for name, array in tensors.items()} == before


def test_another_seed_is_another_run(store):
    runs = [make(store, seed=seed) for seed in (1, 1, 2)]
    for run in runs:
        finished(run)
    same, again, other = (bits(run)[0]["network.head.weight"] for run in runs)
    assert same == again
    assert same != other


# ── a batch that does not fit ──────────────────────────────────────────────────────────────────────────────


class Cramped(LSTM):
    """Has no memory for more than some rows at once."""

    rows = 99

    def forward(self, x, state):
        torch.rand(3)  # as dropout does: the draws of what failed must not count
        if self.training and len(x) > self.rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return super().forward(x, state)


def cramped(store, rows, at=0, **options):
    """A finished trainer whose network had memory for ``rows`` after a step, and what it warned of."""
    trainer, events = make(store, dropout=0.3, batch=8, cell=Cramped, **options), []
    for event in itertools.chain([None], trainer.run()):  # before the first step, too
        events.append(event)
        if trainer.progress.step == at:
            trainer.network.layers[0].rows = rows
    return trainer, [event.message for event in events if isinstance(event, Warned)]


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_computed_in_parts_and_told_once(store):
    """As by ``accumulate``, to the bit."""
    found, told = cramped(store, 2)
    expected = make(store, dropout=0.3, batch=8, accumulate=4, cell=Cramped)
    finished(expected)
    assert bits(found)[0] == bits(expected)[0]
    assert len(told) == 1
    assert "at step 1:" in told[0]
    assert "--accumulate 4" in told[0]


@pytest.mark.slow
def test_a_run_whose_batches_were_halved_resumes_to_the_bit(store):
    unbroken, told = cramped(store, 2, at=5)
    assert "at step 6:" in told[0]
    stopped, _ = cramped(store, 2, at=5, stop=after(7))
    resumed = make(store, dropout=0.3, batch=8, cell=Cramped)  # where there is memory enough
    resumed.restore(*stopped.save.snapshots[-1])
    finished(resumed)
    assert bits(resumed) == bits(unbroken)


@pytest.mark.slow
def test_a_single_row_that_does_not_fit_is_an_error_that_says_what_to_make_smaller(store):
    with pytest.raises(DeviceError, match=r"a single row.*on the GPU, tried to allocate 2\.00 GiB.*`hidden`"):
        cramped(store, 0)
