"""A plan of training, carried out: builds what it needs with torch and passes the events on."""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from rnngen.contracts import ClosingListener, Listener, PieceNetwork
from rnngen.data.batches import Batches, SourceBatches, SpanBatches, StreamBatches, example_spans
from rnngen.data.dataset import named
from rnngen.data.spelling import alphabet
from rnngen.data.survey import hash_of
from rnngen.errors import CorpusError, OptionError
from rnngen.events import (
    Copied,
    Evaluated,
    Event,
    FinalEvaluation,
    Finished,
    Sampled,
    Saved,
    Started,
    Step,
    Warned,
)
from rnngen.nn.build import build_network, check_stored, load_weights
from rnngen.nn.devices import choose_precision, denormals_flushed, kept_memory
from rnngen.nn.distillation import Distillation
from rnngen.nn.growth import grown
from rnngen.nn.network import weights_of
from rnngen.nn.regularizers import TrainingSetup
from rnngen.options import PENALTY, marked
from rnngen.printable import counted
from rnngen.store import folders
from rnngen.store.card import model_card
from rnngen.store.checkpoint import Tensors
from rnngen.store.model_folder import (
    ALPHABET,
    EXAMPLES,
    SOURCE_ALPHABET,
    TARGET_LENGTHS,
    TRAINED_TOKENS,
    TRAINING,
    StoredModel,
    read_metrics,
    read_model,
    staged,
)
from rnngen.training import ensembles, evaluating
from rnngen.training.budget import share_of
from rnngen.training.diagnosis import early_best, remedy
from rnngen.training.distributed import ProcessGroup, current
from rnngen.training.mixing import Mixing
from rnngen.training.plan import Plan
from rnngen.training.run_folder import ReadOnlyRun, RunFolder
from rnngen.training.trainer import MetricsRow, Trainer
from rnngen.training.vocabulary import cut_vocabulary, new_characters

MOST_EXAMPLES = 2_000_000
"""Examples up to which a model keeps a hash of each, 8 bytes."""
STATE_RESET_PROB = 0.02
"""Probability that a stream of free text begins a window from a fresh state; see ``StreamBatches``."""


def fit(
    plan: Plan, stop: Callable[[], bool], listeners: Sequence[Listener] = (), *, extras: bool = True
) -> Iterator[Event]:
    """Train, save, and report; ``stop`` is asked after each step, ``listeners`` hear of every event.

    Without ``extras`` nothing is sampled, and the weights that are kept are not evaluated once more.

    Raises:
        DivergedError: if the loss is no longer a number.
        DeviceError: if the device is not there.
        RnngenError: if another process trains a model of that name.
    """
    heard, opened = list(listeners), [one for one in listeners if isinstance(one, ClosingListener)]
    try:
        with kept_memory(), _claimed(plan):
            for event in _flushing_denormals(_fit(plan, stop, extras=extras)):
                yield event
                yield from _called(heard, event)
        yield from _closed(opened)
    finally:
        deque(_closed(opened), maxlen=0)  # what they say then would hide why the training ended


def _called(listeners: list[Listener], event: Event) -> Iterator[Warned]:
    """Call listeners with an event; one that fails is removed, with a warning."""
    for listener in list(listeners):
        try:
            listener(event)
        except Exception as error:  # a plugin's code must not stop the training
            listeners.remove(listener)
            yield Warned(f"{_failed(listener, error)}, and is called no more")


def _closed(listeners: list[ClosingListener]) -> Iterator[Warned]:
    """Close listeners, each once; yield a warning for one that fails."""
    while listeners:
        try:
            (listener := listeners.pop()).close()
        except Exception as error:
            yield Warned(f"{_failed(listener, error)} while it was closed")


def _failed(listener: object, error: Exception) -> str:
    name = getattr(listener, "__qualname__", type(listener).__qualname__).partition(".<locals>")[0]
    module = getattr(listener, "__module__", type(listener).__module__)
    return f"the listener {module}:{name} failed ({type(error).__name__}: {error})"


@contextmanager
def _claimed(plan: Plan) -> Iterator[None]:
    """Have the model's name to oneself; of several processes the first has it, and alone writes."""
    if current().rank:
        yield
        return
    with folders.claimed(plan.path, "training"):
        plan.check_free()  # others may have made it since it was planned
        yield


def _flushing_denormals(events: Iterator[Event]) -> Iterator[Event]:
    """Flush denormals while training works, and not between two events: several runs may share a process."""
    with closing(cast("Generator[Event]", events)):
        while True:
            with denormals_flushed():
                event = next(events, None)
            if event is None:
                return
            yield event


