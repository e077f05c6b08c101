"""The output layers with one matrix for all tokens: from features to logits, and the loss of targets.

::

    full       logits = W h + b
    mixture    p = Σₖ πₖ softmax(W tanh(Wₖ h + bₖ) + b),    π = softmax(P h)        Yang et al. 2018

What the mixture gives for logits are log-probabilities. ``rnngen.inference.heads`` has them in NumPy.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from rnngen.contracts import IGNORE
from rnngen.nn.chunked_loss import in_slices


class Head(nn.Linear):
    """The full softmax: a row of weights for each token.

    Args:
        inputs: I, the features that it reads.
        vocabulary: V.
        weight: an embedding (V,I) to share the matrix with (Press and Wolf 2017).
    """

    smoothing = 0.0
    """Share of the target's probability that is spread over all tokens in training (Szegedy et al. 2016)."""
    softmaxes = 1
    """How many distributions a row of features makes."""

    def __init__(self, inputs: int, vocabulary: int, weight: nn.Parameter | None = None) -> None:
        super().__init__(inputs, vocabulary)
        nn.init.normal_(self.weight, std=inputs**-0.5)  # the first predictions are near uniform
        nn.init.zeros_(self.bias)
        if weight is not None:
            self.weight = weight
        self._occurring: tuple[Tensor, Tensor] | None = None

    def expect(self, counts: Tensor) -> None:
        """Start the bias at the tokens' log-frequencies, (V,) counts.

        The first predictions are then those of a unigram model, and no step is spent on learning which
        tokens never occur.
        """
        with torch.no_grad():
            self.bias.copy_(frequencies(counts).log())

    def restrict(self, counts: Tensor) -> None:
        """Train on the tokens that occur, (V,) counts; the others keep the little that ``expect`` gives them.

        A character model has 256 byte tokens that its text may never need: to normalise over them at every
        step would cost more than over all its characters.
        """
        there = counts.nonzero().flatten()
        column = torch.zeros(len(counts), dtype=torch.long)
        column[there] = torch.arange(len(there))
        self._occurring = (there.to(self.weight.device), column.to(self.weight.device))

    def nll(self, x: Tensor, targets: Tensor) -> Tensor:
        """The summed cross-entropy of ``targets`` (B,T) given ``x`` (B,T,I), those that count, in nats.

        No more than ``rnngen.nn.chunked_loss.LIMIT`` logits exist at a time.
        """
        weight: Tensor = self.weight
        bias: Tensor = self.bias
        if self.training and self._occurring:
            there, column = self._occurring
            weight, bias = weight[there], bias[there]
            targets = torch.where(targets == IGNORE, IGNORE, column[targets.clamp(min=0)])
        parameters = (weight, bias, *self._reading())
        return in_slices(
            self._loss, x.flatten(0, 1), targets.flatten(), parameters, len(bias) * self.softmaxes
        )

    def _reading(self) -> tuple[Tensor, ...]:
        """The parameters between the features and the matrix."""
        return ()

    def _loss(self, x: Tensor, targets: Tensor, weight: Tensor, bias: Tensor, *_: Tensor) -> Tensor:
        """Of rows: ``x`` (N,I), ``targets`` (N,)."""
        return self._smoothed(linear(x, weight, bias), targets)

    def _smoothed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The loss of logits (N,V), smoothed in training."""
        smoothing = self.smoothing if self.training else 0.0
        return summed(logits, targets, smoothing)


class MixtureHead(Head):
    """Several softmaxes over one matrix, mixed: more than the rank I that the logits of one have.

    Args:
        inputs: I.
        vocabulary: V.
        weight: as for ``Head``.
        softmaxes: K.
    """

    def __init__(
        self, inputs: int, vocabulary: int, weight: nn.Parameter | None = None, softmaxes: int = 4
    ) -> None:
        super().__init__(inputs, vocabulary, weight)
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
        said = -cross_entropy(logits.flatten(0, 1), every, ignore_index=IGNORE, reduction="none")
        mixed = (prior + said.view_as(prior)).logsumexp(-1)
        return -mixed[targets != IGNORE].sum()

    def _read(self, x: Tensor, inner: Tensor, offset: Tensor, choice: Tensor) -> tuple[Tensor, Tensor]:
        """What each softmax reads (…,K,I), and the logarithms of their shares (…,K)."""
        contexts = linear(x, inner, offset).tanh()
        prior = linear(x, choice).float().log_softmax(-1)
        return contexts.view(*prior.shape, -1), prior

    def _mixed(self, logits: Tensor, prior: Tensor) -> Tensor:
        return (logits.float().log_softmax(-1) + prior.unsqueeze(-1)).logsumexp(-2)


def frequencies(counts: Tensor) -> Tensor:
    """(V,) shares; of tokens that never occur, next to nothing."""
    return (counts + 0.1) / (counts + 0.1).sum()


def summed(logits: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """The summed cross-entropy of ``targets`` (N,), those that count, given logits (N,V), in float32."""
    return cross_entropy(
        logits.float(), targets, ignore_index=IGNORE, reduction="sum", label_smoothing=smoothing
    )
