"""The training loop, as a generator of events.

::

    next batch ─▸ loss ─▸ gradient ─▸ clip ─▸ update        every step
                       evaluate, save                        every ``interval`` steps
    budget spent · no better for long · asked to stop        ends it

Everything that the future depends on is in ``Trainer.snapshot``: a run that is stopped and resumed writes the
bytes that an unbroken run would have written (on one machine, with one number of threads, on a processor).
Several processes (``rnngen.training.distributed``) learn what one would, to the rounding of sums (which layer
normalisation makes large in the end), and may be resumed in another number: exactly, where the network draws
no random numbers; the dropout of each process is its own, and differs with their number.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any, NoReturn

import numpy as np
import torch
from torch import nn

from rnngen.contracts import IGNORE, State
from rnngen.data.batches import Batch, Batches
from rnngen.errors import DivergedError, ModelError
from rnngen.evaluation.perplexity import Loss
from rnngen.events import Evaluated, Event, Finished, Step, Warned
from rnngen.nn.loss import batch_loss, initial_states
from rnngen.nn.network import weights_of
from rnngen.nn.parts import Parts
from rnngen.options.model import TrainingOptions
from rnngen.store.checkpoint import Tensors
from rnngen.training.averaging import make_mean
from rnngen.training.budget import most_steps, planned_steps
from rnngen.training.distributed import ProcessGroup
from rnngen.training.optimizers import add_l1, add_noise, make_optimizer, rate

GPU_STRIDE = 10
"""On a GPU the loss is read once in that many steps, since reading means waiting for it."""
WARM_UP_STEPS = 2
"""Steps that set things up, and do not count for the speed."""
ABSURD = 50.0
"""Nats a token from which on a validation loss is that of a network that has diverged: a network that knows
nothing has the logarithm of its vocabulary, 12 at 200,000 tokens."""
EVALUATION_PAUSE = 8
"""Where the clock decides, training lasts that many times as long as the evaluation before it."""
LOSS_WINDOW = 50
"""Steps over which the training loss is averaged, each counting a fiftieth less than the one after it."""
NO_ROW = "give a smaller `hidden`, `layers`, `seq` or, for pairs, `max_length`"
"""What to do where not even a row fits."""


@dataclass
class Progress:
    """The progress of a run, in numbers that JSON can hold."""

    step: int = 0
    best: float = math.inf
    """The lowest validation nats per token so far or, where a score decides, minus the highest."""
    best_nats_per_char: float = math.inf
    best_step: int = 0
    since_best: int = 0
    """Evaluations since then."""
    cuts: int = 0
    """Number of times that the plateau schedule has halved the rate."""
    seconds: float = 0.0
    """Wall-clock time spent, over all sittings."""
    losses: float = 0.0
    """Sum of training losses, in which older steps count less and less…"""
    counted: float = 0.0
    """…and of their weights."""
    grad_norm: float | None = None
    """The norm of the last gradient that was looked at, before clipping."""
    parts: int = 1
    """Parts in which each batch's gradient is computed since memory did not suffice for fewer."""

    def add_loss(self, loss: float, steps: int) -> None:
        """Take in a training loss, which stands for some steps."""
        keep = (1 - 1 / LOSS_WINDOW) ** steps
        self.losses, self.counted = keep * self.losses + loss, keep * self.counted + 1

    @property
    def train_loss(self) -> float | None:
        """The mean of training losses over the last ``LOSS_WINDOW`` steps or so; None before the first."""
        return self.losses / self.counted if self.counted else None


@dataclass(frozen=True)
class MetricsRow:
    """A line of ``metrics.jsonl``: nothing in it depends on the clock."""

    step: int
    epoch: float
    lr: float
    train_nats_per_token: float | None
    """The running mean of training losses, over ``LOSS_WINDOW`` steps."""
    val_nats_per_token: float
    val_nats_per_char: float
    best: bool
    val_score: float | None = None
    """The score of outputs for validation sources, where that decides."""
    val_network_nats_per_token: float | None = None
    """The validation loss of the network alone, where an n-gram is beside it."""
    grad_norm: float | None = None
    """The norm of the last gradient before clipping."""

    def as_line(self) -> str:
        """The line, with its end."""
        return json.dumps(asdict(self)) + "\n"


