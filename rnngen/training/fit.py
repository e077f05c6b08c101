"""A plan of training, carried out: builds what it needs with torch and passes the events on."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Generator as EventGenerator
from contextlib import closing
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from rnngen.builtins.strategies.sampling import Greedy, Sample
from rnngen.contracts import Listener
from rnngen.data.batches import Batches, SourceBatches, SpanBatches, StreamBatches, example_spans
from rnngen.data.dataset import named
from rnngen.decoding.text_stream import decode
from rnngen.errors import CorpusError
from rnngen.evaluation import seq2seq_metrics
from rnngen.evaluation.perplexity import LossEvaluator
from rnngen.events import Evaluated, Event, Finished, Judged, Sampled, Saved, Started, Warned
from rnngen.generation.generator import GenerationSettings, Generator, Prompt
from rnngen.inference.build import numpy_step
from rnngen.inference.torch_model import torch_step
from rnngen.nn.allocator import kept_memory
from rnngen.nn.build import build_network, load_weights
from rnngen.nn.devices import choose_precision
from rnngen.nn.network import regularise, weights_of
from rnngen.nn.regularizers import heads
from rnngen.registry.components import Tokenizers
from rnngen.store.checkpoint import Tensors
from rnngen.store.model_folder import TRAINED_TOKENS, TRAINING, read_model
from rnngen.training.baseline_check import below_floor
from rnngen.training.distributed import Team, current
from rnngen.training.model_card import model_card
from rnngen.training.optimizers import make_noisy
from rnngen.training.plan import Plan
from rnngen.training.run_folder import RunFolder
from rnngen.training.shared import SharedLossEvaluator, run_folder
from rnngen.training.trainer import Trainer

STATE_RESET_PROB = 0.02
"""How often a stream of free text begins a window afresh; see ``StreamBatches``."""
LANES = 32
"""Stretches of the held-out text that are read side by side while training; the final figure is exact."""
TRIED = 500_000
"""Tokens of the held-out text that are tried while training; more would take longer and say little more."""
JUDGED = 500_000
"""Tokens of it that the final figure is taken from; ``rnngen eval`` reads all."""
TASTE = 240
"""Tokens of the samples that are shown while training."""
SCORED = 500
"""Held-out sources that are answered at each evaluation, where what answers score decides."""
MEASURES: dict[str, Callable[[list[str], list[str]], float]] = {
    "bleu": seq2seq_metrics.bleu,
    "chrf": seq2seq_metrics.chrf,
    "accuracy": seq2seq_metrics.sequence_accuracy,
}
"""What ``TrainingOptions.best`` may name."""
ANSWERS = 3
"""Answers to held-out sources that are shown, where pairs are learnt."""


def fit(plan: Plan, stop: Callable[[], bool], listeners: Sequence[Listener] = ()) -> Iterator[Event]:
    """Train, save, and report.

    Args:
        plan: what to do.
        stop: asked after each step whether to stop.
        listeners: told of every event; one that fails is told no more.

    Raises:
        DivergedError: if the loss is no longer a number.
        DeviceError: if the device is not there.
    """
    heard = list(listeners)
    with kept_memory():
        for event in _flushing_denormals(_fit(plan, stop)):
            yield event
            for listener in list(heard):
                try:
                    listener(event)
                except Exception as error:  # a stranger's code must not stop the training
                    heard.remove(listener)
                    yield Warned(f"a listener failed and is told no more ({type(error).__name__}: {error})")


def _flushing_denormals(events: Iterator[Event]) -> Iterator[Event]:
    """Take a denormal for zero while training works, since it slows a recurrence tenfold and more.

    Between two events the processor is as the caller had it: several runs may be under way in one process.
    """
    with closing(cast("EventGenerator[Event]", events)):
        while True:
            before = sys.float_info.min / 2 == 0
            torch.set_flush_denormal(True)
            try:
                event = next(events, None)
            finally:
                torch.set_flush_denormal(before)
            if event is None:
                return
            yield event


def _fit(plan: Plan, stop: Callable[[], bool]) -> Iterator[Event]:
    options = plan.config.training
    torch.manual_seed(options.seed or 0)
    team = current()
    device = team.device(options.device)
    plan = plan.with_device_defaults(device.type)
    precision = choose_precision(options.precision, device)
    network = build_network(plan.parts["cell"], plan.config)
    counts = torch.from_numpy(_counts(plan))
    if plan.start_from:
        load_weights(network, plan.start_from.weights)
    network.to(device)
    regularise(network, options)
    for head in heads(network):
        head.smoothing = options.label_smoothing
        if not plan.start_from:
            head.expect(counts.to(device))
        if plan.config.corpus.own_vocabulary:  # what only the other model met has to be unlearnt
            head.restrict(counts)
    batches, judge, folder = (
        make_batches(plan),
        SharedLossEvaluator(network, precision, team),
        _folder(plan, team),
    )
    val = plan.encoded.val.prefix(TRIED)
    held_out = partial(judge.stream, val, has_eos=plan.encoded.has_eos, streams=LANES, seq=256)
    pause = 2 * len(val) // (options.batch * options.seq)
    trainer = Trainer(network, batches, held_out, options, precision, folder.save, stop, pause=pause)
    trainer.score, trainer.team = _scorer(plan, network, team), team
    make_noisy(trainer.optimizer, options.gradient_noise, lambda: trainer.progress.step, options.seed or 0)
    try:
        if plan.resumed:
            trainer.restore(*folder.load())
            folder.write_config()
        else:
            folder.begin()
        yield _started(plan, trainer)
        yield from _shortages(plan, batches)
        yield from trainer.run() if team.rank else _with_extras(plan, trainer, folder)
    finally:
        folder.abandon()


def _with_extras(plan: Plan, trainer: Trainer, folder: RunFolder) -> Iterator[Event]:
    """The trainer's events, with samples in between and an exact judgement of the best weights at the end."""
    tried = False
    for event in trainer.run():
        if isinstance(event, Finished) and event.reason != "interrupt":
            judged = _judge(plan, trainer, folder)
            folder.write_card(model_card(plan.name, plan.config, judged, event))
            yield judged
            improving = trainer.progress.best_step == trainer.progress.step
            if worse := below_floor(plan.encoded, judged.stream, improving=improving):
                yield Warned(worse)
        yield event
        tried = tried or isinstance(event, Evaluated)
        if tried and isinstance(event, Saved) and event.path.endswith(TRAINING):  # all of it is saved
            tried = False
            yield Sampled(event.step, _preview(plan, trainer))


