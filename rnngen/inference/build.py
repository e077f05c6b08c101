"""From a cell and stored weights to one step of a network, without torch."""

from typing import Any

from rnngen.contracts import Blueprint, LayerStep, Weights
from rnngen.inference.numpy_model import NumpyStep
from rnngen.registry.components import Component
from rnngen.store.config import ModelConfig


def numpy_layers(cell: Component, weights: Weights, layers: int) -> list[LayerStep] | None:
    """The NumPy face of each layer; None where the cell has none."""
    return [cell.numpy(weights, f"layers.{i}.") for i in range(layers)] if cell.has_numpy else None


def numpy_step(cell: Component, config: ModelConfig, weights: Weights) -> Any:
    """The NumPy face of a model's network, of either kind; None where some part has none."""
    if not cell.has_numpy:
        return None
    if cell.whole:
        return cell.numpy(weights, "", blueprint(cell, config))
    return NumpyStep(weights, numpy_layers(cell, weights, config.network.layers) or [])


def blueprint(cell: Component, config: ModelConfig) -> Blueprint:
    """What a whole network is to be built to."""
    sizes, reads = config.network, config.source_vocabulary or config.vocabulary
    return Blueprint(
        vocabulary=config.vocabulary,
        source_vocabulary=reads,
        shared=config.source_tokenizer is None,
        hidden=sizes.hidden,
        layers=sizes.layers,
        embed=sizes.embedding(config.vocabulary),
        source_embed=sizes.embedding(reads),
        dropout=sizes.dropout or 0.0,
        tied=sizes.tied,
        parts=cell.parts,
    )
