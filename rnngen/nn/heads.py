"""The output layers: from features to logits, and the loss of targets.

::

    full       logits = W h + b
    mixture    p = Σₖ πₖ softmax(W tanh(Wₖ h + bₖ) + b),    π = softmax(P h)        Yang et al. 2018
    adaptive   p(w) = p(cluster of w) · p(w | cluster); the rarer the cluster, the fewer features it reads

        ┌──────────┬──┬──┐
        │ frequent │ ▾│ ▾│   root: the most frequent tokens, and a link to each cluster     Grave et al. 2017
        └──────────┴─┬┴─┬┘
                 I/4 ▾  ▾ I/16 features          tokens that are appended later make a cluster of their own

The logits of mixture and adaptive are log-probabilities. ``rnngen.inference.numpy_model`` has all in NumPy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from rnngen.contracts import IGNORE
from rnngen.nn.loss import chunked_loss
from rnngen.nn.regularizers import TrainingSetup, VariationalDropout
from rnngen.options.model import NetworkOptions

NARROWER = 4
"""The factor by which each cluster of the adaptive softmax reads fewer features than the one before."""


class Head(nn.Linear):
    """The full softmax: a row of weights for each token.

    Args:
        inputs: I, the features that it reads.
        vocabulary: V.
        weight: an embedding (V,I) to share the matrix with (Press and Wolf 2017).
        setup: where it is to be trained. The bias then starts at the tokens' log-frequencies, so that the
            first predictions are those of a unigram model. Restricted, it trains only tokens that occur, and
            the others keep that little: to normalise over 256 byte tokens that a text may never need would
            cost more than over all its characters.
    """

    softmaxes = 1
    """Number of distributions that a row of features makes."""
    occurring: Tensor | None
    """(N,) the tokens that are trained; None where all are."""
    column: Tensor | None
    """(V,) the place of each token among them."""

    def __init__(
        self,
        inputs: int,
        vocabulary: int,
        weight: nn.Parameter | None = None,
        setup: TrainingSetup | None = None,
    ) -> None:
        super().__init__(inputs, vocabulary)
        nn.init.normal_(self.weight, std=inputs**-0.5)  # the first predictions are near uniform
        nn.init.zeros_(self.bias)
        if weight is not None:
            self.weight = weight
        self.smoothing = setup.options.label_smoothing if setup else 0.0
        occurring = column = None
        if setup:
            with torch.no_grad():
                self.bias.copy_(frequencies(setup.counts).log())
        if setup and setup.restricted:
            occurring = setup.counts.nonzero().flatten()
            column = torch.zeros(vocabulary, dtype=torch.long)
            column[occurring] = torch.arange(len(occurring))
        self.register_buffer("occurring", occurring, persistent=False)
        self.register_buffer("column", column, persistent=False)

    def nll(self, x: Tensor, targets: Tensor) -> Tensor:
        """The summed cross-entropy of ``targets`` (B,T) given ``x`` (B,T,I), those that count, in nats.

        No more than ``rnngen.nn.loss.LIMIT`` logits exist at a time.
        """
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self.training and self.occurring is not None and self.column is not None:
            weight, bias = weight[self.occurring], bias[self.occurring]
            targets = torch.where(targets == IGNORE, IGNORE, self.column[targets.clamp(min=0)])
        parameters, width = (weight, bias, *self._reading()), len(bias) * self.softmaxes
        return chunked_loss(self._loss, x.flatten(0, 1), targets.flatten(), parameters, width)

    def _reading(self) -> tuple[Tensor, ...]:
        """The parameters between the features and the matrix."""
        return ()

    def _loss(self, x: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, *_: Tensor) -> Tensor:
        return self._smoothed(linear(x, weight, bias), targets)

    def _smoothed(self, logits: Tensor, targets: Tensor) -> Tensor:
        return summed(logits, targets, self.smoothing if self.training else 0.0)


class MixtureHead(Head):
    """Several softmaxes over one matrix, mixed: more than the rank I that the logits of one have.

    Args as for ``Head``, and ``softmaxes``: K.
    """

    def __init__(
        self,
        inputs: int,
        vocabulary: int,
        weight: nn.Parameter | None = None,
        setup: TrainingSetup | None = None,
        *,
        softmaxes: int = 4,
    ) -> None:
        super().__init__(inputs, vocabulary, weight, setup)
        self.softmaxes = softmaxes
        self.contexts = nn.Linear(inputs, softmaxes * inputs)
        self.prior = nn.Linear(inputs, softmaxes, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…,I) → log-probabilities (…,V)."""
        contexts, prior = self._read(x, *self._reading())
        return self._mixed(linear(contexts, self.weight, self.bias), prior)

    def _reading(self) -> tuple[Tensor, ...]:
        return self.contexts.weight, self.contexts.bias, self.prior.weight

    def _loss(self, x: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, *reading: Tensor) -> Tensor:
        contexts, prior = self._read(x, *reading)
        logits = linear(contexts, weight, bias).float()
        if self.training and self.smoothing:
            return self._smoothed(self._mixed(logits, prior), targets)
        every = targets.repeat_interleave(self.softmaxes)
        logs = -cross_entropy(logits.flatten(0, 1), every, ignore_index=IGNORE, reduction="none")
        mixed = (prior + logs.view_as(prior)).logsumexp(-1)
        return -mixed[targets != IGNORE].sum()

    def _read(self, x: Tensor, inner: Tensor, offset: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
        """Return what each softmax reads (…,K,I), and the logarithms of their shares (…,K)."""
        contexts = linear(x, inner, offset).tanh()
        prior = linear(x, choice).float().log_softmax(-1)
        return contexts.view(*prior.shape, -1), prior

    def _mixed(self, logits: Tensor, prior: Tensor) -> Tensor:
        return (logits.float().log_softmax(-1) + prior.unsqueeze(-1)).logsumexp(-2)


class Tail(nn.Module):
    """A cluster of the adaptive softmax: what its tokens share is learnt with few features."""

    def __init__(self, inputs: int, features: int, tokens: int) -> None:
        super().__init__()
        self.narrow = nn.Linear(inputs, features, bias=False)
        self.wide = nn.Linear(features, tokens, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(…,I) → logits of its tokens."""
        return linear(self.narrow(x), self.wide.weight)


class AdaptiveHead(nn.Module):
    """The adaptive softmax: frequent tokens are distinguished first, rare ones only where they occur.

    Without label smoothing, which would need the probability of every token. The counts of ``setup`` say
    which tokens are frequent, ``grown`` V before each time that tokens were appended.
    """

    rank: Tensor
    """(V,) each token's place in the order of frequency; stored with the weights."""

    def __init__(
        self,
        inputs: int,
        vocabulary: int,
        setup: TrainingSetup | None = None,
        grown: Sequence[int] = (),
    ) -> None:
        super().__init__()
        own = cuts(grown[0] if grown else vocabulary)
        self.cuts = [*own, *grown]
        sizes = [after - before for before, after in pairwise([*self.cuts, vocabulary])]
        self.root = nn.Linear(inputs, self.cuts[0] + len(sizes))
        self.tails = nn.ModuleList(
            Tail(inputs, max(1, inputs // NARROWER ** (number if number <= len(own) else 1)), size)
            for number, size in enumerate(sizes, 1)
        )
        nn.init.normal_(self.root.weight, std=inputs**-0.5)
        nn.init.zeros_(self.root.bias)
        self.register_buffer("rank", torch.arange(vocabulary))
        if setup:
            self._start_from(setup.counts)

    def _start_from(self, counts: Tensor) -> None:
        """Order tokens by (V,) counts, and start at the root's log-frequencies."""
        order = counts.argsort(descending=True, stable=True)
        first, *rest = frequencies(counts)[order].tensor_split(self.cuts)
        with torch.no_grad():
            self.rank[order] = torch.arange(len(counts), device=order.device)
            self.root.bias.copy_(torch.cat([first, *(one.sum().view(1) for one in rest)]).log())

    def forward(self, x: Tensor) -> Tensor:
        """(…,I) → log-probabilities (…,V)."""
        root = self.root(x).float().log_softmax(-1)
        first, links = root.tensor_split([self.cuts[0]], dim=-1)
        tails = [tail(x).float().log_softmax(-1) for tail in self.tails]
        rest = [links[..., number, None] + tail for number, tail in enumerate(tails)]
        return torch.cat([first, *rest], dim=-1)[..., self.rank]

    def nll(self, x: Tensor, targets: Tensor) -> Tensor:
        """The summed cross-entropy of ``targets`` (B,T) given ``x`` (B,T,I), those that count, in nats."""
        counts = targets != IGNORE
        x, place = x[counts], self.rank[targets[counts]]
        cluster = torch.stack([place >= cut for cut in self.cuts]).sum(dim=0)
        first = torch.where(cluster == 0, place, self.cuts[0] - 1 + cluster)
        root = (self.root.weight, self.root.bias)
        loss = chunked_loss(_linear_loss, x, first, root, len(self.root.bias))
        for number, (cut, tail) in enumerate(zip(self.cuts, self.tails, strict=True), 1):
            assert isinstance(tail, Tail)
            own, wide = cluster == number, tail.wide.weight
            narrow = tail.narrow(x[own])
            loss = loss + chunked_loss(_linear_loss, narrow, place[own] - cut, (wide,), len(wide))
        return loss


OutputLayer: TypeAlias = Head | AdaptiveHead


def make_head(
    options: NetworkOptions,
    inputs: int,
    vocabulary: int,
    weight: nn.Parameter | None = None,
    setup: TrainingSetup | None = None,
    *,
    grown: Sequence[int] = (),
) -> OutputLayer:
    """Build the output layer that the options name; they refuse to tie ``weight`` to the adaptive softmax.

    ``grown`` is V before each time that tokens were appended.
    """
    match options.head:
        case "full":
            return Head(inputs, vocabulary, weight, setup)
        case "mixture":
            return MixtureHead(inputs, vocabulary, weight, setup, softmaxes=options.softmaxes)
        case "adaptive":
            return AdaptiveHead(inputs, vocabulary, setup, grown)


@dataclass(frozen=True)
class TorchModuleFactory:
    """The modules that whole networks take from here (``rnngen.contracts.ModuleFactory``)."""

    vocabulary: int
    share: float
    """Share of the features that is dropped in training."""
    setup: TrainingSetup | None = None

    def head(self, inputs: int, weight: nn.Parameter | None = None) -> Head:
        """Build an output layer."""
        return Head(inputs, self.vocabulary, weight, self.setup)

    def dropout(self) -> VariationalDropout:
        """Build a dropout."""
        return VariationalDropout(self.share)


def frequencies(counts: Tensor) -> Tensor:
    """Return (V,) shares; of tokens that never occur, next to nothing."""
    return (counts + 0.1) / (counts + 0.1).sum()


def summed(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Return the summed cross-entropy of ``targets`` (N,), those that count, from logits (N,V), in fp32."""
    return cross_entropy(
        logits.float(), targets, ignore_index=IGNORE, reduction="sum", label_smoothing=smoothing
    )


def cuts(vocabulary: int) -> list[int]:
    """Return where the clusters of the adaptive softmax begin: a fifteenth and a fifth of the vocabulary.

    The first fifteenth of a language's words makes up most of its text.
    """
    first = max(1, vocabulary // 15)
    return [first, max(first + 1, vocabulary // 5)]


def _linear_loss(x: Tensor, targets: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The summed cross-entropy of ``targets`` (N,) where the logits are linear in ``x`` (N,I)."""
    return summed(linear(x, weight, bias), targets, 0.0)