def _judge(plan: Plan, trainer: Trainer, folder: RunFolder) -> Judged:
    """Try the weights that are kept, in fp32 as they are used and as ``rnngen eval`` does."""
    began, judge = time.monotonic(), LossEvaluator(trainer.network)
    val, has_eos = plan.encoded.val.prefix(JUDGED), plan.encoded.has_eos
    load_weights(trainer.network, read_model(folder.folder).weights)
    stream = judge.stream(val, has_eos=has_eos).nats_per_char
    window = judge.window(val, has_eos=has_eos).nats_per_char
    return Judged(trainer.progress.best_step, stream, window, time.monotonic() - began)


def _preview(plan: Plan, trainer: Trainer) -> str:
    """What the network writes now; its draws are its own, so that training does not depend on them."""
    encoded, step = plan.encoded, trainer.progress.step
    generator = _generator(plan, trainer.network, trainer.weights())
    if encoded.val.source is None:
        settings = GenerationSettings(length=TASTE, seed=step)
        text = "".join(output.text for output in generator.generate([Prompt()], Sample(), settings))
    else:
        chosen = np.random.default_rng(step).integers(encoded.val.examples, size=ANSWERS)
        pieces, source = generator.tokenizers.source.pieces, encoded.val.source
        sources = [decode(pieces, source.example(number)) for number in chosen]
        outputs = _greedy(generator, sources)
        text = "\n".join(f"{source} → {output}" for source, output in zip(sources, outputs, strict=True))
    trainer.network.train()
    return text.strip()


def _generator(plan: Plan, network: nn.Module, weights: Tensors) -> Generator:
    """The network as it is, ready to generate."""
    encoded = plan.encoded
    return Generator(
        numpy_step(plan.parts["cell"], plan.config, weights) or torch_step(network),
        Tokenizers(encoded.tokenizer, encoded.source_tokenizer),
        has_eos=encoded.has_eos,
        reads_source=encoded.train.source is not None,
        default_prompt=encoded.default_prompt,
    )