@dataclass
class Speed:
    """Tokens a second, over the last steps."""

    steps: int = 0
    tokens: float = 0.0
    seconds: float = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """Count a step; the older ones count less and less."""
        self.steps += 1
        keep = 0.95 if self.steps > WARM_UP_STEPS + 1 else 0.0
        self.tokens, self.seconds = keep * self.tokens + tokens, keep * self.seconds + seconds

    @property
    def tokens_per_second(self) -> float:
        """The ratio of both."""
        return self.tokens / max(1e-9, self.seconds)


@dataclass
class Trainer:
    """Trains a network.

    Args:
        network: on its device.
        batches: the training text.
        evaluate: returns the loss of the network on the validation text, now.
        options: everything else that can be chosen.
        precision: ``fp32`` or ``bf16``.
        save: called with the trainer after each evaluation and at the end; yields what to report.
        stop: asked after each step whether to stop.
        beside: returns the tensors that belong to the model beside the network's, as of the last evaluation.
        score: returns a score of the network's outputs, the higher the better; where given, it decides.
        pause: fewest steps between two evaluations, so that a long validation text does not take all the
            time.
        group: the processes that train together.
        learner: the network whose loss is made small, one that contains ``network``; that alone if not given.
        starts_trained: whether the weights are another model's, which are then evaluated before the first
            step, and kept if nothing is better.
    """

    network: nn.Module
    batches: Batches
    evaluate: Callable[[], Loss]
    options: TrainingOptions
    precision: str
    save: Callable[["Trainer", MetricsRow | None], Iterator[Event]]
    stop: Callable[[], bool] = lambda: False
    beside: Callable[[], Tensors] = dict
    score: Callable[[], float] | None = None
    pause: int = 1
    group: ProcessGroup = field(default_factory=ProcessGroup)
    starts_trained: bool = False
    learner: nn.Module | None = None
    progress: Progress = field(default_factory=Progress, init=False)
    state: State | None = field(default=None, init=False)
    """The state of this process's streams, carried from batch to batch."""

    def __post_init__(self) -> None:
        self.parameters = [p for p in self.network.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.optimizer = make_optimizer(self.network, self.options)
        self.mean = make_mean(self.parameters, self.options)
        self.steps = planned_steps(self.options, self.batches.steps_per_epoch, len(self.batches.store))
        self.interval = max(1, (self.steps or 0) // self.options.evaluations, self.pause)
        self.most_steps = most_steps(self.options, self.batches.steps_per_epoch)
        self._speed, self._parts = Speed(), Parts(self.options.accumulate, NO_ROW)
        self._rows = 0
        """Rows of the last batch, over all processes."""

    def run(self) -> Iterator[Event]:
        """Train until the budget is spent, validation stops improving, or ``stop`` says so."""
        self.network.train()
        began = time.monotonic() - self.progress.seconds
        next_evaluation = self._next_evaluation()
        if self.starts_trained and not self.progress.step:
            yield from self._evaluate()
        reason = self._ended()
        while reason is None:
            yield from self._step()
            self.progress.seconds = self._since(began)
            if self._elapsed() >= next_evaluation or self._spent() >= 1:
                before = self.progress.seconds
                yield from self._evaluate()
                self.progress.seconds = self._since(began)
                next_evaluation = self._next_evaluation(self.progress.seconds - before)
                reason = self._ended() or ("interrupt" if self._asked_to_stop() else None)
            elif self._asked_to_stop():
                reason = "interrupt"
                self._refuse_broken_weights()
                yield from self.save(self, None)
        p = self.progress
        yield Finished(reason, p.step, p.best_step, p.best_nats_per_char, p.seconds)

    def _ended(self) -> str | None:
        """Why there is nothing left to do; a run that is resumed after its end ends there again."""
        if self._spent() >= 1:
            return "budget"
        patience = self.options.patience
        return "early stop" if patience and self.progress.since_best >= patience else None

    def _since(self, began: float) -> float:
        """Seconds; where the clock decides, those of process 0, so that all decide the same."""
        seconds = time.monotonic() - began
        return seconds if self.steps else self.group.broadcast(seconds)

    def _asked_to_stop(self) -> bool:
        return self.group.any(self.stop())

    # ── where the budget stands ────────────────────────────────────────────────────────────────────────────

    def _elapsed(self) -> float:
        """Steps made or, where the clock decides, seconds: those spent, or what the passes made are worth."""
        if self.steps:
            return self.progress.step
        passes = self.progress.step / self.most_steps if self.most_steps else 0.0
        return max(self.progress.seconds, passes * self._budget())

    def _budget(self) -> float:
        return self.steps or (self.options.minutes or 0) * 60

    def _spent(self) -> float:
        return min(1.0, self._elapsed() / self._budget())

    def _next_evaluation(self, took: float = 0.0) -> float:
        """At multiples of the interval, wherever the run was stopped and resumed in between.

        Args:
            took: seconds of the last evaluation.
        """
        interval = self.interval if self.steps else self._budget() / self.options.evaluations
        earliest = self._elapsed() + (0.0 if self.steps else EVALUATION_PAUSE * took)
        return interval * (math.floor(earliest / interval + 1e-9) + 1)

    # ── one step ───────────────────────────────────────────────────────────────────────────────────────────

    def _step(self) -> Iterator[Event]:
        began, p = time.monotonic(), self.progress
        batch = next(self.batches)
        lr = rate(self.options, self._progress_of_next(), p.cuts)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        parts = self._parts.count
        loss = self._learn(batch)
        if self._parts.count != parts:
            yield self._halved(batch)
        if self.options.l1:
            add_l1(self.parameters, self.options.l1)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.options.clip or math.inf)
        looked_at = self.device.type == "cpu" or (p.step + 1) % GPU_STRIDE == 0
        if looked_at:
            self._refuse_nan(loss.item(), norm.item())
        if self.options.gradient_noise:
            ordered = [p for group in self.optimizer.param_groups for p in group["params"]]
            add_noise(ordered, self.options.gradient_noise, p.step, self.options.seed or 0)
        self.optimizer.step()
        p.step += 1
        self.mean.update(p.step)
        self._speed.add(batch.inputs.size, time.monotonic() - began)
        if looked_at:
            if (batch.targets != IGNORE).any():
                p.add_loss(loss.item(), 1 if self.device.type == "cpu" else GPU_STRIDE)
            p.grad_norm = norm.item()
            spent, speed = self._spent(), self.tokens_per_second
            left = p.seconds * (1 - spent) / spent if spent and p.seconds else None
            figures = (lr, p.grad_norm, speed, left, loss.item())
            yield Step(p.step, self._epoch(), spent, p.train_loss or 0.0, *figures)

    @property
    def tokens_per_second(self) -> float:
        """The speed of the last steps."""
        return self._speed.tokens_per_second

    def _learn(self, batch: Batch) -> torch.Tensor:
        """The batch's mean loss, with its gradient: of this process's share part by part, then of all."""
        self._rows, share = len(batch.reset_state), self.group.share(batch)
        if batch.reset_state.all():  # in every process and part alike, so that all states have one shape
            self.state = None
        count = max(1, int((batch.targets != IGNORE).sum()))
        learn = partial(self._learn_share, share, count)
        with self.group.own_draws(self.options.seed or 0, self.progress.step, self.device):
            loss, self.state = self._parts.run(learn, len(share.reset_state), self.device)
        return self.group.sum_gradients(self.parameters, loss)

    def _learn_share(self, share: Batch, count: int, parts: list[slice]) -> tuple[torch.Tensor, State]:
        """Set the gradient of all rows' surprisal over ``count``, part by part → it, and the state after."""
        self.optimizer.zero_grad(set_to_none=True)
        loss, states = torch.zeros((), device=self.device), []
        for rows in parts:
            mean, state = self._learn_part(share.rows(rows), rows, count)
            loss += mean.detach()
            states.append(state)
        return loss, tuple(torch.cat(arrays) for arrays in zip(*states, strict=True))

    def _halved(self, batch: Batch) -> Warned:
        """Keep that memory did not suffice, for the steps to come and for resuming."""
        p, parts = self.progress, self._parts.count
        p.parts = parts
        return Warned(
            f"memory did not suffice for a batch of {len(batch.reset_state)} rows at step {p.step + 1}: from "
            f"there on each gradient is computed in {parts} parts, as by --accumulate {parts}"
        )

    def _learn_part(self, part: Batch, rows: slice, count: int) -> tuple[torch.Tensor, State]:
        """Add the gradient of some rows' surprisal over ``count`` → it, and their state after."""
        before = None if self.state is None else tuple(array[rows] for array in self.state)
        share = self.options.scheduled_sampling * self._progress_of_next()
        learner = self.learner or self.network
        part = scheduled_inputs(learner, part, before, share, self.precision)
        loss, after = batch_loss(learner, part, before, self.precision, reduction="sum")
        mean = loss / count
        mean.backward()  # type: ignore[no-untyped-call]
        return mean, after

    def _progress_of_next(self) -> float:
        """The step about to be made counts as made, or the first one would learn nothing."""
        return (self.progress.step + 1) / self.steps if self.steps else self._spent()

    def _refuse_broken_weights(self) -> None:
        """A gradient may overflow where the loss does not, and on a GPU the loss is looked at seldom."""
        if not all(bool(parameter.isfinite().all()) for parameter in self.parameters):
            self._diverged(f"the weights are no longer numbers after step {self.progress.step}")

    def _refuse_nan(self, loss: float, norm: float) -> None:
        """No update is made of a loss or a gradient that is no number."""
        for name, value in (("loss", loss), ("gradient", norm)):
            if not math.isfinite(value):
                self._diverged(f"the {name} became {value} at step {self.progress.step + 1}")

    def _refuse_absurd(self, loss: Loss) -> None:
        """A state that nothing is to be learnt from any more must not take the place of a good one."""
        nats = loss.nats_per_token if loss.network_nats is None else loss.network_nats / max(1, loss.tokens)
        if loss.tokens and not nats < ABSURD:
            self._diverged(f"the validation loss became {nats:.3g} nats a token at step {self.progress.step}")

    def _diverged(self, what: str) -> NoReturn:
        rate, best = self.optimizer.param_groups[0]["lr"], self.progress.best_step
        tries = [f"--lr {rate / 3:.1g}", *["--clip 1"] * (not self.options.clip)]
        tries += ["--precision fp32"] * (self.precision == "bf16")
        mend = f"start again with {' or '.join(tries)}"
        if best or self.starts_trained:
            kept = f"the weights of step {best} are kept"
            mend = f"{kept}: go on from them by --init-from, with {' or '.join(tries)}"
        raise DivergedError(f"{what}, at the learning rate {rate:.2g}; {mend}")

    def _epoch(self) -> float:
        return self.progress.step / self.batches.steps_per_epoch

    # ── evaluating and saving ──────────────────────────────────────────────────────────────────────────────

    def _evaluate(self) -> Iterator[Event]:
        self._refuse_broken_weights()
        p = self.progress
        with self.mean.applied():
            self._refuse_absurd(loss := self.evaluate())
            score = self.score() if self.score else None
        merit = loss.nats_per_token if score is None else -score
        self.mean.observe(p.step, merit)
        best = merit < p.best
        if best:
            p.best, p.best_nats_per_char, p.best_step = merit, loss.nats_per_char, p.step
        p.since_best = 0 if best else p.since_best + 1
        if p.since_best and p.since_best % 2 == 0:  # two in a row: plateau halves the rate
            p.cuts += 1
        lr = self.optimizer.param_groups[0]["lr"]
        found = (loss.nats_per_token, loss.nats_per_char, best, score)
        yield Evaluated(p.step, *found)
        alone = loss.network_nats
        network = None if alone is None else alone / max(1, loss.tokens)
        yield from self.save(
            self, MetricsRow(p.step, self._epoch(), lr, p.train_loss, *found, network, p.grad_norm)
        )

    def weights(self) -> Tensors:
        """Return the parameters to evaluate and save, in fp32: their running mean, if there is one."""
        with self.mean.applied():
            return weights_of(self.network)

    def whole_state(self) -> State:
        """Return the state of the streams of all processes; all must call it together."""
        return self.group.whole(self.state or (), self._rows)

    def snapshot(self) -> tuple[Tensors, dict[str, Any]]:
        """Return all that the future depends on: tensors, and a record for JSON; calls ``whole_state``."""
        tensors = {f"network.{name}": array for name, array in weights_of(self.network).items()}
        tensors |= {f"mean.{i}": _array(mean) for i, mean in enumerate(self.mean.mean)}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": _array(v) for key, v in slots.items() if v is not None}
        tensors |= {f"state.{i}": _array(array) for i, array in enumerate(self.whole_state())}
        tensors["rng.cpu"] = torch.get_rng_state().numpy()
        if self.device.type == "cuda":
            tensors["rng.cuda"] = torch.cuda.get_rng_state(self.device).numpy()
        progress, mean = asdict(self.progress), self.mean.record()
        return tensors, {"progress": progress, "position": self.batches.position(), "mean": mean}

    def restore(self, tensors: Tensors, record: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        try:
            self.network.load_state_dict(_tensors(tensors, "network."))
        except RuntimeError as error:
            raise ModelError(
                f"the saved weights are not this network's ({' '.join(str(error).split())}); install the "
                "version of its cell's package that config.json names"
            ) from error
        means = _tensors(tensors, "mean.")
        self.mean.restore(record.get("mean", {}), [means[str(i)] for i in range(len(means))])
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in _tensors(tensors, "optimizer.").items():
            index, _, key = name.partition(".")
            slots.setdefault(int(index), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})
        state = _tensors(tensors, "state.")
        self._rows = len(state["0"]) if state else 0
        own = self.group.rows(self._rows)
        self.state = tuple(state[str(i)][own].to(self.device) for i in range(len(state))) or None
        torch.set_rng_state(torch.from_numpy(tensors["rng.cpu"]))
        if self.device.type == "cuda" and "rng.cuda" in tensors:
            torch.cuda.set_rng_state(torch.from_numpy(tensors["rng.cuda"]), self.device)
        self.progress = Progress(**record["progress"])
        self._parts.count = max(self.options.accumulate, self.progress.parts)
        self.batches.restore(record["position"])


def _array(value: Any) -> np.ndarray[Any, Any]:
    return np.asarray(value.detach().cpu() if isinstance(value, torch.Tensor) else value).copy()


def _tensors(arrays: Tensors, prefix: str) -> dict[str, torch.Tensor]:
    """Return copies of the arrays under a prefix, without it, as torch tensors."""
    found = {name: array.copy() for name, array in arrays.items() if name.startswith(prefix)}
    return {name.removeprefix(prefix): torch.from_numpy(array) for name, array in found.items()}


def scheduled_inputs(network: Any, batch: Batch, state: State | None, share: float, precision: str) -> Batch:
    """Return a batch with a share of its inputs, but no row's first, replaced by the most probable tokens.

    A network that has only ever read flawless text does not know how to go on after a mistake of its own. The
    predictions come from a first pass without gradient, all at once (Mihaylova and Martins 2019), instead of
    one after another (Bengio et al. 2015).
    """
    if not share:
        return batch
    device = next(network.parameters()).device
    inputs = torch.from_numpy(batch.inputs).to(device)
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        logits, _ = network(inputs, initial_states(network, batch, state))
    coins = torch.rand(inputs[:, 1:].shape) < share
    predicted = torch.where(coins.to(device), logits[:, :-1].argmax(-1), inputs[:, 1:])
    return batch._replace(inputs=torch.cat([inputs[:, :1], predicted], dim=1).cpu().numpy())
