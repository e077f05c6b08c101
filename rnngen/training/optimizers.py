"""Optimizers by name, the learning rate over the budget, and what is added to gradients: L1 and noise."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from rnngen.nn.devices import choose_precision
from rnngen.options.model import TrainingOptions
from rnngen.training.muon import Muon, block_rows

LAST = 0.01
"""The learning rate at the end of cosine and line, as a share of the highest."""


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
        case "sgd" | "nt-asgd":
            return SGD(groups, options.lr, fused=fused)
        case "momentum":
            return SGD(groups, options.lr, momentum=0.9, nesterov=True, fused=fused)
        case "rmsprop":
            return RMSprop(groups, options.lr, alpha=0.95)
        case "adam":
            return Adam(groups, options.lr, betas=(0.9, 0.99), fused=fused)
        case "adamw":
            return AdamW(groups, options.lr, betas=(0.9, 0.99), fused=fused)
        case "muon":
            return _muon(network, groups, options)


def _muon(network: nn.Module, groups: list[dict[str, Any]], options: TrainingOptions) -> Muon:
    """Muon's matrices in groups by the rows of their blocks, before those that AdamW keeps."""
    rows = block_rows(network, options.muon)
    own = [
        {"params": [p for p in rows if rows[p] == size], "rows": size, "weight_decay": options.weight_decay}
        for size in sorted(set(rows.values()))
    ]
    rest = [{**group, "params": [p for p in group["params"] if p not in rows]} for group in groups]
    precision = choose_precision(options.precision, groups[0]["params"][0].device)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return Muon([*own, *(group for group in rest if group["params"])], options.lr, dtype=dtype)


def rate(options: TrainingOptions, progress: float, cuts: int = 0) -> float:
    """The learning rate when ``progress`` (0 to 1) of the budget is spent.

    Args:
        options: the schedule, its highest rate and its warm-up.
        progress: share of the budget spent.
        cuts: number of times that validation has stopped improving, for ``plateau``.
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
    return options.lr * (LAST + (1 - LAST) * share)


@torch.no_grad()
def add_l1(parameters: Iterable[nn.Parameter], strength: float) -> None:
    """Add the subgradient of ``strength``·Σ|w| to the gradients of all matrices."""
    for parameter in parameters:
        if parameter.grad is not None and parameter.ndim >= 2:
            parameter.grad.add_(parameter.sign(), alpha=strength)


NOISE_FALLS = 0.55
"""The exponent of the noise's decay (Neelakantan et al. 2015)."""


@torch.no_grad()
def add_noise(parameters: Iterable[nn.Parameter], variance: float, step: int, seed: int) -> None:
    """Add normal noise of ``variance``·(1 + step)^-0.55 to all gradients.

    It follows from the seed and the step alone: processes that train together add the same, and a resumed
    run what an unbroken one would.
    """
    deviation = math.sqrt(variance * (1 + step) ** -NOISE_FALLS)
    gradients = [p.grad for p in parameters if p.grad is not None]
    draws = np.random.default_rng([seed, step]).integers(1 << 62, size=len(gradients))
    for gradient, draw in zip(gradients, draws.tolist(), strict=True):
        generator = torch.Generator(gradient.device).manual_seed(draw)
        noise = torch.randn(gradient.shape, generator=generator, device=gradient.device)
        gradient.add_(noise, alpha=deviation)
