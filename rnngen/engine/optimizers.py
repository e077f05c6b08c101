"""The optimizers by name, the learning rate over the budget, and the pull of L1."""

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from rnngen.engine.options import TrainingOptions

FLOOR = 0.01
"""Where cosine and line end, as a share of the highest learning rate."""


def make_optimizer(network: nn.Module, options: TrainingOptions) -> Optimizer:
    """Build the optimizer; only matrices are decayed, since biases and scales have no reason to be small."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": options.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = parameters[0].device.type in ("cpu", "cuda")
    match options.optimizer:
        case "sgd":
            return SGD(groups, options.lr, fused=fused)
        case "momentum":
            return SGD(groups, options.lr, momentum=0.9, nesterov=True, fused=fused)
        case "rmsprop":
            return RMSprop(groups, options.lr, alpha=0.95)
        case "adam":
            return Adam(groups, options.lr, betas=(0.9, 0.99), fused=fused)
        case "adamw":
            return AdamW(groups, options.lr, betas=(0.9, 0.99), fused=fused)


def rate(options: TrainingOptions, progress: float, cuts: int = 0) -> float:
    """The learning rate when ``progress`` (0 to 1) of the budget is spent.

    Args:
        options: the schedule, its highest rate and its warm-up.
        progress: share of the budget spent.
        cuts: how often validation has stopped improving so far, for ``plateau``.
    """
    if progress < options.warmup:
        return options.lr * progress / options.warmup
    after = min(1.0, (progress - options.warmup) / (1 - options.warmup))
    match options.schedule:
        case "cosine":
            share = 0.5 * (1 + math.cos(math.pi * after))
        case "linear":
            share = 1 - after
        case "plateau":
            return float(options.lr * 0.5**cuts)
        case "constant":
            return options.lr
    return options.lr * (FLOOR + (1 - FLOOR) * share)


@torch.no_grad()
def add_l1(parameters: Iterable[nn.Parameter], strength: float) -> None:
    """Add the subgradient of ``strength``·Σ|w| to the gradients of all matrices."""
    for parameter in parameters:
        if parameter.grad is not None and parameter.ndim >= 2:
            parameter.grad.add_(parameter.sign(), alpha=strength)
