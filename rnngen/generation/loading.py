"""From stored models to one that generates: without torch wherever the cell has a NumPy implementation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from rnngen.contracts import FeatureStep, NetworkStep, SourceTask, Tokenizer, imported
from rnngen.data.normalization import NormalizingTokenizer
from rnngen.errors import ModelError, OptionError, UsageError
from rnngen.generation.generator import Generator
from rnngen.generation.unseen import Known
from rnngen.inference.build import tried_step
from rnngen.inference.conditioned import conditioned
from rnngen.inference.ensemble import Ensemble
from rnngen.inference.neural_cache import CachedStep
from rnngen.inference.ngram import Mixture, mixed_step
from rnngen.inference.quantized import quantize, quantized_step
from rnngen.inference.torch_model import TorchStep, torch_step
from rnngen.matrices import has_numba
from rnngen.options.model import EvaluationOptions
from rnngen.registry import Registry
from rnngen.registry.components import Component, Tokenizers, load_tokenizers, make_task, restore
from rnngen.store.model_folder import (
    ALPHABET,
    CONFIG,
    EXAMPLES,
    SOURCE_ALPHABET,
    TARGET_LENGTHS,
    TOKENIZER,
    TRAINED_TOKENS,
    StoredModel,
)

NO_FEATURES = (
    "`cache` remembers what the output layer of one network reads, and this model shows no such features "
    "(several models have none in common, a copying one has none); leave it out"
)


@dataclass(frozen=True)
class LoadOptions:
    """Device and number format of a loaded model."""

    device: str = "cpu"
    """``cpu``, which uses NumPy if the cell can, or any device of torch's."""
    quantize: str | None = None
    """The format of the weights' matrices (``rnngen.inference.quantized.FORMATS``); None as they are."""
    cache: EvaluationOptions | None = None
    """The neural cache, if there is to be one."""
    adapt: bool = False
    """Whether the n-gram goes on counting what it reads and what it writes."""


def load_generator(
    registry: Registry,
    models: Sequence[StoredModel],
    options: LoadOptions = LoadOptions(),
    load_model: "Callable[[str], NetworkStep] | None" = None,
) -> Generator:
    """Get a model ready to generate, or several of one vocabulary as one.

    ``load_model`` opens another model by name, for strategies that need two.

    Raises:
        PluginError: if a component, or what the format needs, is not installed.
        ModelError: if something does not fit.
        UsageError: if the models cannot generate together, or not in that format, or not with a cache.
    """
    first = models[0]
    config = first.config
    reads_source = config.reads_source
    limit = min(model.config.training.max_length for model in models) if reads_source else None
    part = restore(registry, "task", config.task)
    task = make_task(part)
    generator = Generator(
        _step(registry, models, options),
        open_tokenizers(registry, first),
        has_eos=task.has_eos,
        reads_source=reads_source,
        default_prompt=config.default_prompt,
        trained_tokens=_trained_tokens(models),
        known=known_characters(models, ALPHABET),
        known_of_sources=known_characters(models, SOURCE_ALPHABET),
        max_source_tokens=limit,
        target_lengths=_target_lengths(models),
        training_examples=_training_examples(models),
        labels=config.corpus.labels if part.registered.spec.has_labels else (),
        default_strategy=part.registered.spec.strategy,
        load_model=load_model,
        encoding=config.encoding,
        normalize=config.corpus.normalize,
        separator=task.separator,
    )
    if isinstance(task, SourceTask):
        generator = replace(generator, check_source=task.check_source)
    return healing(generator)


def healing(generator: Generator) -> Generator:
    """Return a generator that continues the text of a prompt, and not its tokens (token healing)."""
    pieces, example = generator.tokenizers.target.pieces, _example(generator.reads_source)
    return replace(generator, model=conditioned(generator.model, pieces, generator.forbidden, example))


def open_tokenizers(registry: Registry, model: StoredModel) -> Tokenizers:
    """Build the tokenizers of a model: of targets and of sources, which are often one.

    They bring what they encode to the normal form of its training text.

    Raises:
        ModelError: if they have other sizes than the configuration says.
    """
    kinds = [kind for kind in ("tokenizer", "source_tokenizer") if getattr(model.config, kind)]
    parts = {kind: restore(registry, kind, getattr(model.config, kind)) for kind in kinds}
    found, form = load_tokenizers(parts, model.tokenizer_json, model.path), model.config.corpus.normalize
    sizes = model.config.vocabulary, model.config.source_vocabulary or model.config.vocabulary
    for side, size in zip(found, sizes, strict=True):
        if len(side.pieces) != size or side.eos_id not in range(size):
            place = f"{model.path}: a vocabulary of {size:,} tokens, and a tokenizer of {len(side.pieces):,}"
            raise ModelError(f"{place}; restore {CONFIG} and {TOKENIZER}, or train the model again")
    if form is None:
        return found
    target, source = (cast(Tokenizer, NormalizingTokenizer(one, form)) for one in found)
    return Tokenizers(target, target if found.source is found.target else source)


def check_same_vocabulary(model: StoredModel, other: StoredModel, purpose: str) -> None:
    """Refuse models of different tasks or vocabularies.

    Raises:
        UsageError: naming both.
    """
    if model.tokenizer_json != other.tokenizer_json or model.config.task.name != other.config.task.name:
        raise UsageError(
            f"{model.path.name} and {other.path.name} cannot {purpose}: their tasks or vocabularies differ; "
            "train both on the same text"
        )