def _greedy(generator: Generator, sources: Sequence[str]) -> list[str]:
    prompts = [Prompt("", source) for source in sources]
    return [output.text for output in generator.generate(prompts, Greedy(), GenerationSettings())]


def _scorer(plan: Plan, network: nn.Module, team: Team) -> Callable[[], float] | None:
    """What greedy outputs for some validation sources score, where the user wants that to decide."""
    measure, val = plan.config.training.best, plan.encoded.val
    if measure == "loss" or val.source is None:
        return None
    numbers = range(min(SCORED, val.examples))
    sources = [decode(plan.encoded.source_tokenizer.pieces, val.source.example(n)) for n in numbers]
    texts = [decode(plan.encoded.tokenizer.pieces, val.example(number)) for number in numbers]

    def score() -> float:
        outputs = _greedy(_generator(plan, network, weights_of(network)), sources)
        network.train()
        return MEASURES[measure](outputs, texts)

    return partial(team.first, score)


def make_batches(plan: Plan) -> Batches:
    """Batches of the training text, as the task wants them.

    Raises:
        CorpusError: if the text is shorter than one sequence.
    """
    store, options = plan.encoded.train, plan.config.training
    budget = options.batch * options.seq
    if store.source is not None:
        return _pair_batches(plan, budget)
    if plan.encoded.has_eos:
        return SpanBatches(store, example_spans(store, budget), budget, options.seed or 0)
    if store.text_tokens < options.seq:
        raise CorpusError(
            f"{named(plan.config.corpus.paths)} is too small: {store.text_tokens} tokens to train on are "
            f"fewer than one sequence of {options.seq}; give more text, or a shorter --seq"
        )
    return StreamBatches(
        store,
        options.batch,
        options.seq,
        state_reset_prob=STATE_RESET_PROB,
        seed=options.seed or 0,
        vary=options.vary_seq,
    )


def _pair_batches(plan: Plan, budget: int) -> SourceBatches:
    options = plan.config.training
    batches = SourceBatches(plan.encoded.train, budget, options.seed or 0, options.max_length)
    if not len(batches.starts):
        place, limit = named(plan.config.corpus.paths), options.max_length
        raise CorpusError(f"{place}: every pair has a side of more than {limit} tokens; raise --max-length")
    return batches


def _folder(plan: Plan, team: Team) -> RunFolder:
    seen = (_counts(plan) > 0).astype(np.uint8)
    return run_folder(team, plan.path, plan.config, plan.encoded.tokenizer_json, {TRAINED_TOKENS: seen})


def _counts(plan: Plan) -> "np.ndarray[Any, Any]":
    """How often each token occurs in the training text, (V,)."""
    return plan.encoded.train.counts(plan.config.vocabulary)


def _started(plan: Plan, trainer: Trainer) -> Started:
    return Started(
        model=plan.name,
        path=str(plan.path),
        parameters=sum(p.numel() for p in trainer.parameters),
        vocabulary=plan.config.vocabulary,
        train_tokens=len(plan.encoded.train),
        val_tokens=len(plan.encoded.val),
        device=str(trainer.device),
        precision=trainer.precision,
        seed=plan.config.training.seed or 0,
        step=trainer.progress.step,
        steps=trainer.steps,
    )


def _shortages(plan: Plan, batches: Batches) -> Iterator[Warned]:
    """What was done otherwise than asked, because the text is as it is."""
    options, store = plan.config.training, plan.encoded.train
    if isinstance(batches, StreamBatches) and batches.batch < options.batch:
        there = f"{batches.batch} streams of --seq {options.seq}"
        yield Warned(f"the corpus is short: {there} instead of --batch {options.batch}")
    if isinstance(batches, StreamBatches) and batches.batch < current().size:
        yield Warned(f"{current().size} processes share {batches.batch} streams, so that some learn nothing")
    if isinstance(batches, SourceBatches):
        if batches.left_out:
            which = f"{batches.left_out} of {store.examples} pairs"
            yield Warned(
                f"{which} have a side of more than {options.max_length} tokens and are left out of training; "
                "--max-length lets them in"
            )
    elif plan.encoded.has_eos:
        limit = options.batch * options.seq
        long = int((np.diff(store.starts) > limit).sum())
        if long:
            yield Warned(f"{long} examples are longer than {limit} tokens and are learnt in pieces")