def _fit(plan: Plan, stop: Callable[[], bool], *, extras: bool) -> Iterator[Event]:
    if not plan.config.training.ensemble:
        yield from _train(plan, stop, extras=extras)
        return
    if not plan.resumed:
        plan = plan.with_device_defaults(current().device(plan.config.training.device).type)
        ended = yield from _train_members(plan, stop)
        if ended == "interrupt":
            return
        plan = ensembles.taught(plan)
    for event in _train(plan, stop, extras=extras):
        if isinstance(event, Finished) and event.reason != "interrupt":
            ensembles.clear(plan.path)
        yield event


def _train_members(plan: Plan, stop: Callable[[], bool]) -> Generator[Event, None, str]:
    """Train the networks of an ensemble one after another → why the last one ended."""
    if current().size > 1:
        raise OptionError("`ensemble`: its networks train one after another in one process; start one")
    ensembles.begin(plan)
    reason = ""
    try:
        for member in ensembles.members(plan):
            for event in _train(member, stop, extras=False):
                if isinstance(event, Finished):
                    reason = event.reason
                if isinstance(event, Started | Step | Evaluated | Saved) or reason == "interrupt":
                    yield event
            if reason == "interrupt":
                break
        return reason
    finally:
        ensembles.discard(plan.path)


def _train(plan: Plan, stop: Callable[[], bool], *, extras: bool = True) -> Iterator[Event]:
    """Train one network; with ``extras`` it is also sampled from and evaluated exactly."""
    torch.manual_seed(plan.config.training.seed or 0)
    group = current()
    device = group.device(plan.config.training.device)
    plan = plan.with_device_defaults(device.type)
    kind = ReadOnlyRun if group.rank else RunFolder
    extra = {TRAINED_TOKENS: evaluating.trained_tokens(plan), **_alphabets(plan), **_examples(plan)}
    if plan.target_lengths is not None:
        extra[TARGET_LENGTHS] = plan.target_lengths
    begun = staged(plan.path) if plan.config.training.ensemble and not plan.resumed else None
    folder = kind(plan.path, plan.config, plan.encoded.tokenizer_json, extra, begun)
    if plan.resumed:
        check_stored(plan.parts["cell"], read_model(plan.path))
    trainer = make_trainer(plan, device, folder.save, stop, group)
    try:
        if plan.resumed:
            trainer.restore(*folder.load())
            folder.write_config()
        else:
            folder.begin()
        yield _started(plan, trainer)
        yield plan.encoded.surveyed
        yield from map(Warned, plan.encoded.surveyed.oddities)
        yield from _shortages(plan, trainer.batches)
        yield from chain(new_characters(plan), cut_vocabulary(plan))
        for event in _with_extras(plan, trainer, folder) if extras and not group.rank else trainer.run():
            folder.check()
            yield event
    finally:
        folder.abandon()


def _examples(plan: Plan) -> dict[str, NDArray[np.uint32]]:
    """Return the hashes of all examples, where they end by themselves and have no source."""
    encoded = plan.encoded
    if not encoded.has_eos or encoded.train.source is not None or encoded.train.examples > MOST_EXAMPLES:
        return {}
    chunks = chain.from_iterable(evaluating.chunks_of(side, encoded) for side in (encoded.train, encoded.val))
    texts = (chunk.text.partition("\t")[2] if encoded.record.labels else chunk.text for chunk in chunks)
    hashes = np.unique(np.fromiter(map(hash_of, texts), np.uint64))
    return {EXAMPLES: hashes.view(np.uint32).reshape(-1, 2)}


def _alphabets(plan: Plan) -> Tensors:
    """Return the characters of this text, and those that the weights have met before, where known."""
    encoded = plan.encoded
    found = {ALPHABET: alphabet(encoded.train, encoded.tokenizer.pieces)}
    if encoded.train.source is not None:
        found[SOURCE_ALPHABET] = alphabet(encoded.train.source, encoded.source_tokenizer.pieces)
    if not (base := plan.start_from):
        return found
    return {name: np.union1d(met, base.weights[name]) for name, met in found.items() if name in base.weights}


