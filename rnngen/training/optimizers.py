"""Optimizers by name and Muon, the learning rate over the budget, and L1 and noise added to gradients."""

import inspect
import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.adamw import adamw

from rnngen.nn.devices import choose_precision
from rnngen.options.model import MuonName, TrainingOptions

LAST = 0.01
"""The learning rate at the end of cosine and line, as a share of the highest."""


def make_optimizer(network: nn.Module, options: TrainingOptions) -> Optimizer:
    """Build the optimizer; only matrices are decayed, since biases and scales have no reason to be small."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": options.weight_decay or 0.0},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    fused = parameters[0].device.type in ("cpu", "cuda")
    match options.optimizer:
        case "sgd" | "nt-asgd":
            return _plain(SGD)(groups, options.lr, fused=fused)
        case "momentum":
            return _plain(SGD)(groups, options.lr, momentum=0.9, nesterov=True, fused=fused)
        case "rmsprop":
            return _plain(RMSprop)(groups, options.lr, alpha=0.95)
        case "adam":
            return _plain(Adam)(groups, options.lr, betas=(0.9, 0.99), fused=fused)
        case "adamw":
            return _plain(AdamW)(groups, options.lr, betas=(0.9, 0.99), fused=fused)
        case "muon":
            return _muon(network, groups, options)


Kind = TypeVar("Kind", bound=Optimizer)


def _plain(kind: type[Kind]) -> type[Kind]:
    """Return a kind of optimizer whose methods do not tell torch's compiler to leave them alone.

    To tell it imports it, more than a second for every training, and nothing here is compiled.
    """
    names = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in names}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})


def _muon(network: nn.Module, groups: list[dict[str, Any]], options: TrainingOptions) -> "Muon":
    """Muon's matrices in groups by the rows of their blocks, before those that AdamW keeps."""
    rows = block_rows(network, options.muon)
    own = [
        {
            "params": [p for p in rows if rows[p] == size],
            "rows": size,
            "weight_decay": options.weight_decay or 0.0,
        }
        for size in sorted(set(rows.values()))
    ]
    rest = [{**group, "params": [p for p in group["params"] if p not in rows]} for group in groups]
    precision = choose_precision(options.precision, groups[0]["params"][0].device)
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return _plain(Muon)([*own, *(group for group in rest if group["params"])], options.lr, dtype=dtype)


def rate(options: TrainingOptions, progress: float, cuts: int = 0) -> float:
    """The learning rate when ``progress`` (0 to 1) of the budget is spent.

    ``cuts`` counts how often validation has stopped improving, for ``plateau``.
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


QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: singular values end between 0.7 and 1.2 soon, instead of at 1 late."""
ROUNDS = 5
SCALE = 0.2
"""The root mean square of AdamW's updates in practice (Moonlight)."""
BETAS, EPSILON = (0.9, 0.99), 1e-8
"""AdamW's, for parameters that are not Muon's."""


