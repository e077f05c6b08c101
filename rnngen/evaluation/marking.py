"""What a model of pairs is worth: how well it predicts texts from sources, and what its answers score."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rnngen.builtins.strategies.beam.strategy import BeamSearch
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import Chunk
from rnngen.data.dataset import Texts
from rnngen.data.splits import Split, write_store
from rnngen.errors import CorpusError, UsageError
from rnngen.evaluation.perplexity import Judge, Loss
from rnngen.evaluation.seq2seq_metrics import Scores, judge_answers
from rnngen.generation.generator import GenerationSettings, Prompt
from rnngen.generation.loading import LoadOptions, load_generator
from rnngen.nn.build import load_network
from rnngen.options.corpus import CorpusOptions
from rnngen.registry import Registry
from rnngen.registry.components import Tokenizers, restore
from rnngen.store.model_folder import StoredModel


@dataclass(frozen=True)
class Marks:
    """The result of ``rnngen eval`` for pairs."""

    pairs: int
    loss: Loss
    """Of the texts, given their sources."""
    scores: Scores
    """Of the answers, with the texts as references."""
    seconds: float
    """How long the answering took."""
    beam: int

    def as_json(self) -> dict[str, Any]:
        """As ``--json`` prints it."""
        about = {"pairs": self.pairs, "beam": self.beam, "seconds": round(self.seconds, 3)}
        return {**self.scores.as_json(), **self.loss.as_json(), **about}


def mark(
    registry: Registry,
    model: StoredModel,
    corpus: Sequence[str],
    options: CorpusOptions,
    *,
    beam: BeamOptions,
    device: str = "cpu",
) -> Marks:
    """Try a model on pairs, or on its own held-out ones where none are given.

    Raises:
        RnngenError: if the text cannot be read, or its own is no longer there.
    """
    pairs = _pairs(registry, model, corpus, options)
    generator = load_generator(registry, [model], LoadOptions(device))
    loss = _loss(registry, model, pairs, generator.tokenizers, device)
    began = time.monotonic()
    prompts = [Prompt("", pair.source) for pair in pairs]
    outputs = generator.generate(prompts, BeamSearch(beam), GenerationSettings())
    answers = [output.text for output in outputs]
    seconds = time.monotonic() - began
    scores = judge_answers(answers, [pair.text for pair in pairs])
    return Marks(len(pairs), loss, scores, seconds, beam.width)


def _pairs(
    registry: Registry, model: StoredModel, corpus: Sequence[str], options: CorpusOptions
) -> list[Chunk]:
    task, record = restore(registry, "task", model.config.task), model.config.corpus
    if options.source and not corpus:
        raise UsageError(f"--source {options.source}: of which texts? name the file that has the answers")
    if corpus:
        found = list(Texts.find(registry, task, corpus, options).all_chunks())
    else:
        found = list(Texts.recorded(registry, task, record).val_chunks(Split.of(record)))
    if not found:
        raise CorpusError("the text is empty: there is nothing to judge the model by")
    return found


def _loss(
    registry: Registry, model: StoredModel, pairs: Sequence[Chunk], tokenizers: Tokenizers, device: str
) -> Loss:
    network = load_network(restore(registry, "cell", model.config.cell), model, device)
    with TemporaryDirectory(prefix="rnngen-eval-") as folder:
        store = write_store(Path(folder) / "pairs", lambda: iter(pairs), tokenizers, pairs=True)
        return Judge(network).window(store, has_eos=True)
