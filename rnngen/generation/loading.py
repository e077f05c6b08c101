"""From a stored model to one that writes: without torch wherever the cell has a NumPy step."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from rnngen.data.dataset import TOKENIZERS
from rnngen.errors import UsageError
from rnngen.generation.answering import Answerer
from rnngen.generation.writing import Writer
from rnngen.inference.build import numpy_step
from rnngen.inference.ensemble import Ensemble
from rnngen.inference.neural_cache import CachedStep
from rnngen.inference.quantized import QuantizedStep, quantise
from rnngen.inference.torch_model import TorchStep
from rnngen.options.corpus import AdaptingOptions
from rnngen.registry import Registry
from rnngen.registry.components import Component, Tokenizers, load_tokenizers, make_task, restore
from rnngen.store.model_folder import TRAINED_TOKENS, StoredModel

if TYPE_CHECKING:
    from torch import nn


def open_writer(
    registry: Registry,
    *models: StoredModel,
    device: str = "cpu",
    quantize: str | None = None,
    adapting: AdaptingOptions | None = None,
) -> Writer:
    """Get a model ready to write, or several of one vocabulary.

    Args:
        registry: where its parts are looked up.
        models: as read from disk.
        device: ``cpu``, which uses NumPy if the cell can, or any device of torch's.
        quantize: the format of the weights' matrices (``quantized.FORMATS``); None as they are.
        adapting: whether there is a cache, and which; none by default. What is ``dynamic`` happens before
            (``rnngen.evaluation.dynamic``).

    Raises:
        PluginError: if a part, or what the format needs, is not installed.
        ModelError: if something does not fit.
        UsageError: if the models cannot write together, or not in that format, or not with a cache.
    """
    model = models[0]
    task = make_task(restore(registry, "task", model.config.task))
    tokenizer = open_tokenizers(registry, model).target
    step, seen = _together(registry, models, device, quantize), _seen(models)
    if adapting is not None and adapting.cache:
        step = _remembering(step, len(models), adapting)
    return Writer(step, tokenizer, has_eos=task.has_eos, opening=model.config.default_prompt, seen=seen)


def open_answerer(
    registry: Registry, *models: StoredModel, device: str = "cpu", quantize: str | None = None
) -> Answerer:
    """Get a model ready that writes about sources, or several; arguments and errors as in ``open_writer``."""
    limit = min(model.config.training.max_length for model in models)
    step = _together(registry, models, device, quantize)
    return Answerer(step, open_tokenizers(registry, models[0]), _seen(models), limit)


def open_tokenizers(registry: Registry, model: StoredModel) -> Tokenizers:
    """Build the tokenizers of a model: of targets and of sources, which are often one."""
    kinds = [kind for kind in TOKENIZERS if getattr(model.config, kind)]
    parts = {kind: restore(registry, kind, getattr(model.config, kind)) for kind in kinds}
    return load_tokenizers(parts, model.tokenizer_json, model.path)


def _seen(models: Sequence[StoredModel]) -> Any:
    """(V,) which tokens all of the models met in training; None where one does not say."""
    met = [model.weights.get(TRAINED_TOKENS) for model in models]
    return None if any(one is None for one in met) else np.min(np.stack(met), axis=0)  # type: ignore[arg-type]


def _together(registry: Registry, models: Sequence[StoredModel], device: str, quantize: str | None) -> Any:
    """One step for all models."""
    first = models[0]
    for model in models[1:]:
        if model.tokenizer_json != first.tokenizer_json or model.config.task.name != first.config.task.name:
            raise UsageError(
                f"{model.path.name} and {first.path.name} cannot write together: their tasks or vocabularies "
                "differ; train both on the same text"
            )
    steps = [_step(registry, model, device) for model in models]
    for step in steps:
        if quantize is not None:
            _quantise(step, quantize)
    whole = steps[0] if len(steps) == 1 else Ensemble(steps)
    return whole if quantize is None else QuantizedStep(whole)


def _remembering(step: Any, models: int, options: AdaptingOptions) -> CachedStep:
    """The step with a cache."""
    if models > 1:
        raise UsageError("--cache remembers what one network was like; give one model, or leave it out")
    size, weight, flatness = options.cache_size, options.cache_weight, options.cache_flatness
    return CachedStep(step, size=size, weight=weight, flatness=flatness)


def _step(registry: Registry, model: StoredModel, device: str) -> Any:
    """The network's step, of either kind, on the backend that is quickest."""
    cell = restore(registry, "cell", model.config.cell)
    if device == "cpu":
        step = numpy_step(cell, model.config, model.weights)
        if step is not None:
            return step
    return TorchStep(open_network(cell, model, device))


def _quantise(step: Any, form: str) -> None:
    if isinstance(step, TorchStep):
        raise UsageError(
            f"weights are quantised where NumPy generates, and this model runs on torch ({step.device}): its "
            "cell has no NumPy step, or --device asks for it; leave --quantize out"
        )
    quantise(step, form)


def open_network(cell: Component, model: StoredModel, device: str) -> "nn.Module":
    """Build the network with its weights, on a device.

    Raises:
        DeviceError: if the device is not there.
        ModelError: if the weights do not fit.
    """
    from rnngen.nn.build import build_network, load_weights
    from rnngen.nn.devices import choose_device

    network: Any = build_network(cell, model.config)
    load_weights(network, model.weights)
    opened: nn.Module = network.to(choose_device(device)).eval()
    return opened
