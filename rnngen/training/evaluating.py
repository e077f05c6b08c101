"""Evaluations of a training: while it runs, samples in between, and exactly at its end."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from torch import nn

from rnngen.builtins.strategies.sampling import Greedy, Sample
from rnngen.contracts import Chunk
from rnngen.data.batches import Batch
from rnngen.data.dataset import EncodedDataset
from rnngen.data.split import MANY_DOCUMENTS
from rnngen.data.token_store import TokenStore
from rnngen.decoding.text_stream import decode
from rnngen.evaluation import seq2seq_metrics
from rnngen.evaluation.mixture import MixtureEvaluator
from rnngen.evaluation.ngram import witten_bell
from rnngen.evaluation.novelty import SEARCHED, Novelty, measure
from rnngen.evaluation.perplexity import LossEvaluator
from rnngen.events import FinalEvaluation
from rnngen.generation.generator import Generator
from rnngen.generation.loading import healing
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.inference.build import numpy_step
from rnngen.inference.ngram import Mixture, mixed_step
from rnngen.inference.torch_model import torch_step
from rnngen.nn.build import load_weights
from rnngen.nn.network import weights_of
from rnngen.options import COPIES, marked
from rnngen.registry.components import Tokenizers
from rnngen.store.checkpoint import Tensors
from rnngen.store.model_folder import TRAINED_TOKENS, read_model
from rnngen.training.distributed import ProcessGroup
from rnngen.training.mixing import settled
from rnngen.training.plan import Plan
from rnngen.training.run_folder import RunFolder
from rnngen.training.trainer import Trainer

EVAL_STREAMS = 32
"""Stretches of the validation text that are read side by side while training; the final figure is exact."""
EVAL_TOKENS = 500_000
"""Most validation tokens that are read while training; more would take longer and change little."""
FINAL_EVAL_TOKENS = 500_000
"""Most tokens of it that the final figure is taken from; ``rnngen eval`` reads all."""
SCORED = 500
"""Most validation sources whose outputs are scored at each evaluation, where their score decides."""
PREVIEW_TOKENS = 240
"""Tokens of the samples that are shown while training."""
PREVIEW_EXAMPLES = 8
"""Most examples in a sample, where these end by themselves."""
PREVIEW_SOURCES = 3
"""Validation sources whose outputs are shown, where there are sources."""
CHEAP = 1_500_000
"""Characters of a text, validation included, up to which the n-gram baseline takes less than a second."""
MEASURES: dict[str, Callable[[list[str], seq2seq_metrics.References], float]] = {
    "bleu": seq2seq_metrics.bleu,
    "chrf": seq2seq_metrics.chrf,
    "accuracy": seq2seq_metrics.sequence_accuracy,
}
"""The scores that ``TrainingOptions.best`` may name."""


@dataclass(frozen=True)
class DistributedEvaluator(LossEvaluator):
    """Evaluates a network together with the other processes: each reads its rows, and all sum up."""

    group: ProcessGroup = field(default_factory=ProcessGroup)

    def total(self, batches: Iterable[Batch]) -> tuple[float, int]:
        """Return the summed nats of all targets and their number, over all processes."""
        nats, tokens = self.group.total(*super().total(map(self.group.share, batches)))
        return nats, int(tokens)


def part_of(encoded: EncodedDataset, tokens: int) -> TokenStore:
    """Return the part of the validation text that is read: examples from all over it, if it is long."""
    val = encoded.val
    if not encoded.record.split:  # a run that an earlier version began keeps its measure
        return val.prefix(tokens)
    return val.spread(tokens, whole=encoded.has_eos or val.examples >= MANY_DOCUMENTS)


def score_of(
    plan: Plan, network: nn.Module, group: ProcessGroup, beside: Callable[[], Tensors]
) -> Callable[[], float] | None:
    """Return what scores greedy outputs for validation sources, if the options want that to decide.

    ``beside`` returns the tensors of the model beside the network's.
    """
    measure, val = plan.config.training.best, plan.encoded.val
    if measure == "loss" or val.source is None:
        return None
    count = min(SCORED, val.examples)
    earlier = not plan.encoded.record.split  # a run that an earlier version began keeps its measure
    numbers = range(count) if earlier else np.linspace(0, val.examples - 1, count).astype(int).tolist()
    pairs = zip(*validation_pairs(plan.encoded, numbers), strict=True)
    sources, references = seq2seq_metrics.grouped(pairs)

    def score() -> float:
        weights = {**weights_of(network), **beside()}
        return MEASURES[measure](greedy_outputs(plan, network, weights, sources), references)

    return partial(group.first, score)


def final_evaluation(plan: Plan, trainer: Trainer, folder: RunFolder) -> FinalEvaluation:
    """Evaluate the weights that are kept, in fp32 as they are used and as ``rnngen eval`` does."""
    began = time.monotonic()
    val, has_eos = part_of(plan.encoded, FINAL_EVAL_TOKENS), plan.encoded.has_eos
    stored = read_model(folder.folder)
    load_weights(trainer.network, stored.weights)
    if mixture := Mixture.of_tensors(stored.weights, plan.config.vocabulary):
        mixture = settled(trainer.network, mixture, val, has_eos=has_eos)
        folder.write_weights({**stored.weights, **mixture.tensors()})
    evaluator = MixtureEvaluator(trainer.network, mixture=mixture)
    losses = (
        evaluator.parts(val, has_eos=has_eos)
        if mixture
        else {"stream": evaluator.stream(val, has_eos=has_eos)}
    )
    nats = {name: loss.nats_per_char for name, loss in losses.items()}
    return FinalEvaluation(
        trainer.progress.best_step,
        nats["stream"],
        evaluator.window(val, has_eos=has_eos).nats_per_char,
        time.monotonic() - began,
        network=nats.get("network"),
        ngram=nats.get("ngram"),
    )


def preview(plan: Plan, network: nn.Module, weights: Tensors, step: int) -> str:
    """Return what a network writes now; it is put into training mode afterwards.

    The choice of sources and all draws follow from ``step`` alone, so that training does not depend on them.
    """
    encoded = plan.encoded
    if encoded.val.source is None:
        settings = GenerationSettings(length=PREVIEW_TOKENS, seed=step)
        prompts = [Prompt() for _ in range(_previewed(encoded))]
        texts = _texts(plan, network, weights, prompts, Sample(), settings=settings)
        return "\n".join(texts).strip()
    numbers = np.random.default_rng(step).integers(encoded.val.examples, size=PREVIEW_SOURCES)
    sources, _ = validation_pairs(encoded, numbers.tolist())
    outputs = greedy_outputs(plan, network, weights, sources)
    return "\n".join(f"{source} → {text}" for source, text in zip(sources, outputs, strict=True)).strip()


def _previewed(encoded: EncodedDataset) -> int:
    """Return how many texts a sample has: one of free text, and of examples as many as fit."""
    if not encoded.has_eos:
        return 1
    typical = len(encoded.train) / max(1, encoded.train.examples)
    return int(min(max(PREVIEW_TOKENS / max(1, typical), 1), PREVIEW_EXAMPLES))


def greedy_outputs(plan: Plan, network: nn.Module, weights: Tensors, sources: Sequence[str]) -> list[str]:
    """Return the greedy outputs for sources; the network is put into training mode afterwards."""
    prompts = [Prompt("", source) for source in sources]
    return _texts(plan, network, weights, prompts, Greedy(), settings=GenerationSettings())


def validation_pairs(encoded: EncodedDataset, numbers: Sequence[int]) -> tuple[list[str], list[str]]:
    """Return the sources and the texts of some validation examples."""
    val = encoded.val
    assert val.source is not None
    sources = [decode(encoded.source_tokenizer.pieces, val.source.example(number)) for number in numbers]
    return sources, [decode(encoded.tokenizer.pieces, val.example(number)) for number in numbers]


def novelty_of(plan: Plan, trainer: Trainer, folder: RunFolder) -> Novelty | None:
    """Compare what the network writes with its training text; None for models that read a source."""
    encoded = plan.encoded
    if encoded.train.source is not None:
        return None
    generator = _generator(plan, trainer.network, read_model(folder.folder).weights)
    found = measure(generator, chunks_of(encoded.train, encoded, SEARCHED))
    trainer.network.train()
    return found


def _texts(
    plan: Plan,
    network: nn.Module,
    weights: Tensors,
    prompts: Sequence[Prompt],
    strategy: Greedy | Sample,
    *,
    settings: GenerationSettings,
) -> list[str]:
    texts = _generator(plan, network, weights).first_texts(prompts, strategy, settings)
    network.train()
    return texts


def _generator(plan: Plan, network: nn.Module, weights: Tensors) -> Generator:
    encoded = plan.encoded
    reads_source = encoded.train.source is not None
    step = numpy_step(plan.parts["cell"], plan.config, weights) or torch_step(network)
    mixture = Mixture.of_tensors(weights, plan.config.vocabulary)
    generator = Generator(
        mixed_step(step, mixture) if mixture else step,
        Tokenizers(encoded.tokenizer, encoded.source_tokenizer),
        has_eos=encoded.has_eos,
        reads_source=reads_source,
        default_prompt=encoded.default_prompt,
        trained_tokens=trained_tokens(plan),
        max_source_tokens=plan.config.training.max_length if reads_source else None,
        target_lengths=plan.target_lengths,
    )
    return healing(generator)


def trained_tokens(plan: Plan) -> NDArray[np.uint8]:
    """Return (V,) 1 for the tokens of this text and of those that the weights have met before.

    Those of its sources too, where the network copies.
    """
    train, size = plan.encoded.train, plan.config.vocabulary
    occur = train.counts(size) > 0
    if train.source is not None and marked(plan.parts["cell"].options, COPIES):
        occur |= train.source.counts(size) > 0
    if base := plan.start_from:
        met = base.weights.get(TRAINED_TOKENS, np.ones(base.config.vocabulary))
        occur[: len(met)] |= met > 0
    return occur.astype(np.uint8)


def below_baseline(encoded: EncodedDataset, nats_per_char: float, mend: str) -> str | None:
    """Return a warning, with figures and the mend, if the model is worse than a 5-gram; else None.

    Larger texts, where the 5-gram takes long and networks beat it, are not compared; neither are pairs, for
    which there is none. ``nats_per_char`` is the loss on the validation text, read as ``stream``.
    """
    train, val = encoded.train, encoded.val
    if train.source is not None or train.chars + val.chars > CHEAP or not (train.chars and val.chars):
        return None
    known, unseen = list(chunks_of(train, encoded)), list(chunks_of(val, encoded))
    baseline = witten_bell(known, unseen, has_eos=encoded.has_eos).nats_per_char
    if not nats_per_char > baseline:
        return None
    return (
        f"the model is worse than a 5-gram of the same text: {nats_per_char:.3f} nats a character of the "
        f"held-out text, and the 5-gram {baseline:.3f}; {mend}{_strangers(known, unseen)}"
    )


def _strangers(known: list[Chunk], unseen: list[Chunk]) -> str:
    """A remark on characters that training never met, if there are some."""
    alphabet = set(chain.from_iterable(chunk.text for chunk in known))
    strange = sum(character not in alphabet for chunk in unseen for character in chunk.text)
    if not strange:
        return ""
    share = strange / sum(len(chunk.text) for chunk in unseen)
    return (
        f" ({share:.1%} of the held-out characters never occur in the text that was learnt; the model has to "
        "spell them, and the 5-gram takes all of them for one)"
    )


def chunks_of(store: TokenStore, encoded: EncodedDataset, most: int | None = None) -> Iterator[Chunk]:
    """Yield the examples of a store as text, of each no more than its first ``most`` tokens."""
    pieces = encoded.tokenizer.pieces
    texts = (decode(pieces, store.example(number)[:most]) for number in range(store.examples))
    return (Chunk(text, starts_document=True) for text in texts)
