"""What every network is made of besides its layers: dropout and the output layer, which owns the loss."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rnngen.contracts import IGNORE


class VariationalDropout(nn.Module):
    """Drops features of (B,T,H), the same ones at all steps (Gal and Ghahramani 2016).

    One mask a sequence disturbs what a recurrence remembers less than a new one every step, and takes T
    times fewer random numbers, which alone were a seventh of a step's time.

    Args:
        share: how many are dropped, from 0 to below 1.
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor) -> Tensor:
        """(B,T,H) → (B,T,H); in evaluation as it is."""
        if not (self.training and self.share):
            return x
        kept = torch.empty(len(x), 1, x.shape[2], dtype=x.dtype, device=x.device).bernoulli_(1 - self.share)
        return x * (kept / (1 - self.share))


class Head(nn.Linear):
    """The output layer: logits, and the loss of targets.

    Args:
        inputs: I, the features that it reads.
        vocabulary: V.
        weight: an embedding (V,I) to share the matrix with (Press and Wolf 2017).
    """

    smoothing = 0.0
    """Share of the target's probability that is spread over all tokens in training (Szegedy et al. 2016)."""

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
            self.bias.copy_(torch.log((counts + 0.1) / (counts + 0.1).sum()))

    def restrict(self, counts: Tensor) -> None:
        """Train on the tokens that occur, (V,) counts; the others keep the little that ``expect`` gives them.

        A character model has 256 byte tokens that its text may never need: to normalise over them at every
        step would cost more than over all its characters.
        """
        there = counts.nonzero().flatten()
        column = torch.zeros(len(counts), dtype=torch.long)
        column[there] = torch.arange(len(there))
        self._occurring = (there.to(self.weight.device), column.to(self.weight.device))

    def surprisal(self, x: Tensor, targets: Tensor) -> Tensor:
        """The summed cross-entropy of ``targets`` (B,T) given ``x`` (B,T,I), those that count, in nats."""
        if self.training and self._occurring:
            there, column = self._occurring
            logits = nn.functional.linear(x, self.weight[there], self.bias[there])
            targets = torch.where(targets == IGNORE, IGNORE, column[targets.clamp(min=0)])
        else:
            logits = self(x)
        return nn.functional.cross_entropy(
            logits.float().flatten(0, 1),
            targets.flatten(),
            ignore_index=IGNORE,
            reduction="sum",
            label_smoothing=self.smoothing if self.training else 0.0,
        )


@dataclass(frozen=True)
class Workshop:
    """What whole networks are lent (``rnngen.contracts.Kit``)."""

    vocabulary: int
    share: float
    """Of the features that are dropped in training."""

    def head(self, inputs: int, weight: nn.Parameter | None = None) -> Head:
        """A new output layer."""
        return Head(inputs, self.vocabulary, weight)

    def dropout(self) -> VariationalDropout:
        """A new dropout."""
        return VariationalDropout(self.share)


def heads(network: nn.Module) -> list[Head]:
    """The output layers of a network, for the trainer to prepare."""
    return [module for module in network.modules() if isinstance(module, Head)]
