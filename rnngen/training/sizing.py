"""The choice of a network's size for a text and a budget: the rule, and the measurements behind it.

::

    a few steps at two sizes ─▸ seconds a token = fixed + each · parameters      of this machine
    budget ─▸ tokens that each size could read ─▸ the largest size that reads enough of them

It rests on an LSTM with layer normalisation (``builtins.cells.lstm``) on a million characters of verse, three
minutes on two cores, one seed each, nats per character of the validation text (stream):

    hidden  streams  rate   dropout   tokens a parameter   nats
    256     32       0.003  0.2       23                   1.466
    384     32       0.003  0.25       9                   1.439
    448     64       0.005  0.25       6                   1.428
    512     64       0.005  0.3        4                   1.418
    640     64       0.005  0.3        2                   1.416
    384     32       0.003  0.2       16, the plain cell   1.472

Other budgets are scaled from there. With the passes, the dropout and the weight decay of ``overfitting``,
width pays also where parameters outnumber tokens: for 12,000 to 100,000 characters 384 units are better than
96 to 256 (see the guide "benchmarks"). Pairs have the widest, up to that of ``overfitting``, with which all
of them are read ``PASSES_OF_PAIRS`` times, or ``PAIRED_TOKENS_A_PARAMETER``.
"""

import math
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any, cast

import torch

from rnngen.data.batches import Batch, Batches
from rnngen.errors import OptionError, UsageError
from rnngen.events import Step, report
from rnngen.nn.build import build_network, without_memory
from rnngen.nn.devices import choose_device, denormals_flushed, kept_memory
from rnngen.options.model import TrainingOptions
from rnngen.requests.train import TrainRequest
from rnngen.training.budget import planned_steps
from rnngen.training.fit import make_batches, make_trainer
from rnngen.training.overfitting import TrainingText, width_of_pairs, with_data_defaults
from rnngen.training.plan import Plan
from rnngen.training.trainer import WARM_UP_STEPS

TOKENS_A_PARAMETER = 4
"""Tokens that a network should read for each of its parameters."""
LONG = 500_000
"""Tokens of free text above which…"""
PACE: dict[str, Any] = {"batch": 64, "lr": 0.005}
"""…this is the pace: larger products are faster, and a cleaner gradient bears a longer step."""
PASSES_OF_PAIRS = 7
"""Passes over pairs that a network should read: they are few, and all of them have something to say…"""
PAIRED_TOKENS_A_PARAMETER = 6
"""…or the tokens for each parameter, where there are more of them than it takes."""
PARAMETERS_A_TOKEN = 10
"""Most parameters for each token of the text, in networks wider than ``ANY_TEXT``."""
ANY_TEXT = 384
"""A width that any text can have; the default of ``NetworkOptions``."""
SIZES: tuple[int, ...] = (64, 96, 128, 192, 256, 384, 448, 512, 640, 768, 1024, 1280, 1536)
"""The widths to choose from."""
TIMED = (128, 512)
"""The widths that are timed."""
SECONDS = 1.5
"""Time for each."""


@dataclass(frozen=True)
class Proposal:
    """The plan of a run with its sizes, and the reasons for them."""

    plan: Plan
    parameters: int
    tokens: int
    """Tokens that training will read, padding not counted."""
    tokens_per_second: float
    """Measured on this machine, padding counted, as training reports it."""
    seconds: float
    """Time for them, evaluations not included."""
    reasons: tuple[str, ...]

    def under(self, request: TrainRequest) -> TrainRequest:
        """Return a request with what this chooses below it."""
        network, training = self.plan.config.network, self.plan.config.training
        sizes = {"hidden": network.hidden, "dropout": network.dropout}
        pace = {"batch": training.batch, "lr": training.lr}
        return replace(
            request,
            params=None,
            network=request.network.adding({**sizes, **request.network.values}),
            training=request.training.adding({**pace, **request.training.values}),
        )

    def as_json(self) -> dict[str, object]:
        """The record that ``--plan --json`` prints."""
        config = self.plan.config
        sizes, pace = ("hidden", "layers", "dropout"), ("batch", "seq", "optimizer", "lr", "schedule")
        return {
            "model": self.plan.name,
            "cell": config.cell.name,
            "tokenizer": config.tokenizer.name,
            "vocabulary": config.vocabulary,
            **{name: getattr(config.network, name) for name in sizes},
            **{name: getattr(config.training, name) for name in pace},
            "parameters": self.parameters,
            "tokens": self.tokens,
            "tokens_per_second": round(self.tokens_per_second),
            "seconds": round(self.seconds),
            "reasons": list(self.reasons),
            "text": {
                key: value for key, value in self.plan.encoded.surveyed.as_json().items() if key != "event"
            },
        }


