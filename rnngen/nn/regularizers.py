"""The regularizers of training, which evaluation and generation never see.

::

    tokens ─▸ embeddings · EmbeddingDropout ─▸ layers with WeightDrop ─▸ VariationalDropout ─▸ head ─▸ loss
                                                       └──── ActivationRegularizer ────────────────────▴
"""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from rnngen.options.model import TrainingOptions


@dataclass(frozen=True)
class TrainingSetup:
    """Parameters of a network that is to be trained, beside its sizes."""

    counts: Tensor
    """(V,) number of times that each token occurs in the training text."""
    options: TrainingOptions = field(default_factory=TrainingOptions)
    """Label smoothing and the regularizers."""
    restricted: bool = True
    """Train only the tokens that occur; not where others have to be unlearnt."""


class _Dropout(nn.Module):
    """Drops a share, from 0 to below 1, in training."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share


class VariationalDropout(_Dropout):
    """Drops features of (B,T,H), the same ones at all steps (Gal and Ghahramani 2016).

    One mask a sequence disturbs what a recurrence remembers less than a new one every step, and takes T
    times fewer random numbers, which alone were a seventh of a step's time.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B,T,H) → (B,T,H); in evaluation as it is."""
        if not (self.training and self.share):
            return x
        kept = torch.empty(len(x), 1, x.shape[2], dtype=x.dtype, device=x.device).bernoulli_(1 - self.share)
        return x * (kept / (1 - self.share))


class EmbeddingDropout(_Dropout):
    """Drops the embeddings of some tokens, wherever in a batch they stand (Gal and Ghahramani 2016)."""

    def forward(self, tokens: Tensor, embedding: nn.Embedding) -> Tensor:
        """``tokens`` (B,T) → their embeddings (B,T,E); in evaluation as they are."""
        x: Tensor = embedding(tokens)
        if not (self.training and self.share):
            return x
        kept = torch.empty(embedding.num_embeddings, 1, device=x.device).bernoulli_(1 - self.share)
        return x * (kept / (1 - self.share)).to(x.dtype)[tokens]


class WeightDrop(_Dropout):
    """Drops weights of recurrent matrices, the same ones at all steps (Merity et al. 2017).

    The layer is called as always, with thinned matrices in the places of its own: the fused ways stay open,
    and parameters, gradients and what is saved keep their names. Any cell is served that calls these matrices
    ``weight_hh…``, as torch does.
    """

    def forward(self, layer: nn.Module, *arguments: Any) -> Any:
        """Call ``layer`` with the arguments, in training with thinned matrices."""
        if not (self.training and self.share):
            return layer(*arguments)
        thinned = {name: nn.functional.dropout(w, self.share) for name, w in recurrent(layer).items()}
        return functional_call(layer, thinned, arguments)


def recurrent(layer: nn.Module) -> dict[str, nn.Parameter]:
    """Return the matrices that a layer multiplies its own past with, by name."""
    named = layer.named_parameters()
    return {name: p for name, p in named if name.rpartition(".")[2].startswith("weight_hh") and p.ndim == 2}


class ActivationRegularizer(nn.Module):
    """Adds to the loss for large and for fast-changing activations: AR, TAR (Merity et al. 2017).

    Args:
        size: α, of the mean square of the outputs after dropout.
        change: β, of the mean square of their changes from step to step, before dropout.
    """

    def __init__(self, size: float, change: float) -> None:
        super().__init__()
        self.size, self.change = size, change

    def forward(self, dropped: Tensor, raw: Tensor, counts: Tensor) -> "Tensor | float":
        """Features (B,T,H) after and before dropout, and whether targets (B,T) count → the penalty.

        It is summed like the loss over the targets that count.
        """
        if not (self.training and (self.size or self.change)):
            return 0.0
        size = _mean_square(dropped, counts) if self.size else 0.0
        pairs = counts[:, 1:] & counts[:, :-1]
        change = _mean_square(raw.diff(dim=1), pairs) if self.change else 0.0
        return counts.sum() * (self.size * size + self.change * change)


def _mean_square(x: Tensor, counts: Tensor) -> Tensor:
    """Mean square of ``x`` (B,T,H) where ``counts`` (B,T) is true; 0 where it never is."""
    squares = x.float().square().mean(dim=2)
    return (squares * counts).sum() / counts.sum().clamp(min=1)
