"""Evaluation of a stored model on a text: losses by mode, an n-gram baseline, and scores of its outputs."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from rnngen.builtins.strategies.beam.search import BeamSearch
from rnngen.builtins.strategies.options import GREEDY, BeamOptions
from rnngen.contracts import Chunk
from rnngen.data.dataset import CorpusFiles, not_empty
from rnngen.data.split import Split
from rnngen.data.token_store import TokenStore, write_store
from rnngen.errors import CorpusError
from rnngen.evaluation.dynamic import dynamic_loss
from rnngen.evaluation.ngram import NGramLoss, witten_bell
from rnngen.evaluation.perplexity import Loss, LossEvaluator, cached_loss, with_features
from rnngen.evaluation.seq2seq_metrics import Scores, score_outputs
from rnngen.generation.generator import GenerationSettings, Prompt
from rnngen.generation.loading import LoadOptions, known_characters, load_generator, open_tokenizers
from rnngen.generation.unseen import Unseen
from rnngen.nn.build import load_network
from rnngen.registry import Registry
from rnngen.registry.components import Component, restore
from rnngen.requests.evaluate import EvaluateRequest
from rnngen.store.model_folder import SOURCE_ALPHABET, StoredModel


@dataclass(frozen=True)
class OutputScores:
    """Metrics of a model's outputs, compared with the targets."""

    scores: Scores
    beam: int
    """Beams of the search (K)."""
    seconds: float
    """Time that generation took."""


@dataclass(frozen=True)
class Evaluation:
    """The result of ``rnngen eval``."""

    examples: int
    tokens: int
    """Tokens of the text, ends of examples not counted."""
    chars: int
    losses: Mapping[str, Loss]
    """By evaluation mode: window, stream, dynamic, cache."""
    baseline: NGramLoss | None = None
    """An n-gram of the same training text; None where there is a source, or no training text any more."""
    no_baseline: str = ""
    """The reason why the training text was not to be had."""
    outputs: OutputScores | None = None
    """None for a model that reads no source."""
    unseen: tuple[str, ...] = ()
    """Remarks about characters of the text that training never met; none about the training's own."""

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        losses: dict[str, Any] = {mode: loss.as_json() for mode, loss in self.losses.items()}
        if self.outputs is None:
            floor = {"nats_per_char": self.baseline.nats_per_char} if self.baseline else None
            return {"tokens": self.tokens, "chars": self.chars, **losses, "floor": floor}
        about = {"pairs": self.examples, "beam": self.outputs.beam, "seconds": round(self.outputs.seconds, 3)}
        return {**asdict(self.outputs.scores), **losses.pop("window"), **about, **losses}


@dataclass(frozen=True)
class Evaluator:
    """One evaluation of a model on a text, or on its own validation text where the request names none."""

    registry: Registry
    model: StoredModel
    request: EvaluateRequest

    def run(self) -> Evaluation:
        """Measure losses, and compare with an n-gram or, where there are sources, outputs with targets.

        Raises:
            OptionError: if the model lacks what an option needs.
            RnngenError: if the text cannot be read, or the validation text is no longer there.
        """
        has_source = self.model.config.reads_source
        self.request.check_model(has_source=has_source, has_labels=self._task.registered.spec.has_labels)
        cell = restore(self.registry, "cell", self.model.config.cell)
        network = load_network(cell, self.model, self.request.device)
        if self.request.evaluation.cache:
            with_features(network)  # refused before anything is computed
        with TemporaryDirectory(prefix="rnngen-eval-") as folder:
            tokenizers = open_tokenizers(self.registry, self.model)
            store = write_store(Path(folder, "text"), self._examples, tokenizers, has_source=has_source)
            losses = self._losses(network, store)
            counts = store.examples, store.text_tokens, store.chars
        if has_source:
            return Evaluation(*counts, losses, outputs=self._score_outputs(), unseen=(*self._unseen(),))
        return Evaluation(*counts, losses, *self._baseline(), unseen=(*self._unseen(),))

    def _unseen(self) -> Iterator[str]:
        """Look for characters that training never met in the texts that were given, and in their sources."""
        sides = {"text": known_characters([self.model])}
        sides["source"] = known_characters([self.model], SOURCE_ALPHABET)
        for side, known in sides.items():
            if known is None or self._given is None:
                continue
            unseen = Unseen(known, known.strange)
            for chunk in self._given.examples():
                unseen.add(chunk.text if side == "text" else chunk.source)
            if unseen.held:
                yield unseen.message(f"the {side} holds")

    # ── texts ──────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _task(self) -> Component:
        return restore(self.registry, "task", self.model.config.task)

    @cached_property
    def _given(self) -> CorpusFiles | None:
        corpus, options = self.request.corpus, self.request.text
        return CorpusFiles.find(self.registry, self._task, corpus, options) if corpus else None

    @cached_property
    def _trained_on(self) -> CorpusFiles:
        return CorpusFiles.recorded(self.registry, self._task, self.model.config.corpus)

    def _examples(self) -> Iterator[Chunk]:
        split = Split.of(self.model.config.corpus)
        read = self._given.examples if self._given else partial(self._trained_on.validation_split, split)
        return not_empty(read, "the text is empty: there is nothing to evaluate the model on")

    # ── measures ───────────────────────────────────────────────────────────────────────────────────────────

    def _losses(self, network: nn.Module, store: TokenStore) -> dict[str, Loss]:
        has_eos, options = self._task.build().has_eos, self.request.evaluation
        evaluator = LossEvaluator(network)
        losses = {"window": evaluator.window(store, has_eos=has_eos)}
        if store.source is None:
            losses["stream"] = evaluator.stream(store, has_eos=has_eos)
        if options.dynamic:
            losses["dynamic"] = dynamic_loss(network, store, has_eos=has_eos, options=options)
        if options.cache:
            losses["cache"] = cached_loss(network, store, has_eos=has_eos, options=options)
        return losses

    def _baseline(self) -> tuple[NGramLoss | None, str]:
        """Return the loss of an n-gram of the training text, or the reason why there is none."""
        try:
            training = self._trained_on.train_split(Split.of(self.model.config.corpus))
        except CorpusError as error:
            return None, f"no n-gram baseline: {error}"
        return witten_bell(training, self._examples(), has_eos=self._task.build().has_eos), ""

    def _score_outputs(self) -> OutputScores:
        """Compare the most probable output for each source, greedily or by beam search, with the target."""
        examples, wanted = list(self._examples()), self.request.outputs
        generator = load_generator(self.registry, [self.model], LoadOptions(self.request.device))
        search = BeamOptions(width=wanted.beam, alpha=wanted.length_penalty) if wanted.beam else GREEDY
        prompts, began = [Prompt("", example.source) for example in examples], time.monotonic()
        outputs = generator.first_texts(prompts, BeamSearch(search), GenerationSettings())
        seconds = time.monotonic() - began
        scores = score_outputs(outputs, [example.text for example in examples])
        return OutputScores(scores, max(1, wanted.beam), seconds)
