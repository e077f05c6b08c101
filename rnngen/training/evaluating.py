"""Evaluations of a training: by all processes together while it runs, and exactly at its end."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from torch import nn

from rnngen.data.batches import Batch
from rnngen.evaluation import seq2seq_metrics
from rnngen.evaluation.perplexity import LossEvaluator
from rnngen.events import FinalEvaluation
from rnngen.nn.build import load_weights
from rnngen.nn.network import weights_of
from rnngen.store.model_folder import read_model
from rnngen.training.distributed import ProcessGroup
from rnngen.training.plan import Plan
from rnngen.training.preview import greedy_outputs, validation_pairs
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
MEASURES: dict[str, Callable[[list[str], list[str]], float]] = {
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


def score_of(plan: Plan, network: nn.Module, group: ProcessGroup) -> Callable[[], float] | None:
    """Return what scores greedy outputs for validation sources, if the options want that to decide."""
    measure, val = plan.config.training.best, plan.encoded.val
    if measure == "loss" or val.source is None:
        return None
    sources, texts = validation_pairs(plan.encoded, range(min(SCORED, val.examples)))

    def score() -> float:
        return MEASURES[measure](greedy_outputs(plan, network, weights_of(network), sources), texts)

    return partial(group.first, score)


def final_evaluation(plan: Plan, trainer: Trainer, folder: RunFolder) -> FinalEvaluation:
    """Evaluate the weights that are kept, in fp32 as they are used and as ``rnngen eval`` does."""
    began, evaluator = time.monotonic(), LossEvaluator(trainer.network)
    val, has_eos = plan.encoded.val.prefix(FINAL_EVAL_TOKENS), plan.encoded.has_eos
    load_weights(trainer.network, read_model(folder.folder).weights)
    stream = evaluator.stream(val, has_eos=has_eos).nats_per_char
    window = evaluator.window(val, has_eos=has_eos).nats_per_char
    return FinalEvaluation(trainer.progress.best_step, stream, window, time.monotonic() - began)
