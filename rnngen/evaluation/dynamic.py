"""Dynamic evaluation: a model that goes on learning from what it reads (Krause et al. 2017, 1709.07432).

::

    segment k ─▸ loss, which counts ─▸ gradient ─▸ the weights move ─▸ segment k + 1

Every token is scored before the weights see it. The network is in evaluation mode throughout, and has its own
weights back in the end.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from rnngen.contracts import IGNORE
from rnngen.data.batches import Batch, StreamBatches, example_spans, gather
from rnngen.data.token_store import TokenStore
from rnngen.evaluation.perplexity import Loss, summed
from rnngen.nn.loss import batch_loss
from rnngen.options.model import ReadingOptions, RuleName

EPSILON = 1e-5
"""Keeps weights that have hardly had a gradient from leaping."""


def dynamic(network: nn.Module, store: TokenStore, *, has_eos: bool, options: ReadingOptions) -> Loss:
    """Read a text with weights that adapt; the state is carried through, as in the reading ``stream``.

    Args:
        network: in any mode; mode and weights are put back.
        store: the text.
        has_eos: whether every example is read from a fresh state, to its end.
        options: the rule, its rate, and how often the weights move.
    """
    with restored(network):
        parameters = [p for p in network.parameters() if p.requires_grad]
        follow = Follower(parameters, options.dynamic_rule, options.rate, options.dynamic_decay)
        return read(
            network, segments(store, options.dynamic_segment, has_eos=has_eos), store, follow, has_eos=has_eos
        )


def read(
    network: nn.Module, batches: Iterable[Batch], store: TokenStore, follow: "Follower", *, has_eos: bool
) -> Loss:
    """Score each batch, then let the weights follow its gradient."""
    nats, tokens = followed(network, batches, follow)
    return summed(nats, tokens, store, has_eos=has_eos)


def followed(network: nn.Module, batches: Iterable[Batch], follow: "Follower") -> tuple[float, int]:
    """As ``read`` → the nats that were lost, and the tokens that they were lost on."""
    nats, tokens, state = 0.0, 0, None
    for batch in batches:
        network.zero_grad(set_to_none=True)
        loss, state = batch_loss(network, batch, state, "fp32", reduction="sum")
        count = int((batch.targets != IGNORE).sum())
        nats, tokens = nats + loss.item(), tokens + count
        if count:
            (loss / count).backward()  # type: ignore[no-untyped-call]
            follow.move()
    network.zero_grad(set_to_none=True)
    return nats, tokens


class Follower:
    """Moves weights down a gradient and, a little, back to where they were.

    ::

        sgd   θ ← θ − η·g + λ·(θ₀ − θ)
        rms   θ ← θ − η·g / (r + ε) + min(1, λ·r/mean(r))·(θ₀ − θ),    r = √(mean of all g² so far)

    Krause et al. take r from the training text, which a model does not bring along. What often had large
    gradients goes back faster, since it adapts faster.

    Args:
        parameters: those that move; where they are now is θ₀.
        rule: ``sgd`` or ``rms``.
        rate: η.
        decay: λ.
    """

    def __init__(self, parameters: list[nn.Parameter], rule: RuleName, rate: float, decay: float) -> None:
        self.parameters, self.rule, self.rate, self.decay = parameters, rule, rate, decay
        self.home = [p.detach().clone() for p in parameters]
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.moves = 0

    @torch.no_grad()
    def move(self) -> None:
        """Take in the gradients that the parameters have."""
        self.moves += 1
        for parameter, home, squares in zip(self.parameters, self.home, self.squares, strict=True):
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            squares.addcmul_(gradient, gradient)
            rule = self._plain if self.rule == "sgd" else self._scaled
            parameter.add_(rule(gradient, home - parameter, squares))

    def _plain(self, gradient: Tensor, way_home: Tensor, _: Tensor) -> Tensor:
        return self.decay * way_home - self.rate * gradient

    def _scaled(self, gradient: Tensor, way_home: Tensor, squares: Tensor) -> Tensor:
        root = (squares / self.moves).sqrt()
        back = (self.decay * root / (root.mean() + EPSILON**2)).clamp(max=1)
        return back * way_home - self.rate * gradient / (root + EPSILON)


def segments(store: TokenStore, size: int, *, has_eos: bool) -> Iterator[Batch]:
    """A text in order, about ``size`` tokens at a time; examples are never cut."""
    if has_eos:
        return _groups(store, size)
    return StreamBatches(store, 1, size).sweep()


def _groups(store: TokenStore, size: int) -> Iterator[Batch]:
    """Neighbouring examples side by side: as many as are whole within ``size`` tokens, one at least."""
    starts, stops = example_spans(store, 1 << 30)
    begin = 0
    while begin < len(starts):
        fit = int(stops.searchsorted(starts[begin] + size, "right"))
        end = max(begin + 1, fit)
        rows = starts[begin:end]
        lengths = stops[begin:end] - rows
        inputs, targets = gather(store, rows, lengths, int(lengths.max()))
        yield Batch(inputs, targets, lengths > 0)
        begin = end


@contextmanager
def restored(network: Any) -> Iterator[None]:
    """Within this the network is in evaluation mode; afterwards it is as it was, weights included.

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
