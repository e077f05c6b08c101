"""From a cell and stored weights to one step of a network, without torch."""

from typing import Any

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