def _with_extras(plan: Plan, trainer: Trainer, folder: RunFolder) -> Iterator[Event]:
    """The trainer's events, with samples in between and an exact evaluation of the best weights last."""
    due = False
    for event in trainer.run():
        if isinstance(event, Finished) and event.reason != "interrupt":
            yield from _conclusion(plan, trainer, folder, event)
            continue
        yield event
        due = due or isinstance(event, Evaluated)
        if due and isinstance(event, Saved) and event.path.endswith(TRAINING):  # all of it is saved
            due = False
            weights = {**trainer.weights(), **trainer.beside()}
            with trainer.mean.applied():
                text = evaluating.preview(plan, trainer.network, weights, event.step)
            yield Sampled(event.step, text)


def _conclusion(plan: Plan, trainer: Trainer, folder: RunFolder, finished: Finished) -> Iterator[Event]:
    """Evaluate the weights that are kept, write the model's card, and end with what held them back."""
    result = evaluating.final_evaluation(plan, trainer, folder)
    copied = evaluating.novelty_of(plan, trainer, folder)
    folder.write_card(model_card(plan.name, plan.config, result, finished, str(copied or "")))
    yield result
    if copied:
        yield Copied(str(copied), **copied.as_json())
    rows = read_metrics(folder.folder)
    verdict = [*_verdict(plan, result, finished, rows, trainer.steps)]
    yield from verdict
    advice = remedy(rows, plan.config.training, comparable=_comparable(plan))
    yield finished if verdict else replace(finished, advice=advice)


def _comparable(plan: Plan) -> bool:
    """Return whether the training loss is measured as the validation loss is."""
    training = plan.config.training
    added = marked(training, PENALTY) | marked(plan.parts["cell"].options, PENALTY)
    return not (training.label_smoothing or plan.teachers or added)


def _verdict(
    plan: Plan,
    result: FinalEvaluation,
    finished: Finished,
    rows: list[dict[str, Any]],
    steps: int | None,
) -> Iterator[Warned]:
    """Warn of weights that are no better than what they began with, or than an n-gram, or long past."""
    if finished.step and not finished.best_step:
        yield Warned(
            f"nothing was better than the start, {finished.best_nats_per_char:.4f} nats a character: those "
            f"weights are kept; try a smaller --lr, which was {plan.config.training.lr:g}, or more text"
        )
        return
    comparable = _comparable(plan)
    mend = remedy(rows, plan.config.training, comparable=comparable)
    if worse := evaluating.below_baseline(plan.encoded, result.stream, mend):
        yield Warned(worse)
    elif early := early_best(rows, plan.config.network, steps or finished.step, comparable=comparable):
        yield Warned(early)


def make_trainer(
    plan: Plan,
    device: torch.device,
    save: Callable[[Trainer, MetricsRow | None], Iterator[Event]] = lambda *_: iter(()),
    stop: Callable[[], bool] = lambda: False,
    group: ProcessGroup | None = None,
    *,
    batches: Batches | None = None,
) -> Trainer:
    """Build the trainer of a plan, its network initialised from torch's global generator.

    ``save`` and ``stop`` are as ``Trainer`` takes them; by default nothing is saved. ``batches`` are those of
    ``make_batches`` by default.
    """
    options = share_of(plan.config.training, student=True)
    group = group or ProcessGroup()
    precision = choose_precision(options.precision, device)
    counts = torch.from_numpy(plan.encoded.train.counts(plan.config.vocabulary))
    # where the vocabulary is another model's, its tokens have to be unlearnt
    setup = TrainingSetup(counts, options, restricted=plan.config.corpus.own_vocabulary)
    if base := plan.start_from:
        check_stored(plan.parts["cell"], base)
    network = build_network(plan.parts["cell"], plan.config, setup)
    if plan.start_from:
        load_weights(network, _first_weights(plan, plan.start_from))
    _set_pieces(network, plan)
    network.to(device)
    learner = _with_teachers(plan, network, device) if plan.teachers else None
    val, streams = evaluating.part_of(plan.encoded, evaluating.EVAL_TOKENS), evaluating.EVAL_STREAMS
    evaluator = evaluating.DistributedEvaluator(network, precision, group)
    has_eos = plan.encoded.has_eos
    evaluate = partial(evaluator.stream, val, has_eos=has_eos, streams=streams, seq=256)
    mixing = Mixing.begin(network, plan, val, precision, network_loss=evaluate, group=group)
    beside: Callable[[], Tensors] = mixing.tensors if mixing else dict
    return Trainer(
        network,
        batches or make_batches(plan),
        mixing or evaluate,
        options,
        precision,
        save,
        stop,
        beside=beside,
        score=evaluating.score_of(plan, network, group, beside),
        pause=2 * len(val) // (options.batch * options.seq),
        group=group,
        starts_trained=plan.start_from is not None,
        learner=learner,
    )


