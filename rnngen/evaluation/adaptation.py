"""A model whose weights adapt to a prompt before it writes; those on disk stay as they are.

::

    prompt ─▸ segments ─▸ torch: loss, gradient, the weights move ─▸ weights ─▸ a step of either backend
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rnngen.errors import UsageError
from rnngen.generation.loading import open_network, open_writer
from rnngen.options.corpus import AdaptingOptions
from rnngen.registry import Registry
from rnngen.registry.components import restore
from rnngen.store.model_folder import SEEN, StoredModel


@dataclass(frozen=True)
class Adapted:
    """A model that has adapted."""

    model: StoredModel
    """With its new weights."""
    tokens: int
    """Tokens of the prompt that it was scored on."""
    before: float
    """Nats per token of the prompt, with the weights of the disk."""
    after: float
    """The same with the new ones, which have seen it."""


def adapt(
    registry: Registry, model: StoredModel, prompt: str, options: AdaptingOptions, device: str = "cpu"
) -> Adapted:
    """Let a model read a prompt and learn from it, once, segment by segment.

    Args:
        registry: where its parts are looked up.
        model: of free text or lines.
        prompt: what it will go on from.
        options: the rule, its rate, and how often the weights move.
        device: where to compute.

    Raises:
        UsageError: if the prompt is too short to learn anything from.
    """
    tokens = open_writer(registry, model).context(prompt)
    if len(tokens) < 2 or not prompt:
        raise UsageError("--dynamic adapts to the prompt, and there is none; give one, or --prompt-file")
    from rnngen.evaluation.dynamic import Follower, followed, restored
    from rnngen.nn.network import weights_of

    network: Any = open_network(restore(registry, "cell", model.config.cell), model, device)
    with restored(network):
        before = _loss(network, tokens, options.dynamic_segment)
        parameters = [p for p in network.parameters() if p.requires_grad]
        follow = Follower(parameters, options.dynamic_rule, options.rate, options.dynamic_decay)
        followed(network, _segments(tokens, options.dynamic_segment), follow)
        after = _loss(network, tokens, options.dynamic_segment)
        weights = weights_of(network)
    kept = {name: array for name, array in model.weights.items() if name == SEEN}
    return Adapted(replace(model, weights={**weights, **kept}), len(tokens) - 1, before, after)


def _segments(tokens: Sequence[int], size: int) -> "Iterator[Any]":
    """Batches of one stream: the prompt in order, ``size`` tokens at a time, each target the next token."""
    from rnngen.data.batches import Batch

    text = np.array([tokens], np.int64)
    for start in range(0, len(tokens) - 1, size):
        targets = text[:, start + 1 : start + 1 + size]
        yield Batch(text[:, start : start + targets.shape[1]], targets, np.array([start == 0]))


def _loss(network: Any, tokens: Sequence[int], size: int) -> float:
    """Nats per token, the weights as they are."""
    import torch

    from rnngen.nn.loss import batch_loss

    nats, state = 0.0, None
    with torch.inference_mode():
        for batch in _segments(tokens, size):
            loss, state = batch_loss(network, batch, state, "fp32", reduction="sum")
            nats += float(loss)
    return nats / (len(tokens) - 1)
