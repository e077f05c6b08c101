"""What every network is made of besides its layers: dropout, and the output layer that was chosen."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rnngen.nn.adaptive_head import AdaptiveHead
from rnngen.nn.heads import Head, MixtureHead
from rnngen.options.model import NetworkOptions


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


OutputLayer: TypeAlias = Head | AdaptiveHead


def make_head(
    options: NetworkOptions, inputs: int, vocabulary: int, weight: nn.Parameter | None = None
) -> OutputLayer:
    """The output layer that the options name.

    Args:
        options: ``head`` and ``mixture``.
        inputs: I.
        vocabulary: V.
        weight: an embedding (V,I) to tie it to; the adaptive one has none, which ``options`` see to.
    """
    match options.head:
        case "full":
            return Head(inputs, vocabulary, weight)
        case "mixture":
            return MixtureHead(inputs, vocabulary, weight, options.softmaxes)
        case "adaptive":
            return AdaptiveHead(inputs, vocabulary)


@dataclass(frozen=True)
class TorchModuleFactory:
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


def heads(network: nn.Module) -> list[OutputLayer]:
    """The output layers of a network, for the trainer to prepare."""
    return [module for module in network.modules() if isinstance(module, (Head, AdaptiveHead))]