def _trained_tokens(models: Sequence[StoredModel]) -> Any:
    """(V,) which tokens all of the models met in training; None where one does not say."""
    met = [model.weights.get(TRAINED_TOKENS) for model in models]
    return None if any(one is None for one in met) else np.min(np.stack(met), axis=0)  # type: ignore[arg-type]


def _target_lengths(models: Sequence[StoredModel]) -> Any:
    """(32,) the longest targets that any of the models met in training; None where one does not say."""
    met = [model.weights.get(TARGET_LENGTHS) for model in models]
    return None if any(one is None for one in met) else np.max(np.stack(met), axis=0)  # type: ignore[arg-type]


def _training_examples(models: Sequence[StoredModel]) -> Any:
    """(N,) sorted hashes of the examples of all models; None where one does not keep them."""
    kept = [model.weights.get(EXAMPLES) for model in models]
    if any(one is None for one in kept):
        return None
    hashes = [np.ascontiguousarray(one).view(np.uint64).ravel() for one in kept]
    return hashes[0] if len(hashes) == 1 else np.unique(np.concatenate(hashes))  # one is sorted already


def known_characters(models: Sequence[StoredModel], side: str = ALPHABET) -> Known | None:
    """Return the characters that all of the models met in training; None where one does not say."""
    met = [model.weights.get(side) for model in models]
    if any(one is None for one in met):
        return None
    common = frozenset[str].intersection(*(frozenset(map(chr, one)) for one in met if one is not None))
    record = models[0].config.corpus
    return Known(common, record.normalize, record.line_end)


def _step(registry: Registry, models: Sequence[StoredModel], options: LoadOptions) -> Any:
    for model in models[1:]:
        check_same_vocabulary(model, models[0], "generate together")
    if options.cache and len(models) > 1:
        raise OptionError(NO_FEATURES)
    steps = [_with_ngram(_network(registry, model, options), model, options) for model in models]
    return steps[0] if len(steps) == 1 else Ensemble(steps, _example(models[0].config.reads_source))


def _network(registry: Registry, model: StoredModel, options: LoadOptions) -> Any:
    """The step of one network, in the format and with the cache that are asked for."""
    step = _one(registry, model, options.device)
    if options.quantize is not None:
        _quantize(step, options.quantize)
        step = quantized_step(step, options.quantize)
    return step if options.cache is None else _with_cache(step, options.cache)


def _with_ngram(step: Any, model: StoredModel, options: LoadOptions) -> Any:
    if (mixture := mixture_of(model)) is not None:
        if options.quantize is not None and has_numba():
            mixture = imported("rnngen.inference.ngram.compiled:compiled_mixture")(mixture)
        return mixed_step(step, mixture, adaptive=options.adapt)
    if options.adapt:
        raise OptionError(without_ngram(model))
    return step


def mixture_of(model: StoredModel) -> Mixture | None:
    """Return the n-gram of a model and how much it counts; None where it has none.

    Raises:
        ModelError: if its arrays do not fit each other, or the model.
    """
    try:
        return Mixture.of_tensors(model.weights, model.config.vocabulary)
    except (KeyError, ValueError) as error:
        damage = f"{model.path} is damaged ({error})"
        raise ModelError(f"{damage}; restore it, or train the model again") from error


def without_ngram(model: StoredModel) -> str:
    """Return why the n-gram of a model without one cannot adapt."""
    return (
        f"`adapt`: {model.path.name} has no n-gram that could go on counting; train it with --ngram auto, or "
        "use `cache` or `dynamic`"
    )


def _example(reads_source: bool) -> Any:
    """Return one source, or one stream, for a network to start with."""
    return np.zeros((1, 1), np.int64) if reads_source else 1


def _with_cache(step: Any, options: EvaluationOptions) -> CachedStep:
    if not isinstance(step, FeatureStep):
        raise OptionError(NO_FEATURES)
    return CachedStep(
        step, size=options.cache_size, weight=options.cache_weight, flatness=options.cache_flatness
    )


def _one(registry: Registry, model: StoredModel, device: str) -> Any:
    """The network's step, on the backend that is fastest."""
    cell = restore(registry, "cell", model.config.cell)
    if device == "cpu" and cell.has_numpy:
        return _tried(cell, model)
    from rnngen.nn.build import load_network

    return torch_step(load_network(cell, model, device))


def _tried(cell: Component, model: StoredModel) -> Any:
    """Build the NumPy implementation, and take a step; ``ModelError`` if something does not fit."""
    try:
        return tried_step(cell, model.config, model.weights)
    except Exception as error:  # a plugin's code, with arrays of any shapes, can raise anything
        name = f"{cell.component.qualified} {cell.component.version}"
        raise ModelError(
            f"{model.path}: the weights do not fit its configuration, or the cell {name} does not work "
            f"({type(error).__name__}: {error}); restore the model, or train it again"
        ) from error


def _quantize(step: Any, form: str) -> None:
    if isinstance(step, TorchStep):
        raise OptionError(
            f"weights are quantized where NumPy generates, and this model runs on torch ({step.device}): its "
            "cell has no NumPy implementation, or the device asks for it; leave `quantize` out"
        )
    quantize(step, form)
