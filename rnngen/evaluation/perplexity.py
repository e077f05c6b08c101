"""The loss of a network on a text: summed log-probabilities, in nats, by evaluation mode.

::

    window   non-overlapping windows of 256 tokens, each from a fresh state
    stream   the state carried through the whole text
    dynamic  likewise, with weights that adapt while reading (``rnngen.evaluation.dynamic``)
    cache    likewise, with a memory of what followed similar states (``Cache``)

Where examples end by themselves, each is read from a fresh state to its end in every mode.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn

from rnngen.contracts import IGNORE, FeatureNetwork, State
from rnngen.data.batches import (
    Batch,
    SourceBatches,
    SpanBatches,
    StreamBatches,
    example_spans,
    segment_batches,
    window_spans,
)
from rnngen.data.token_store import TokenStore
from rnngen.errors import OptionError
from rnngen.nn.loss import batch_loss, initial_states
from rnngen.nn.parts import Parts
from rnngen.options.model import EvaluationOptions

WINDOW = 256
"""Tokens in a window, as in nanoGPT's report on tiny Shakespeare."""
BUDGET = 16384
"""Tokens in a batch of spans; a matter of speed alone."""


@dataclass(frozen=True)
class Loss:
    """Negative log-likelihood of a text."""

    nats: float
    """Summed over all predicted tokens."""
    tokens: int
    """Predicted tokens."""
    chars_per_token: float
    """Of the whole text; turns a loss per token into one per character."""
    network_nats: float | None = None
    """As ``nats``, of the network alone, where an n-gram is beside it."""

    @classmethod
    def of(cls, store: TokenStore, nats: float, tokens: int, *, has_eos: bool) -> Self:
        """Return the loss on a text from its sums."""
        ends = store.examples if has_eos else 0  # an end is a token too and, as a line's end, a character
        return cls(nats, tokens, (store.chars + ends) / max(1, store.text_tokens + ends))

    @property
    def nats_per_token(self) -> float:
        """Mean over the tokens; NaN where there was none to predict."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def nats_per_char(self) -> float:
        """Mean over the characters."""
        return self.nats_per_token / self.chars_per_token

    def as_json(self) -> dict[str, float]:
        """Return the loss in its four usual units."""
        return {
            "nats_per_token": self.nats_per_token,
            "nats_per_char": self.nats_per_char,
            "bits_per_char": self.nats_per_char / math.log(2),
            "perplexity": math.exp(min(self.nats_per_token, 700.0)),
        }


@dataclass(frozen=True)
class LossEvaluator:
    """Measures the loss of a network on texts; the network's mode is put back."""

    network: nn.Module
    """A ``Network`` or a ``SourceNetwork``, in any mode."""
    precision: str = "fp32"
    """``fp32`` or ``bf16``, of the matrix products."""

    def window(self, store: TokenStore, *, has_eos: bool) -> Loss:
        """Return the loss in windows from a fresh state; where examples end, each example is a window."""
        if has_eos or store.source is not None:
            return self.loss(self.batches(store, has_eos=has_eos), store, has_eos=has_eos)
        spans = window_spans(store, WINDOW)
        return self.loss(SpanBatches(store, spans, BUDGET).sweep(), store, has_eos=False)

    def stream(self, store: TokenStore, *, has_eos: bool, streams: int = 1, seq: int = 1024) -> Loss:
        """Return the loss with the state carried through the text, or every example to its end.

        ``streams`` stretches are read side by side, each from a fresh state; 1 is exact. ``seq`` tokens at a
        time are a matter of speed and memory alone.
        """
        return self.loss(
            self.batches(store, has_eos=has_eos, streams=streams, seq=seq), store, has_eos=has_eos
        )

    @staticmethod
    def batches(store: TokenStore, *, has_eos: bool, streams: int = 1, seq: int = 1024) -> Iterator[Batch]:
        """Yield what ``stream`` reads."""
        if store.source is not None:
            return SourceBatches(store, BUDGET).sweep()
        if has_eos:
            return SpanBatches(store, example_spans(store, 1 << 30), BUDGET).sweep()
        return StreamBatches(store, streams, seq).sweep()

    def loss(self, batches: Iterable[Batch], store: TokenStore, *, has_eos: bool) -> Loss:
        """Return the loss on a text that was cut into batches."""
        return Loss.of(store, *self.total(batches), has_eos=has_eos)

    def total(self, batches: Iterable[Batch]) -> tuple[float, int]:
        """Return the summed nats of all targets, and their number."""
        nats, tokens, state = 0.0, 0, None
        parts = Parts(1, "use a smaller model, or shorter texts")
        device = next(self.network.parameters()).device
        with evaluating(self.network), torch.inference_mode():
            for batch in batches:
                read = partial(self._read, batch, state)
                loss, state = parts.run(read, len(batch.reset_state), device)
                nats += loss
                tokens += int((batch.targets != IGNORE).sum())
        return nats, tokens

    def _read(self, batch: Batch, state: State | None, parts: list[slice]) -> tuple[float, State]:
        """Return the summed nats of a batch, read in parts, and the state after it."""
        if state and len(state[0]) != len(batch.reset_state):  # of another number of examples
            state = None
        nats, states = 0.0, []
        for rows in parts:
            before = state and tuple(array[rows] for array in state)
            loss, after = batch_loss(self.network, batch.rows(rows), before, self.precision, reduction="sum")
            nats += float(loss)
            states.append(after)
        return nats, tuple(torch.cat(arrays) for arrays in zip(*states, strict=True))


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Keep a network in evaluation mode; afterwards it is in the mode that it was in."""
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


# ── Neural cache ───────────────────────────────────────────────────────────────────────────────────────

BLOCK = 256
"""Tokens that are looked up at once; a matter of speed and memory alone."""


def cached_loss(network: nn.Module, store: TokenStore, *, has_eos: bool, options: EvaluationOptions) -> Loss:
    """Return the loss on a text with a cache; the state is carried through, as in mode ``stream``.

    What is remembered lasts beyond an example. The network's mode is put back.

    Raises:
        OptionError: if the network exposes no features.
    """
    features, device = with_features(network), next(network.parameters()).device
    cache, nats, tokens, state = Cache(options), 0.0, 0, None
    with evaluating(network), torch.inference_mode():
        for batch in segment_batches(store, BLOCK, has_eos=has_eos):
            inputs, targets = (torch.from_numpy(array).to(device) for array in batch[:2])
            h, state = features.hidden(inputs, initial_states(network, batch, state))
            counts = targets != IGNORE
            h, targets = h[counts].float(), targets[counts]
            logs = torch.log_softmax(features.predict(h).float(), dim=-1)
            surprisals = cache.read(h, targets, logs.gather(1, targets[:, None])[:, 0])
            nats, tokens = nats + float(surprisals.cpu().double().sum()), tokens + len(targets)
    return Loss.of(store, nats, tokens, has_eos=has_eos)


def with_features(network: nn.Module) -> FeatureNetwork:
    """Return a network that exposes what its output layer reads; ``OptionError`` if it does not."""
    if isinstance(network, FeatureNetwork):
        return network
    raise OptionError("`cache` needs a network that exposes its features per token; this one does not")


class Cache:
    """The neural cache: what followed when the network was in a similar state (Grave et al. 2016).

    ::

        p(w) = (1 − λ)·p_network(w) + λ·Σᵢ αᵢ·[w = xᵢ₊₁],   α = softmax over the last N places i of θ·hᵢ·hₜ

    The weights stay; only outputs hᵢ, as the output layer reads them, and the tokens that came after them are
    remembered. ``rnngen.inference.neural_cache`` does the same during generation.
    """

    def __init__(self, options: EvaluationOptions) -> None:
        self.size, self.weight = options.cache_size, options.cache_weight
        self.theta = options.cache_flatness
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def read(self, h: Tensor, targets: Tensor, logs: Tensor) -> Tensor:
        """Predict N tokens in a row, each with what came before it, and remember them → surprisals (N,).

        ``h`` (N,H) are outputs, ``targets`` (N,) the tokens next to them, ``logs`` (N,) the network's log p.
        """
        keys = h if self.keys is None else torch.cat([self.keys, h])
        values = targets if self.values is None else torch.cat([self.values, targets])
        place = torch.arange(len(keys) - len(h), len(keys), device=h.device)[:, None]
        other = torch.arange(len(keys), device=h.device)
        known = (other < place) & (other >= place - self.size)
        likeness = (self.theta * h @ keys.T).masked_fill(~known, -torch.inf)
        shares = torch.nan_to_num(torch.softmax(likeness, dim=1))  # before the first token nothing is known
        expected = (shares * (values == targets[:, None])).sum(dim=1)
        weight = self.weight * known.any(dim=1)
        self.keys, self.values = keys[-self.size :], values[-self.size :]
        return -torch.log((1 - weight) * logs.exp() + weight * expected)