def propose(plan: Plan, parameters: int | None = None, *, given: Collection[str] = ()) -> Proposal:
    """Fill in the sizes of a plan and its pace, and estimate its time.

    Args:
        plan: a new run.
        parameters: the number that the network should have; None leaves that to the budget.
        given: the options that were given, which stand. With sizes among them, so does all else.

    Raises:
        OptionError: if no network has so few parameters.
    """
    reasons: list[str] = []
    plan = plan.with_device_defaults(choose_device(plan.config.training.device).type)
    free = parameters is None and plan.config.training.minutes and not {"hidden", "layers"} & {*given}
    plan = _regularized(_paced(plan, given) if free else plan, given)
    batches = _Again(make_batches(plan))
    if parameters is not None:
        plan = _sized(plan, _nearest(plan, parameters))
        reasons.append(f"hidden {plan.config.network.hidden}: the width nearest to {parameters:,} parameters")
    elif free:
        plan, why = _affordable(plan, batches)
        reasons += why
    elif plan.encoded.train.source is not None and "hidden" not in given:
        amount = f"{len(plan.encoded.train):,} tokens of targets"
        reasons.append(
            f"hidden {plan.config.network.hidden}: its square is no more than {amount}, or it is the least"
        )
    plan = _regularized(plan, given)
    count, rate = parameters_of(plan), _rate(plan, batches)
    passes = _passes(plan.config.training, batches, rate, len(plan.encoded.train))
    tokens, seconds = round(passes * len(plan.encoded.train)), passes * batches.tokens_per_epoch / rate
    plan = _regularized(plan, given, passes)
    reasons += _regularization(plan, given, passes, tokens / count)
    if seconds < 0.95 * 60 * (plan.config.training.minutes or 0):
        reasons.append("that takes less than the time given: more passes lower the validation loss no more")
    if count > PARAMETERS_A_TOKEN * len(plan.encoded.train):
        reasons.append(
            "a network of this size learns so short a text by heart: the held-out part decides which weights "
            "are kept, and a warning at the end says if a 5-gram does as well"
        )
    return Proposal(plan, count, tokens, rate, seconds, tuple(reasons))


def _paced(plan: Plan, given: Collection[str]) -> Plan:
    """The plan at the pace of long texts, if its text is one; what was given stands."""
    length = len(plan.encoded.train)
    if plan.encoded.has_eos or length < LONG:
        return plan
    pace = {} if PACE.keys() & {*given} else PACE
    training = replace(plan.config.training, **pace)
    return replace(plan, config=plan.config.replace(training=training))


def _regularized(plan: Plan, given: Collection[str], epochs: float | None = None) -> Plan:
    """The plan with what its sizes and so many passes ask for against overfitting; what was given stands."""
    config = plan.config
    network = config.network if "dropout" in given else replace(config.network, dropout=None)
    opened: dict[str, Any] = dict.fromkeys({"max_epochs", "weight_decay"} - {*given})
    training = replace(config.training, **opened)
    text = TrainingText.of(plan.encoded)
    cell = plan.parts["cell"].options
    given = {*given, "hidden"}  # it has been chosen
    network, training = with_data_defaults(network, training, text, epochs, given=given, cell=cell)
    return replace(plan, config=config.replace(network=network, training=training))


def _regularization(plan: Plan, given: Collection[str], epochs: float, each: float) -> list[str]:
    length, network, training = len(plan.encoded.train), plan.config.network, plan.config.training
    reasons = [f"the text is read {epochs:.1f} times, {each:.0f} tokens for each parameter"]
    if "dropout" not in given:
        passes = f"{epochs:.1f} passes over {length:,} tokens"
        reasons.append(f"dropout {network.dropout:g}: {passes}, hidden {network.hidden}")
    if "weight_decay" not in given:
        decay = f"weight decay {training.weight_decay:g}"
        reasons.append(f"{decay}: {length:,} tokens in batches of {training.batch * training.seq:,}")
    return reasons


