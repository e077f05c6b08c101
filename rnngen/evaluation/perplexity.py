"""How good a network is on a text: summed log-probabilities, in nats, by several named readings.

window   non-overlapping windows of 256 tokens, each from a fresh state
stream   the state carried through the whole text
dynamic  likewise, with weights that adapt while reading (``rnngen.evaluation.dynamic``)
cache    likewise, with a memory of what followed similar states (``rnngen.evaluation.neural_cache``)
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from rnngen.contracts import IGNORE
from rnngen.data.batches import Batch, PairBatches, SpanBatches, StreamBatches, example_spans, window_spans
from rnngen.data.token_store import TokenStore
from rnngen.nn.loss import batch_loss

WINDOW = 256
"""Tokens in a window, as in nanoGPT's report on tiny Shakespeare."""
BUDGET = 16384
"""Tokens in a batch of spans; a matter of speed alone."""


@dataclass(frozen=True)
class Loss:
    """A sum of surprisals over some text."""

    nats: float
    """Summed over all predicted tokens."""
    tokens: int
    """How many were predicted."""
    chars_per_token: float
    """Of the whole text, to tell the loss by character."""

    @property
    def nats_per_token(self) -> float:
        """Mean surprisal of a token; NaN where there was none to predict."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def nats_per_char(self) -> float:
        """Mean surprisal of a character."""
        return self.nats_per_token / self.chars_per_token

    def as_json(self) -> dict[str, float]:
        """The four usual ways to tell it."""
        return {
            "nats_per_token": self.nats_per_token,
            "nats_per_char": self.nats_per_char,
            "bits_per_char": self.nats_per_char / math.log(2),
            "perplexity": math.exp(min(self.nats_per_token, 700.0)),
        }


@dataclass(frozen=True)
class Judge:
    """Tries a network on a text.

    Args:
        network: in any mode; it is put back.
        precision: ``fp32`` or ``bf16``, of the matrix products.
    """

    network: nn.Module
    precision: str = "fp32"

    def window(self, store: TokenStore, *, has_eos: bool) -> Loss:
        """Windows from a fresh state; where examples end, each example is a window."""
        if store.source is not None:
            return self.read(PairBatches(store, BUDGET).sweep(), store, has_eos=has_eos)
        spans = example_spans(store, 1 << 30) if has_eos else window_spans(store, WINDOW)
        return self.read(SpanBatches(store, spans, BUDGET).sweep(), store, has_eos=has_eos)

    def stream(self, store: TokenStore, *, has_eos: bool, lanes: int = 1, seq: int = 1024) -> Loss:
        """The state carried through the text.

        Args:
            store: the text.
            has_eos: whether every example is read from a fresh state, to its end.
            lanes: stretches read side by side, each from a fresh state; 1 is exact.
            seq: tokens at a time; a matter of speed and memory alone.
        """
        if has_eos:
            return self.window(store, has_eos=True)
        return self.read(StreamBatches(store, lanes, seq).sweep(), store, has_eos=False)

    def read(self, batches: Iterable[Batch], store: TokenStore, *, has_eos: bool) -> Loss:
        """Sum the surprisal of every target."""
        training = self.network.training
        self.network.eval()
        nats, tokens, state = 0.0, 0, None
        with torch.inference_mode():
            for batch in batches:
                loss, state = batch_loss(self.network, batch, state, self.precision, reduction="sum")
                nats += float(loss)
                tokens += int((batch.targets != IGNORE).sum())
        self.network.train(training)
        return summed(nats, tokens, store, has_eos=has_eos)


def summed(nats: float, tokens: int, store: TokenStore, *, has_eos: bool) -> Loss:
    """The loss that ``nats`` over so many ``tokens`` of a text are."""
    closed = store.examples if has_eos else 0  # an end is a token too and, as a line's end, a character
    return Loss(nats, tokens, (store.chars + closed) / max(1, store.text_tokens + closed))
