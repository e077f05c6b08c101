"""The adaptive softmax, an output layer for large vocabularies (Grave et al. 2017, 1609.04309).

::

    p(w) = p(cluster of w) · p(w | cluster); the rarer the cluster, the fewer features it reads

        ┌──────────┬──┬──┐
        │ frequent │ ▾│ ▾│   root: the most frequent tokens, and a link to each cluster
        └──────────┴─┬┴─┬┘
                 I/4 ▾  ▾ I/16 features

What it gives for logits are log-probabilities. Its twin for NumPy is in ``rnngen.inference.heads``.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rnngen.contracts import IGNORE
from rnngen.nn.chunked_loss import in_slices
from rnngen.nn.heads import frequencies, summed

NARROWER = 4
"""How many times fewer features each cluster reads than the one before."""


class Tail(nn.Module):
    """A cluster of the adaptive softmax: what its tokens share is learnt with few features.

    Args:
        inputs: I.
        features: how many it makes of them.
        tokens: how many it has.
    """

    def __init__(self, inputs: int, features: int, tokens: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(inputs, features, bias=False)
        self.wide = nn.Linear(features, tokens, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…,I) → logits of its tokens."""
        logits: Tensor = self.wide(self.narrow(x))
        return logits


class AdaptiveHead(nn.Module):
    """The adaptive softmax: frequent tokens are told apart first, rare ones only where they occur.

    Args:
        inputs: I.
        vocabulary: V.
    """

    smoothing = 0.0
    """There is none: it would ask for the probability of every token."""

    rank: Tensor
    """(V,) each token's place in the order of frequency; stored with the weights."""

    def __init__(self, inputs: int, vocabulary: int) -> None:
        super().__init__()
        self.cuts = cuts(vocabulary)
        sizes = [
            after - before for before, after in zip(self.cuts, [*self.cuts[1:], vocabulary], strict=True)
        ]
        self.root = nn.Linear(inputs, self.cuts[0] + len(sizes))
        self.tails = nn.ModuleList(
            Tail(inputs, max(1, inputs // NARROWER**number), size) for number, size in enumerate(sizes, 1)
        )
        nn.init.normal_(self.root.weight, std=inputs**-0.5)
        nn.init.zeros_(self.root.bias)
        self.register_buffer("rank", torch.arange(vocabulary))

    def expect(self, counts: Tensor) -> None:
        """Learn from (V,) counts which tokens are frequent, and start at the root's log-frequencies."""
        order = counts.argsort(descending=True, stable=True)
        first, *rest = frequencies(counts)[order].tensor_split(self.cuts)
        with torch.no_grad():
            self.rank[order] = torch.arange(len(counts), device=order.device)
            self.root.bias.copy_(torch.cat([first, *(one.sum().view(1) for one in rest)]).log())

    def restrict(self, counts: Tensor) -> None:
        """Nothing: tokens that never occur are the last of the last cluster, where they cost little."""

    def forward(self, x: Tensor) -> Tensor:
        """(…,I) → log-probabilities (…,V)."""
        root = self.root(x).float().log_softmax(-1)
        first, links = root.tensor_split([self.cuts[0]], dim=-1)
        rest = [
            links[..., number, None] + tail(x).float().log_softmax(-1)
            for number, tail in enumerate(self.tails)
        ]
        return torch.cat([first, *rest], dim=-1)[..., self.rank]

    def nll(self, x: Tensor, targets: Tensor) -> Tensor:
        """The summed cross-entropy of ``targets`` (B,T) given ``x`` (B,T,I), those that count, in nats."""
        counts = targets != IGNORE
        x, place = x[counts], self.rank[targets[counts]]
        cluster = torch.stack([place >= cut for cut in self.cuts]).sum(dim=0)
        first = torch.where(cluster == 0, place, self.cuts[0] - 1 + cluster)
        root = (self.root.weight, self.root.bias)
        loss = in_slices(_linear_loss, x, first, root, len(self.root.bias))
        for number, (cut, tail) in enumerate(zip(self.cuts, self.tails, strict=True), 1):
            assert isinstance(tail, Tail)
            own, wide = cluster == number, tail.wide.weight
            loss = loss + in_slices(_linear_loss, tail.narrow(x[own]), place[own] - cut, (wide,), len(wide))
        return loss


def cuts(vocabulary: int) -> list[int]:
    """Where the clusters of the adaptive softmax begin: a fifteenth and a fifth of the vocabulary.

    The first fifteenth of a language's words makes up most of its text.
    """
    first = max(1, vocabulary // 15)
    return [first, max(first + 1, vocabulary // 5)]


def _linear_loss(x: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The summed cross-entropy of ``targets`` (N,) where the logits are linear in ``x`` (N,I)."""
    return summed(linear(x, weight, bias), targets, 0.0)