def _affordable(plan: Plan, batches: "_Again") -> tuple[Plan, list[str]]:
    """The plan with the largest width that its minutes and its text can feed."""
    timed = [_sized(plan, hidden) for hidden in TIMED]
    (small, quick), (large, slow) = ((parameters_of(one), 1 / _rate(one, batches)) for one in timed)
    each = max(1e-12, (slow - quick) / (large - small))
    fixed = max(0.0, quick - each * small)
    seconds, text = (plan.config.training.minutes or 0) * 60, len(plan.encoded.train)
    padded = batches.tokens_per_epoch / max(1, text)
    passes, each_parameter, widths = math.inf, TOKENS_A_PARAMETER, SIZES
    amount = f"{each_parameter} tokens a parameter"
    if plan.encoded.train.source is not None:
        passes, each_parameter = PASSES_OF_PAIRS, PAIRED_TOKENS_A_PARAMETER
        widths = SIZES[: SIZES.index(width_of_pairs(text)) + 1]
        amount = f"all pairs {passes} times, or {each_parameter} tokens a parameter,"
    chosen = SIZES[0]
    for hidden in widths:
        count = parameters_of(_sized(plan, hidden))
        tokens = seconds / (fixed + each * count) / padded
        suits = hidden <= ANY_TEXT or count <= PARAMETERS_A_TOKEN * text
        if suits and tokens >= min(passes * text, each_parameter * count):
            chosen = hidden
    bound = f" and suits a text of {text:,} tokens" if chosen >= ANY_TEXT or chosen == widths[-1] else ""
    return _sized(plan, chosen), [f"hidden {chosen}: the widest that reads {amount} in that time{bound}"]


def _nearest(plan: Plan, parameters: int) -> int:
    """The width whose network has that many parameters, in steps that keep products quick."""
    low, high = 8, 16
    if parameters_of(_sized(plan, low)) > 2 * parameters:
        least = parameters_of(_sized(plan, low))
        raise OptionError(f"`params={parameters}`: with this vocabulary there are {least:,} at least")
    while parameters_of(_sized(plan, high)) < parameters:
        low, high = high, 2 * high
    away: dict[int, int] = {}
    for hidden in range(low, high + 1, 2 if low < 64 else 8):
        with suppress(UsageError):  # a width that does not suit the cell's options, as heads do not any
            away[hidden] = abs(parameters_of(_sized(plan, hidden)) - parameters)
    return min(away, key=away.__getitem__)


def _sized(plan: Plan, hidden: int) -> Plan:
    network = replace(plan.config.network, hidden=hidden)
    return replace(plan, config=plan.config.replace(network=network))


def parameters_of(plan: Plan) -> int:
    """Return the number of parameters of the network; those of layers are not allocated."""
    cell = plan.parts["cell"]
    with torch.random.fork_rng(devices=[]) if cell.whole else without_memory():
        return sum(p.numel() for p in build_network(cell, plan.config).parameters())


class _Again:
    """The first batches of others, again and again: as much of ``Batches`` as training without end reads.

    A shape that comes for the first time takes much longer.
    """

    def __init__(self, batches: Batches) -> None:
        self.store, self.steps_per_epoch = batches.store, batches.steps_per_epoch
        self.tokens_per_epoch = batches.tokens_per_epoch
        self._batches = cycle([next(batches) for _ in range(WARM_UP_STEPS)])

    def __next__(self) -> Batch:
        return next(self._batches)


def _rate(plan: Plan, batches: _Again) -> float:
    """Tokens a second of training on this machine: the trainer itself, run for a moment."""
    training = replace(plan.config.training, steps=1 << 40, epochs=None, minutes=None)  # no evaluation
    training = replace(training, ngram="none")
    plan = replace(plan, config=plan.config.replace(training=training))
    work = f"timing training at hidden {plan.config.network.hidden}"
    report(work)
    with torch.random.fork_rng(devices=[]), kept_memory(), denormals_flushed():
        trainer = make_trainer(plan, choose_device(training.device), batches=cast(Batches, batches))
        until, timed, rate = time.monotonic() + SECONDS, False, 0.0
        for event in trainer.run():
            if isinstance(event, Step):
                rate, timed = event.tokens_per_second, event.step > WARM_UP_STEPS
            left = until - time.monotonic()
            report(work, min(1.0, 1 - left / SECONDS))
            if timed and left < 0:
                break
    return rate


def _passes(options: TrainingOptions, batches: _Again, rate: float, tokens: int) -> float:
    """Passes over a text of so many tokens in a budget, at a number of tokens a second, padding included."""
    if options.minutes:
        return min(
            options.minutes * 60 * rate / max(1, batches.tokens_per_epoch), options.max_epochs or math.inf
        )
    return (planned_steps(options, batches.steps_per_epoch, tokens) or 0) / batches.steps_per_epoch
