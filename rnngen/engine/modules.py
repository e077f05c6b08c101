"""What every network is made of besides its layers: dropout and the output layer, which owns the loss."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

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


class TypeDropout(nn.Module):
    """Drops the embeddings of some tokens, wherever in a batch they stand (Gal and Ghahramani 2016)."""

    share = 0.0
    """Of the vocabulary, from 0 to below 1."""

    def forward(self, tokens: Tensor, embedding: nn.Embedding) -> Tensor:
        """``tokens`` (B,T) → their embeddings (B,T,E); in evaluation as they are."""
        x: Tensor = embedding(tokens)
        if not (self.training and self.share):
            return x
        kept = torch.empty(embedding.num_embeddings, 1, device=x.device).bernoulli_(1 - self.share)
        return x * (kept / (1 - self.share)).to(x.dtype)[tokens]


class WeightDrop(nn.Module):
    """Drops weights of recurrent matrices, the same ones at all steps (Merity et al. 2017).

    The layer is called as always, with thinned matrices in the places of its own: the fused ways stay open,
    and parameters, gradients and what is saved keep their names. Any cell is served that calls these matrices
    ``weight_hh…``, as torch does.
    """

    share = 0.0
    """Of the weights, from 0 to below 1."""

    def forward(self, layer: nn.Module, *arguments: Any) -> Any:
        """What ``layer`` gives of the arguments, with thinned matrices in training."""
        if not (self.training and self.share):
            return layer(*arguments)
        thinned = {name: nn.functional.dropout(w, self.share) for name, w in recurrent(layer).items()}
        return functional_call(layer, thinned, arguments)


def recurrent(layer: nn.Module) -> dict[str, nn.Parameter]:
    """The matrices that a layer multiplies its own past with, by name."""
    named = layer.named_parameters()
    return {name: p for name, p in named if name.rpartition(".")[2].startswith("weight_hh") and p.ndim == 2}


class Restless(nn.Module):
    """What training adds to the loss for large and restless activations: AR, TAR (Merity et al. 2017)."""

    size = 0.0
    """α, of the mean square of the outputs after dropout."""
    change = 0.0
    """β, of the mean square of their changes from step to step, before dropout."""

    def forward(self, dropped: Tensor, raw: Tensor, counts: Tensor) -> "Tensor | float":
        """The penalty, summed like the loss over the targets that count.

        Args:
            dropped: (B,T,H) what the head reads.
            raw: (B,T,H) the same before dropout.
            counts: (B,T) bool, whether the target there counts.
        """
        if not (self.training and (self.size or self.change)):
            return 0.0
        size = _mean_square(dropped, counts) if self.size else 0.0
        pairs = counts[:, 1:] & counts[:, :-1]
        change = _mean_square(raw.diff(dim=1), pairs) if self.change else 0.0
        return counts.sum() * (self.size * size + self.change * change)


def _mean_square(x: Tensor, counts: Tensor) -> Tensor:
    """Of ``x`` (B,T,H) where ``counts`` (B,T); 0 where nothing does."""
    squares = x.float().square().mean(dim=2)
    return (squares * counts).sum() / counts.sum().clamp(min=1)


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
