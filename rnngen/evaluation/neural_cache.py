"""The neural cache: what followed when the network was in a similar state (Grave et al. 2016, 1612.04426).

::

    p(w) = (1 − λ)·p_network(w) + λ·Σᵢ αᵢ·[w = xᵢ₊₁],    α = softmax over the last N places i of θ·hᵢ·hₜ

The weights stay; only outputs hᵢ, as the output layer reads them, and the tokens that came after them are
remembered. ``rnngen.inference.neural_cache`` does the same during generation.
"""

import torch
from torch import Tensor, nn

from rnngen.contracts import IGNORE, FeatureNetwork
from rnngen.data.batches import segment_batches
from rnngen.data.token_store import TokenStore
from rnngen.errors import OptionError
from rnngen.evaluation.perplexity import Loss
from rnngen.nn.loss import initial_states
from rnngen.options.model import EvaluationOptions

BLOCK = 256
"""Tokens that are looked up at once; a matter of speed and memory alone."""


def cached_loss(network: nn.Module, store: TokenStore, *, has_eos: bool, options: EvaluationOptions) -> Loss:
    """Return the loss on a text with a cache; the state is carried through, as in mode ``stream``.

    Args:
        network: in any mode; it is put back.
        store: the text.
        has_eos: read every example from a fresh state; what is remembered lasts beyond it.
        options: the cache's size, weight and flatness.

    Raises:
        OptionError: if the network exposes no features.
    """
    features, device = with_features(network), next(network.parameters()).device
    training, state = network.training, None
    network.eval()
    cache, nats, tokens = Cache(options), 0.0, 0
    with torch.inference_mode():
        for batch in segment_batches(store, BLOCK, has_eos=has_eos):
            inputs, targets = (torch.from_numpy(array).to(device) for array in batch[:2])
            h, state = features.hidden(inputs, initial_states(network, batch, state))
            counts = targets != IGNORE
            h, targets = h[counts].float(), targets[counts]
            logs = torch.log_softmax(features.predict(h).float(), dim=-1)
            surprisals = cache.read(h, targets, logs.gather(1, targets[:, None])[:, 0])
            nats, tokens = nats + float(surprisals.double().sum()), tokens + len(targets)
    network.train(training)
    return Loss.of(store, nats, tokens, has_eos=has_eos)


def with_features(network: nn.Module) -> FeatureNetwork:
    """Return a network that exposes what its output layer reads, one vector a token.

    Raises:
        OptionError: if it does not.
    """
    if isinstance(network, FeatureNetwork):
        return network
    raise OptionError("`cache` needs a network that exposes its features per token; this one does not")


class Cache:
    """The last N outputs, and the token after each."""

    def __init__(self, options: EvaluationOptions) -> None:
        self.size, self.weight = options.cache_size, options.cache_weight
        self.theta = options.cache_flatness
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def read(self, h: Tensor, targets: Tensor, logs: Tensor) -> Tensor:
        """Predict N tokens in a row, each with what came before it, and remember them → surprisals (N,).

        Args:
            h: (N,H) outputs.
            targets: (N,) the tokens that came next.
            logs: (N,) the network's log-probability of each.
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