def _set_pieces(network: nn.Module, plan: Plan) -> None:
    """Tell a network that has to know them the bytes of its tokens; ``UsageError`` if it cannot use such."""
    if not isinstance(network, PieceNetwork):
        return
    try:
        network.set_pieces(plan.encoded.tokenizer.pieces, plan.encoded.source_tokenizer.pieces)
    except ValueError as error:
        raise OptionError(str(error)) from error


def _with_teachers(plan: Plan, network: nn.Module, device: torch.device) -> Distillation:
    """Return the network together with its teachers, to be trained as one."""
    options = plan.config.training
    teachers = [teacher.network(str(device)) for teacher in plan.teachers]
    example = torch.zeros(1, 1, dtype=torch.long, device=device) if plan.config.reads_source else 1
    return Distillation(
        network,
        teachers,
        example,
        weight=options.teacher_weight,
        temperature=options.teacher_temp,
        smoothing=options.label_smoothing,
    )


def _first_weights(plan: Plan, base: StoredModel) -> Tensors:
    """The weights of the other model, with rows for the tokens that it has not."""
    weights = plan.parts["cell"].upgraded(base.weights, base.config.network.layers)
    if (plan.config.grown, plan.config.source_grown) == (base.config.grown, base.config.source_grown):
        return weights
    fresh = weights_of(build_network(plan.parts["cell"], plan.config))
    return grown(weights, fresh, base.weights.get(TRAINED_TOKENS))


def make_batches(plan: Plan) -> Batches:
    """Return batches of the training text, as its task needs them.

    Raises:
        CorpusError: if the text is shorter than one sequence.
    """
    store, options, place = plan.encoded.train, plan.config.training, named(plan.config.corpus.paths)
    budget, seed = options.batch * options.seq, options.seed or 0
    if store.source is not None:
        pairs, limit = SourceBatches(store, budget, seed, options.max_length), options.max_length
        if not len(pairs.starts):
            raise CorpusError(
                f"{place}: every pair has a side of more than {limit} tokens; raise --max-length"
            )
        return pairs
    if plan.encoded.has_eos:
        return SpanBatches(store, example_spans(store, budget), budget, seed)
    if store.text_tokens < options.seq:
        raise CorpusError(
            f"{place} is too small: {counted(store.text_tokens, 'tokens')} to train on: "
            f"fewer than one sequence of {options.seq}; give more text, or a shorter --seq"
        )
    _check_validation(plan, place)
    drawn = {"state_reset_prob": STATE_RESET_PROB, "vary": options.vary_seq}
    return StreamBatches(store, options.batch, options.seq, seed=seed, shuffle=True, **drawn)


def _check_validation(plan: Plan, place: str) -> None:
    """Refuse free text to validate on in which no token comes after another: it has no loss by windows."""
    val, files = plan.encoded.val, plan.config.corpus.val_paths
    if np.diff(val.starts).max(initial=0) > 2:
        return
    count = f"{counted(val.text_tokens, 'tokens')} to validate on"
    mend = "give more text" + ("" if files else ", a larger --val-fraction, or --val")
    name = named(files) if files else place
    raise CorpusError(f"{name} is too small: {count}, and a loss needs two in a row; {mend}")


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
        train_chars=plan.encoded.train.chars,
        teachers=tuple(teacher.record.name for teacher in plan.teachers),
    )


def _shortages(plan: Plan, batches: Batches) -> Iterator[Warned]:
    """Warnings of what differs from the options, because of the text."""
    options, store = plan.config.training, plan.encoded.train
    if isinstance(batches, SourceBatches):
        if batches.left_out:
            yield Warned(
                f"{batches.left_out} of {store.examples} pairs have a side of more than {options.max_length} "
                "tokens and are left out of training; --max-length lets them in"
            )
    elif isinstance(batches, StreamBatches):
        if batches.batch < options.batch:
            there = f"{counted(batches.batch, 'streams')} of --seq {options.seq}"
            yield Warned(f"the corpus is short: {there} instead of --batch {options.batch}")
        if batches.batch < current().size:
            yield Warned(
                f"{current().size} processes share {batches.batch} streams, so that some learn nothing"
            )
    else:
        limit = options.batch * options.seq
        if long := int((np.diff(store.starts) > limit).sum()):
            yield Warned(f"longer than {limit} tokens, and learnt in pieces: {counted(long, 'examples')}")