@torch.no_grad()
def orthogonal(blocks: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Push the singular values of matrices (N,R,C) towards 1; zeros stay zeros.

    ``dtype`` is that of the products and of the result; bf16 is enough.
    """
    a, b, c = QUINTIC
    wide = blocks.shape[1] <= blocks.shape[2]
    x = blocks if wide else blocks.mT
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(dtype)
    for _ in range(ROUNDS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT


def block_rows(network: nn.Module, where: MuonName = "recurrent") -> dict[nn.Parameter, int]:
    """Return the matrices that are Muon's, each with the rows of its blocks.

    What a layer multiplies its own past with (``weight_hh…``, square blocks one below the other) always is.
    A layer without such names gives every matrix whose rows are a multiple of its columns. Embeddings and
    output layers are never Muon's: their rows are tokens, each with a gradient of its own. ``layers`` takes
    the layers' other matrices besides, cut into gates where these are known.
    """
    chosen: dict[nn.Parameter, int] = {}
    for module in network.modules():
        chosen |= _named(module, where)
    for layer in getattr(network, "layers", ()):
        matrices = [p for p in layer.parameters() if p.ndim == 2]
        if not any(p in chosen for p in matrices):
            chosen |= {p: p.shape[1] for p in matrices if len(p) % p.shape[1] == 0}
        if where == "layers":
            chosen |= {p: len(p) for p in matrices if p not in chosen}
    return {p: rows for p, rows in chosen.items() if p.requires_grad}


def _named(module: nn.Module, where: MuonName) -> dict[nn.Parameter, int]:
    """The matrices among a module's own parameters that torch's names identify."""
    own = dict(module.named_parameters(recurse=False))
    chosen = {}
    for name, past in own.items():
        if name.startswith("weight_hh") and past.ndim == 2 and len(past) % past.shape[1] == 0:
            chosen[past] = hidden = past.shape[1]
            entry = own.get(name.replace("weight_hh", "weight_ih"))
            if where == "layers" and entry is not None and len(entry) % hidden == 0:
                chosen[entry] = hidden
    return chosen


class Muon(Optimizer):
    """Muon: momentum made orthogonal before it moves a matrix (Jordan et al. 2024), and AdamW for the rest.

    A gradient's few large singular directions drown its many small ones; an orthogonal update moves all
    alike. The gates of a recurrent matrix do not mix before their nonlinearities, so each is made
    orthogonal alone::

        weight_hh (4H,H) = i  ─▸ NS(i) ┐
                           f  ─▸ NS(f) │   NS: five steps of a quintic iteration (Newton-Schulz), for all
                           g  ─▸ NS(g) │   blocks of one shape at once
                           o  ─▸ NS(o) ┘

    An update is scaled to the root mean square that AdamW's have, so that ``lr`` means the same for both
    (Moonlight, arXiv 2502.16982).

    Args:
        groups: as torch's optimizers take them; one with ``rows`` above 0 is Muon's, in blocks of so many.
        lr: the learning rate of both.
        momentum: the share of past gradients that is kept; Nesterov's form.
        dtype: number format of Newton-Schulz.
    """

    def __init__(
        self, groups: Any, lr: float, *, momentum: float = 0.95, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0, "momentum": momentum, "rows": 0})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; ``closure``, where given, computes them first."""
        loss = None
        if closure:
            with torch.enable_grad():
                loss = closure()
        groups = [(group, [p for p in group["params"] if p.grad is not None]) for group in self.param_groups]
        self._orthogonalised([(group, p) for group, own in groups if group["rows"] for p in own])
        for group, own in groups:
            if own and not group["rows"]:
                self._adamw(group, own)
        return loss

    def _orthogonalised(self, own: list[tuple[dict[str, Any], nn.Parameter]]) -> None:
        """Blocks of one shape are stacked over all groups: a few large products instead of many."""
        stacks = defaultdict(list)
        for group, parameter in own:
            shape = (group["rows"], parameter.shape[1])
            blocks = self._momentum(parameter, group["momentum"]).view(-1, *shape)
            stacks[shape].append((group, parameter, blocks))
        for shape, members in stacks.items():
            updates = orthogonal(torch.cat([blocks for _, _, blocks in members]), self.dtype).flatten(0, 1)
            parts = torch.split(updates, [len(parameter) for _, parameter, _ in members])
            for (group, parameter, _), update in zip(members, parts, strict=True):
                lr = group["lr"]
                parameter.mul_(1 - lr * group["weight_decay"])
                parameter.add_(update.to(parameter.dtype), alpha=-lr * SCALE * max(shape) ** 0.5)

    def _momentum(self, parameter: nn.Parameter, keep: float) -> Tensor:
        """Nesterov's: the mean of past gradients, and a step further along the present one."""
        assert parameter.grad is not None
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        mean: Tensor = state["momentum"]
        mean.lerp_(parameter.grad, 1 - keep)
        return parameter.grad.lerp(mean, keep)

    def _adamw(self, group: dict[str, Any], parameters: list[nn.Parameter]) -> None:
        slots = [self._moments(parameter) for parameter in parameters]
        adamw(
            parameters,  # type: ignore[arg-type]  # lists are invariant
            [p.grad for p in parameters if p.grad is not None],
            [slot["exp_avg"] for slot in slots],
            [slot["exp_avg_sq"] for slot in slots],
            [],
            [slot["step"] for slot in slots],
            fused=parameters[0].device.type in ("cpu", "cuda"),
            amsgrad=False,
            beta1=BETAS[0],
            beta2=BETAS[1],
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=EPSILON,
            maximize=False,
        )

    def _moments(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"] = torch.zeros((), device=parameter.device)
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
        state["step"] = state["step"].to(parameter.device)  # torch leaves that of a resumed run on the CPU
        return state
