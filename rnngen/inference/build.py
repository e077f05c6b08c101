"""From a cell and stored weights to one step of a network, without torch."""

from typing import Any

import numpy as np

from rnngen.contracts import Blueprint, LayerStep, Weights
from rnngen.inference.numpy_model import NumpyStep
from rnngen.registry.components import Component
from rnngen.store.config import ModelConfig


def numpy_layers(cell: Component, weights: Weights, layers: int) -> list[LayerStep] | None:
    """Build the NumPy implementation of each layer; None where the cell has none."""
    return [cell.numpy(weights, f"layers.{i}.") for i in range(layers)] if cell.has_numpy else None


def numpy_step(cell: Component, config: ModelConfig, weights: Weights) -> Any:
    """Build the NumPy implementation of a model's network; None where a component has none."""
    if not cell.has_numpy:
        return None
    if cell.whole:
        return cell.numpy(weights, "", blueprint(cell, config))
    return NumpyStep(weights, numpy_layers(cell, weights, config.network.layers) or [])


def tried_step(cell: Component, config: ModelConfig, weights: Weights) -> Any:
    """Build the NumPy implementation of a cell that has one, and take a step, which shows if all fits.

    Raises:
        ValueError: if sizes are others than those of the configuration.
        Exception: whatever arrays of wrong shapes lead to.
    """
    if not cell.whole:
        _check_sizes(config, weights)
    with np.errstate(all="ignore"):
        step, reads = numpy_step(cell, config, weights), config.source_vocabulary
        start = step.start(1 if reads is None else np.array([[reads - 1]]))
        logits, _ = step(np.array([config.vocabulary - 1]), start)
    if logits.shape != (1, config.vocabulary):
        raise ValueError(f"{logits.shape[-1]} logits of {config.vocabulary} tokens")
    if not cell.whole and step.feature_size != config.network.hidden:
        raise ValueError(f"{step.feature_size} units, and {config.network.hidden} expected")
    return step


def _check_sizes(config: ModelConfig, weights: Weights) -> None:
    """Compare what a step does not show: what would never be read, or is read wherever it is."""
    network, embed = config.network, config.network.embedding(config.first_vocabulary)
    shape, wanted = weights["embedding.weight"].shape, (config.vocabulary, embed)
    if shape != wanted:
        raise ValueError(f"an embedding {shape}, and {wanted} expected")
    layers = {name.split(".")[1] for name in weights if name.startswith("layers.")}
    if not layers <= {str(number) for number in range(network.layers)}:
        raise ValueError(f"{len(layers)} layers, and {network.layers} expected")
    parts = {
        "projection.weight": network.tied and embed != network.hidden,
        "head.rank": network.head == "adaptive",
        "head.contexts.weight": network.head == "mixture",
        "initial.0": network.learn_state,
    }
    for name, needed in parts.items():
        if (name in weights) != needed:
            raise ValueError(f"{name} is missing" if needed else f"{name} is there, and not expected")


def blueprint(cell: Component, config: ModelConfig) -> Blueprint:
    """Return the sizes and components of a whole network."""
    sizes, reads = config.network, config.source_vocabulary or config.vocabulary
    first_read = config.source_grown[0] if config.source_grown else reads
    return Blueprint(
        vocabulary=config.vocabulary,
        source_vocabulary=reads,
        shared=config.source_tokenizer is None,
        hidden=sizes.hidden,
        layers=sizes.layers,
        embed=sizes.embedding(config.first_vocabulary),
        source_embed=sizes.embedding(first_read),
        dropout=sizes.dropout or 0.0,
        tied=sizes.tied,
        parts=cell.parts,
    )


def identity(step: object) -> str:
    """Return what the states of a step depend on, beside the model; only an equal step goes on from them.

    That is its class, unless the step has an ``identity``.
    """
    return str(getattr(step, "identity", type(step).__name__))
