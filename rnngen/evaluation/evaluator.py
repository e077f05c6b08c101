"""Evaluation of a stored model on a text: losses by mode, an n-gram baseline, and scores of its outputs."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn

from rnngen.builtins.strategies.beam.search import BeamSearch
from rnngen.builtins.strategies.options import GREEDY, BeamOptions
from rnngen.contracts import Chunk, collected_notes
from rnngen.data.dataset import CorpusFiles
from rnngen.data.split import Split
from rnngen.data.token_store import TokenStore, fitting, write_pairs
from rnngen.encodings import BYTES
from rnngen.errors import CorpusError, OptionError
from rnngen.evaluation.classification import LabelScores, score_labels
from rnngen.evaluation.dynamic import dynamic_loss
from rnngen.evaluation.mixture import MixtureEvaluator
from rnngen.evaluation.ngram import NGramLoss, witten_bell
from rnngen.evaluation.novelty import Novelty, measure
from rnngen.evaluation.perplexity import Loss, cached_loss, with_features
from rnngen.evaluation.seq2seq_metrics import Scores, grouped, score_outputs
from rnngen.generation.generator import Generator
from rnngen.generation.loading import (
    LoadOptions,
    known_characters,
    load_generator,
    mixture_of,
    open_tokenizers,
    without_ngram,
)
from rnngen.generation.prompts import GenerationSettings, Prompt
from rnngen.generation.unseen import Unseen
from rnngen.nn.build import load_network
from rnngen.options.corpus import CorpusOptions
from rnngen.registry import Registry
from rnngen.registry.components import Component, Tokenizers, restore
from rnngen.requests.evaluate import EvaluateRequest
from rnngen.store.model_folder import SOURCE_ALPHABET, StoredModel, located


@dataclass(frozen=True)
class OutputScores:
    """Metrics of a model's outputs, compared with the targets."""

    scores: Scores
    sources: int
    """Number of different sources; the targets of one are references side by side."""
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
    """By evaluation mode: window, stream, adapt, dynamic, cache, and the stream of ``network`` and ``ngram``
    alone, where the model has both."""
    baseline: NGramLoss | None = None
    """An n-gram of the same training text; None where there is a source, or no training text any more."""
    no_baseline: str = ""
    """The reason why the training text was not to be had."""
    outputs: OutputScores | None = None
    """None for a model that reads no source."""
    labels: LabelScores | None = None
    """None for a model without labels."""
    unseen: tuple[str, ...] = ()
    """Remarks about the text: notes of its readers, and characters that training never met; none about the
    training's own."""
    novelty: Novelty | None = None
    """None for a model that reads a source, or where its training text is not there."""

    def as_json(self) -> dict[str, Any]:
        """Return the object that ``--json`` prints."""
        losses: dict[str, Any] = {mode: loss.as_json() for mode, loss in self.losses.items()}
        if self.outputs is None:
            floor = {"nats_per_char": self.baseline.nats_per_char} if self.baseline else None
            found = {"classification": self.labels.as_json()} if self.labels else {}
            found |= {"novelty": self.novelty.as_json()} if self.novelty else {}
            return {"tokens": self.tokens, "chars": self.chars, **losses, "floor": floor, **found}
        outputs = self.outputs
        about: dict[str, Any] = {"pairs": self.examples, "sources": outputs.sources, "beam": outputs.beam}
        about |= {"seconds": round(outputs.seconds, 3)}
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
        if self.request.evaluation.adapt and mixture_of(self.model) is None:
            raise OptionError(without_ngram(self.model))
        if self.request.evaluation.cache:
            with_features(network)  # refused before anything is computed
        with TemporaryDirectory(prefix="rnngen-eval-") as folder:
            with collected_notes() as notes:
                store = self._encoded(Path(folder, "text"))
            losses = self._losses(network, store)
            counts = store.examples, store.text_tokens, store.chars
        remarks = (*(notes if self._given else ()), *self._unseen())
        if has_source:
            return Evaluation(*counts, losses, outputs=self._score_outputs(), unseen=remarks)
        return Evaluation(
            *counts,
            losses,
            *self._baseline(),
            labels=self._score_labels(),
            unseen=remarks,
            novelty=self._novelty(),
        )

    def _unseen(self) -> Iterator[str]:
        """Look for characters that training never met in the texts that were given, and in their sources."""
        sides = {"text": known_characters([self.model])}
        sides["source"] = known_characters([self.model], SOURCE_ALPHABET)
        for side, known in sides.items():
            if known is None or not self._given:
                continue
            unseen = Unseen(known, known.strange, sources=side == "source")
            for chunk in self._all_given():
                unseen.add(chunk.text if side == "text" else chunk.source)
            if unseen.held:
                yield unseen.message(f"the {side} holds")

    # ── texts ──────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _task(self) -> Component:
        return restore(self.registry, "task", self.model.config.task)

    @cached_property
    def _given(self) -> list[CorpusFiles]:
        """The files that the request names; each of its targets is a corpus beside the same sources."""
        request, options = self.request, self._reading
        corpora: list[tuple[str, ...]] = [(one,) for one in request.target]
        corpora += [request.corpus] * bool(request.corpus)
        found = [CorpusFiles.find(self.registry, self._task, corpus, options) for corpus in corpora]
        return [replace(files, labels=frozenset(self.model.config.corpus.labels)) for files in found]

    @property
    def _reading(self) -> CorpusOptions:
        """The options of reading, with what the training text decides: bytes or text, and the normal form."""
        config, options = self.model.config, self.request.text
        encoding = options.encoding or config.encoding
        if (encoding == BYTES) != (config.encoding == BYTES):
            name = self.model.path.name
            raise OptionError(f"`encoding={encoding}`: {name} was trained on {config.encoding}; leave it out")
        given = BYTES if encoding == BYTES else options.encoding
        return replace(options, encoding=given, normalize=config.corpus.normalize)

    @cached_property
    def _trained_on(self) -> CorpusFiles:
        record = located(self.model.path, self.model.config.corpus)
        return CorpusFiles.recorded(self.registry, self._task, record)

    @cached_property
    def _split(self) -> Split:
        return self._trained_on.recorded_split(self.model.config.corpus)

    @cached_property
    def _generator(self) -> Generator:
        return load_generator(self.registry, [self.model], LoadOptions(self.request.device))

    @cached_property
    def _tokenizers(self) -> Tokenizers:
        return open_tokenizers(self.registry, self.model)

    def _examples(self) -> Iterator[Chunk]:
        """Yield the text given, or the validation text of the training without what that left out."""
        if self._given:
            return self._all_given()
        examples, config = self._trained_on.validation_split(self._split), self.model.config
        if not config.reads_source or not config.corpus.split:  # earlier versions validated on all
            return examples
        return fitting(examples, self._tokenizers, config.training.max_length)

    def _encoded(self, folder: Path) -> TokenStore:
        if self.model.config.reads_source:
            store = write_pairs(folder, self._examples(), self._tokenizers).store
        else:
            store = TokenStore.write(folder, self._examples(), self._tokenizers.target)
        if not store.examples:
            raise CorpusError("the text is empty: there is nothing to evaluate the model on")
        return store

    def _all_given(self) -> Iterator[Chunk]:
        return chain.from_iterable(files.examples() for files in self._given)

    # ── measures ───────────────────────────────────────────────────────────────────────────────────────────

    def _losses(self, network: nn.Module, store: TokenStore) -> dict[str, Loss]:
        has_eos, options = self._task.build().has_eos, self.request.evaluation
        mixture = mixture_of(self.model)
        evaluator = MixtureEvaluator(network, mixture=mixture)
        losses = {"window": evaluator.window(store, has_eos=has_eos)}
        parts = evaluator.parts(store, has_eos=has_eos) if mixture else {}
        if store.source is None:
            losses["stream"] = parts["stream"] if parts else evaluator.stream(store, has_eos=has_eos)
        if options.adapt:
            losses["adapt"] = evaluator.adaptive(store, has_eos=has_eos)
        if options.dynamic:
            losses["dynamic"] = dynamic_loss(
                network, store, has_eos=has_eos, options=options, mixture=mixture
            )
        if options.cache:
            losses["cache"] = cached_loss(network, store, has_eos=has_eos, options=options)
        return losses | {name: loss for name, loss in parts.items() if name != "stream"}

    def _baseline(self) -> tuple[NGramLoss | None, str]:
        """Return the loss of an n-gram of the training text, or the reason why there is none."""
        try:
            training = self._trained_on.train_split(self._split)
        except CorpusError as error:
            return None, f"no n-gram baseline: {error}"
        return witten_bell(training, self._examples(), has_eos=self._task.build().has_eos), ""

    def _novelty(self) -> Novelty | None:
        """Compare what the model generates with its training text, if that is there."""
        try:
            files, split = self._trained_on, self._split
        except CorpusError:  # the baseline reports it
            return None
        return measure(self._generator, files.train_split(split))

    def _score_labels(self) -> LabelScores | None:
        """Compare labels with the likeliest ones, where the model has some."""
        if not self.model.config.corpus.labels:
            return None
        return score_labels(self._generator, self._examples())

    def _score_outputs(self) -> OutputScores:
        """Compare the most probable output for each source, greedily or by beam search, with its targets."""
        pairs = [(example.source, example.text) for example in self._examples()]
        (sources, references), wanted = grouped(pairs), self.request.outputs
        generator = self._generator
        search = BeamOptions(width=wanted.beam, alpha=wanted.length_penalty) if wanted.beam else GREEDY
        prompts, began = [Prompt("", source) for source in sources], time.monotonic()
        outputs = generator.first_texts(prompts, BeamSearch(search), GenerationSettings())
        seconds = time.monotonic() - began
        scores = score_outputs(outputs, references)
        return OutputScores(scores, len(sources), max(1, wanted.beam), seconds)
