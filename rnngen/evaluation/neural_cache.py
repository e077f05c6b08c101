"""The neural cache: what followed when the network was in a similar state (Grave et al. 2016, 1612.04426).

::

    p(w) = (1 − λ)·p_network(w) + λ·Σᵢ αᵢ·[w = xᵢ₊₁],    α = softmax over the last N places i of θ·hᵢ·hₜ

The weights stay; only outputs hᵢ, as the output layer reads them, and the tokens that came after them are
remembered. ``rnngen.inference.neural_cache`` does the same while writing.
"""

from typing import Any

import torch
from torch import Tensor, nn

from rnngen.contracts import IGNORE
from rnngen.data.token_store import TokenStore
from rnngen.errors import UsageError
from rnngen.evaluation.dynamic import segments
from rnngen.evaluation.perplexity import Loss, summed
from rnngen.nn.loss import initial_states
from rnngen.nn.network import RecurrentNetwork
from rnngen.options.model import ReadingOptions

BLOCK = 256
"""Tokens that are looked up at once; a matter of speed and memory alone."""


def cached(network: nn.Module, store: TokenStore, *, has_eos: bool, options: ReadingOptions) -> Loss:
    """Read a text with a cache; the state is carried through, as in the reading ``stream``.

    Args:
        network: in any mode; it is put back.
        store: the text.
        has_eos: whether every example is read from a fresh state; what is remembered lasts beyond it.
        options: the cache's size, weight and flatness.

    Raises:
        UsageError: if the network has not one output a token to remember.
    """
    if not isinstance(network, RecurrentNetwork):
        raise UsageError("--cache is for models of text without a source; leave it out")
    training, state = network.training, None
    network.eval()
    cache, nats, tokens = Cache(options), 0.0, 0
    with torch.inference_mode():
        for batch in segments(store, BLOCK, has_eos=has_eos):
            inputs, targets = (torch.from_numpy(array).to(_device(network)) for array in batch[:2])
            h, state = network.hidden(inputs, initial_states(network, batch, state))
            counts = targets != IGNORE
            h, targets = h[counts].float(), targets[counts]
            logs = torch.log_softmax(network.predict(h).float(), dim=-1)
            surprisal = cache.read(h, targets, logs.gather(1, targets[:, None])[:, 0])
            nats, tokens = nats + float(surprisal.double().sum()), tokens + len(targets)
    network.train(training)
    return summed(nats, tokens, store, has_eos=has_eos)


class Cache:
    """The last outputs, and the token after each."""

    def __init__(self, options: ReadingOptions) -> None:
        self.size, self.weight = options.cache_size, options.cache_weight
        self.theta = options.cache_flatness
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def read(self, h: Tensor, targets: Tensor, logs: Tensor) -> Tensor:
        """Predict N tokens in a row, each with what came before it, and remember them → surprisals (N,).

        Args:
            h: (N,H) outputs.
            targets: (N,) the tokens that came next.
            logs: (N,) what the network's log-probability of each is.
        """
        keys = h if self.keys is None else torch.cat([self.keys, h])
        values = targets if self.values is None else torch.cat([self.values, targets])
        place = torch.arange(len(keys) - len(h), len(keys), device=h.device)[:, None]
        other = torch.arange(len(keys), device=h.device)
        known = (other < place) & (other >= place - self.size)
        likeness = (self.theta * h @ keys.T).masked_fill(~known, -torch.inf)
        shares = torch.nan_to_num(torch.softmax(likeness, dim=1))  # before the first token nothing is known
        told = (shares * (values == targets[:, None])).sum(dim=1)
        weight = self.weight * known.any(dim=1)
        self.keys, self.values = keys[-self.size :], values[-self.size :]
        return -torch.log((1 - weight) * logs.exp() + weight * told)


def _device(network: Any) -> torch.device:
    device: torch.device = next(network.parameters()).device
    return device
