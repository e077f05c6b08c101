"""Muon: momentum made orthogonal before it moves a matrix (Jordan et al. 2024), and AdamW for all the rest.

A gradient's few large singular directions drown its many small ones; an orthogonal update moves all alike.
The gates of a recurrent matrix do not mix before their nonlinearities, so each is made orthogonal alone::

    weight_hh (4H,H) = i  ─▸ NS(i) ┐
                       f  ─▸ NS(f) │   NS: five steps of a quintic iteration (Newton-Schulz), for all
                       g  ─▸ NS(g) │   blocks of one shape at once
                       o  ─▸ NS(o) ┘

An update is scaled to the root mean square that AdamW's have, so that ``lr`` means the same for both
(Moonlight, arXiv 2502.16982).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.adamw import adamw

from rnngen.options.model import MuonName

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: singular values end between 0.7 and 1.2 soon, instead of at 1 late."""
ROUNDS = 5
SCALE = 0.2
"""The root mean square of AdamW's updates in practice (Moonlight)."""
BETAS, EPSILON = (0.9, 0.99), 1e-8
"""AdamW's, for parameters that are not Muon's."""
RECURRENT, INPUT = "weight_hh", "weight_ih"


@torch.no_grad()
def orthogonal(blocks: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Push the singular values of matrices towards 1.

    Args:
        blocks: (N,R,C), of any size.
        dtype: number format of the products; bf16 is enough.

    Returns:
        (N,R,C) in ``dtype``; zeros stay zeros.
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
    output layers are never Muon's: their rows are tokens, each with a gradient of its own.

    Args:
        network: with its layers in ``layers``, or anywhere where they have torch's names.
        where: ``layers`` takes the layers' other matrices besides, cut into gates where these are known.
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
        if name.startswith(RECURRENT) and past.ndim == 2 and len(past) % past.shape[1] == 0:
            chosen[past] = hidden = past.shape[1]
            entry = own.get(name.replace(RECURRENT, INPUT))
            if where == "layers" and entry is not None and len(entry) % hidden == 0:
                chosen[entry] = hidden
    return chosen


class Muon(Optimizer):
    """Muon for some matrices, AdamW for everything else, with one learning rate.

    Args:
        groups: as torch's optimizers take them; one with ``rows`` above 0 is Muon's, cut into blocks of that
            many rows.
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
        self._orthogonalised()
        for group in self.param_groups:
            if not group["rows"]:
                self._adamw(group, [p for p in group["params"] if p.grad is not None])
        return loss

    def _orthogonalised(self) -> None:
        """Blocks of one shape are stacked over all groups: a few large products instead of many."""
        stacks = defaultdict(list)
        for group, parameter in self._muon():
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

    def _muon(self) -> Iterator[tuple[dict[str, Any], nn.Parameter]]:
        for group in self.param_groups:
            if group["rows"]:
                yield from ((group, p) for p in group["params"] if p.grad is not None)

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
        if not parameters:
            return
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
        return state
