"""Dynamic evaluation: a model that goes on learning from what it reads (Krause et al. 2017, 1709.07432).

::

    segment k ─▸ loss, which counts ─▸ gradient ─▸ the weights move ─▸ segment k + 1

Every token is scored before the weights see it. The network is in evaluation mode throughout, and has its own
weights back in the end. ``adapt`` does the same with a prompt, and keeps the weights for generation.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rnngen.contracts import IGNORE, State
from rnngen.data.batches import Batch, segment_batches
from rnngen.data.token_store import TokenStore
from rnngen.errors import OptionError
from rnngen.evaluation.mixture import MixtureEvaluator
from rnngen.evaluation.perplexity import Loss
from rnngen.generation.loading import load_generator, mixture_of
from rnngen.inference.ngram import Mixture
from rnngen.nn.build import load_network
from rnngen.nn.loss import batch_loss
from rnngen.nn.network import weights_of
from rnngen.options.corpus import AdaptingOptions
from rnngen.options.model import EvaluationOptions, RuleName
from rnngen.registry import Registry
from rnngen.registry.components import restore
from rnngen.store.model_folder import StoredModel, is_fact

EPSILON = 1e-5
"""Keeps weights that have hardly had a gradient from leaping."""


def dynamic_loss(
    network: nn.Module,
    store: TokenStore,
    *,
    has_eos: bool,
    options: EvaluationOptions,
    mixture: Mixture | None = None,
) -> Loss:
    """Return the loss on a text with weights that adapt; the state is carried through, as in mode ``stream``.

    The n-gram of a ``mixture`` adapts as well if the options say so. The network's mode and weights are put
    back.
    """
    batches = segment_batches(store, options.dynamic_segment, has_eos=has_eos)
    with restored(network):
        learning = Learning(network, batches, options)
        if mixture is None:
            sums = learning.through()
        else:
            sums = MixtureEvaluator(network, mixture=mixture).summed(learning, adaptive=options.adapt)
    return Loss.of(store, *sums, has_eos=has_eos)


class Learning:
    """Batches that a network learns from: each moves the weights down its gradient once it has been read."""

    def __init__(self, network: nn.Module, batches: Iterable[Batch], options: EvaluationOptions) -> None:
        self.network, self.batches = network, batches
        self.state: State | None = None
        rule, rate, decay = options.dynamic_rule, options.rate, options.dynamic_decay
        self.update = DynamicUpdate(network.parameters(), rule, rate, decay)
        self.nats, self.tokens = 0.0, 0
        """Summed nats of all targets before the weights saw them, and their number."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield each batch, and learn from it afterwards."""
        for batch in self.batches:
            yield batch
            self._learn(batch)
        self.network.zero_grad(set_to_none=True)

    def through(self) -> tuple[float, int]:
        """Learn from all of them → summed nats, number of targets."""
        for batch in self.batches:
            self._learn(batch)
        self.network.zero_grad(set_to_none=True)
        return self.nats, self.tokens

    def _learn(self, batch: Batch) -> None:
        self.network.zero_grad(set_to_none=True)
        loss, self.state = batch_loss(self.network, batch, self.state, "fp32", reduction="sum")
        count = int((batch.targets != IGNORE).sum())
        self.nats, self.tokens = self.nats + loss.item(), self.tokens + count
        if count:
            (loss / count).backward()  # type: ignore[no-untyped-call]
            self.update.step()


class DynamicUpdate:
    """Moves weights down a gradient and, a little, back to where they were.

    ::

        sgd   θ ← θ − η·g + λ·(θ₀ − θ)
        rms   θ ← θ − η·g / (r + ε) + min(1, λ·r/mean(r))·(θ₀ − θ),    r = √(mean of all g² so far)

    Krause et al. take r from the training text, which a model does not bring along. What often had large
    gradients goes back faster, since it adapts faster.

    ``rate`` is η, ``decay`` λ, and θ₀ where the parameters are now; those without a gradient stay out.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rule: RuleName, rate: float, decay: float) -> None:
        self.parameters = [p for p in parameters if p.requires_grad]
        self.rule, self.rate, self.decay = rule, rate, decay
        self.home = [p.detach().clone() for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self.steps = 0

    @torch.no_grad()
    def step(self) -> None:
        """Move by the gradients that the parameters have."""
        self.steps += 1
        for parameter, home, squares in zip(self.parameters, self.home, self.squares, strict=True):
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            squares.addcmul_(gradient, gradient)
            parameter.add_(self._change(gradient, home - parameter, squares))

    def _change(self, gradient: Tensor, way_home: Tensor, squares: Tensor) -> Tensor:
        if self.rule == "sgd":
            return self.decay * way_home - self.rate * gradient
        root = (squares / self.steps).sqrt()
        back = (self.decay * root / (root.mean() + EPSILON**2)).clamp(max=1)
        return back * way_home - self.rate * gradient / (root + EPSILON)


@contextmanager
def restored(network: Any) -> Iterator[None]:
    """Keep a network in evaluation mode; afterwards it is as it was, weights included.

    Fused layers stay in training mode, in which alone cuDNN gives gradients; they drop nothing.
    """
    training, before = network.training, [p.detach().clone() for p in network.parameters()]
    network.eval()
    for module in network.modules():
        if isinstance(module, nn.RNNBase) and not module.dropout:
            module.train()
    try:
        yield
    finally:
        network.train(training)
        with torch.no_grad():
            for parameter, old in zip(network.parameters(), before, strict=True):
                parameter.copy_(old)


# ── Adapting to a prompt ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Adapted:
    """A model that has adapted to a prompt, with its new weights."""

    model: StoredModel
    tokens: int
    """Tokens of the prompt that it was scored on."""
    before: float
    """Nats per token of the prompt, with the weights of the disk."""
    after: float
    """Nats per token with the new weights, which have seen it."""


def adapt(
    registry: Registry, model: StoredModel, prompt: str, options: AdaptingOptions, device: str = "cpu"
) -> Adapted:
    """Let a model read a prompt and learn from it, once, segment by segment; the one on disk stays as it is.

    Raises:
        OptionError: if the prompt is too short to learn anything from.
    """
    generator = load_generator(registry, [model])
    if generator.reads_source:
        raise OptionError(
            "`dynamic`: weights adapt to the prompt that a text goes on from, and this model reads a source; "
            "leave it out"
        )
    tokens = generator.prefix_tokens(prompt)
    if len(tokens) < 2 or not prompt:
        raise OptionError("`dynamic` adapts to the prompt, and there is none; give one, or `prompt_file`")
    network: Any = load_network(restore(registry, "cell", model.config.cell), model, device)
    batches = list(_prompt_batches(tokens, options.dynamic_segment))
    evaluator = MixtureEvaluator(network, mixture=mixture_of(model))
    before, count = evaluator.total(batches)
    with restored(network):
        Learning(network, batches, options).through()
        after, _ = evaluator.total(batches)
        weights = weights_of(network)
    kept = {name: array for name, array in model.weights.items() if is_fact(name)}
    adapted = replace(model, weights={**weights, **kept})
    return Adapted(adapted, count, before / count, after / count)


def _prompt_batches(tokens: Sequence[int], size: int) -> Iterator[Batch]:
    """Batches of one stream: the prompt in order, ``size`` tokens at a time, each target the next token."""
    text = np.array([tokens], np.int64)
    for start in range(0, len(tokens) - 1, size):
        targets = text[:, start + 1 : start + 1 + size]
        yield Batch(text[:, start : start + targets.shape[1]], targets, np.array([start == 0]))
