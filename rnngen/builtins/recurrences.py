"""The simple recurrence and the GRU on a processor, with gradients worked out by hand.

torch has a fused LSTM for processors; the others it walks through an operation at a time. Here

    all steps at once   what the inputs give, before the walk; the gradients of weights and inputs, after it
    step by step        the product with the past, and nonlinearities within buffers that are made once

Products are of the type that autocast asks for. Gates and states keep the type of the parameters, since what
a state gains in a step is lost where it is rounded to bf16.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input
relu_backward = torch.ops.aten.threshold_backward.grad_input

Nonlinearity: TypeAlias = tuple[Callable[[Tensor], Any], Callable[[Tensor, Tensor], Any]]
"""φ in place; and what turns a gradient by φ(a), given φ(a), into one by a, in place."""


def tanh_(x: Tensor) -> None:
    """In place, as 2σ(2x) − 1: torch's own takes eight times as long as its σ."""
    x.mul_(2).sigmoid_().mul_(2).sub_(1)


NONLINEARITIES: dict[str, Nonlinearity] = {
    "tanh": (tanh_, lambda d, y: tanh_backward(d, y, grad_input=d)),
    "relu": (torch.relu_, lambda d, y: relu_backward(d, y, 0, grad_input=d)),
    "sigmoid": (torch.sigmoid_, lambda d, y: sigmoid_backward(d, y, grad_input=d)),
}


def simple(x: Tensor, h: Tensor, weights: tuple[Tensor, ...], activation: str) -> tuple[Tensor, Tensor]:
    """``h' = φ(W x + b + U h + d)`` over T steps.

    Args:
        x: (B,T,I).
        h: (B,H), the state before.
        weights: W (H,I), U (H,H), b (H,), d (H,).
        activation: φ: ``tanh``, ``relu`` or ``sigmoid``.

    Returns:
        The states after each step (B,T,H), in the type of the products, and the last (B,H).
    """
    w, u, b, d = weights
    phi = NONLINEARITIES[activation]
    y, last = _Simple.apply(x, h, (phi, product_type(w)), w, u, b + d)  # type: ignore[no-untyped-call]
    return y, last


def gated(x: Tensor, h: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """The GRU over T steps, as ``cell_steps.GRUStep`` has it; as ``simple``, with 3H rows: r, z, n."""
    y, last = _Gated.apply(x, h, product_type(weights[0]), *weights)  # type: ignore[no-untyped-call]
    return y, last


def product_type(weight: Tensor) -> torch.dtype:
    """What to multiply in: as autocast asks, or as the weights are."""
    lowered = torch.is_autocast_enabled("cpu") and weight.dtype == torch.float32
    return torch.get_autocast_dtype("cpu") if lowered else weight.dtype


class _Simple(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, how: tuple[Nonlinearity, torch.dtype], *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        (phi, low), (w, u, b) = how, weights
        states, lows = room(x.shape[1], h, low)
        xs, w, u = x.transpose(0, 1).to(low).contiguous(), w.to(low), u.to(low)
        products = torch.nn.functional.linear(xs, w, b.to(low))
        for product, after, low_before, low_after in walk(products, states[1:], lows[:-1], lows[1:]):
            product.addmm_(low_before, u.T)
            after.copy_(product)
            phi[0](after)
            low_after.copy_(after)
        ctx.phi = phi
        ctx.save_for_backward(xs, w, u, states, lows)
        return lows[1:].transpose(0, 1), states[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        xs, w, u, states, lows = ctx.saved_tensors
        dh, d = dlast.clone(), torch.empty_like(dlast)
        das, product = torch.empty_like(lows[1:]), torch.empty_like(lows[0])
        for dy_now, after, da in reversed(walk(dy.transpose(0, 1), states[1:], das)):
            torch.add(dh, dy_now, out=d)
            ctx.phi[1](d, after)
            da.copy_(d)
            dh.copy_(torch.mm(da, u, out=product))
        dw, du = (weight_gradient(das, read, dh.dtype) for read in (xs, lows[:-1]))
        return (das @ w).transpose(0, 1), dh, None, dw, du, das.sum((0, 1), dtype=dh.dtype)


class _Gated(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, low: torch.dtype, *weights: Tensor) -> tuple[Tensor, Tensor]:
        w, u, b, d = weights
        states, lows = room(x.shape[1], h, low)
        xs, w, u = x.transpose(0, 1).to(low).contiguous(), w.to(low), u.to(low)
        size = h.shape[1]
        bias = torch.cat([(b + d)[:-size], b[-size:]])
        products = torch.nn.functional.linear(xs, w, bias.to(low))
        n_products = _split(products)[1]
        n_inputs = n_products.clone()
        n_products.copy_(d[-size:])  # r gates what the past gives alone
        gates, ns = states.new_empty(products.shape), torch.empty_like(states[1:])
        rzs, pasts = _split(gates)
        steps = walk(products, n_inputs, gates, rzs, *rzs.chunk(2, 2), pasts, ns)
        memory = walk(states[:-1], states[1:], lows[:-1], lows[1:])
        for (product, n_in, gate, rz, r, z, past, n), (before, after, low_before, low_after) in zip(
            steps, memory, strict=True
        ):
            gate.copy_(product.addmm_(low_before, u.T))
            rz.sigmoid_()
            torch.mul(r, past, out=n).add_(n_in)
            tanh_(n)
            torch.lerp(n, before, z, out=after)
            low_after.copy_(after)
        ctx.save_for_backward(xs, w, u, gates, ns, states, lows)
        return lows[1:].transpose(0, 1), states[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor) -> tuple[Tensor | None, ...]:
        xs, w, u, gates, ns, states, lows = ctx.saved_tensors
        dh, dgate, through = dlast.clone(), torch.empty_like(gates[0]), torch.empty_like(dlast)
        drz, dpast = _split(dgate)
        dr, dz = drz.chunk(2, 1)
        dgates, product = torch.empty_like(gates, dtype=u.dtype), torch.empty_like(lows[0])
        dns = torch.empty_like(lows[1:])  # by the candidates' arguments
        rzs, pasts = _split(gates)
        steps = walk(dy.transpose(0, 1), rzs, *rzs.chunk(2, 2), pasts, ns, states[:-1], dgates, dns)
        for dy_now, rz, r, z, past, n, h, dgate_now, dn in reversed(steps):
            dh.add_(dy_now)
            torch.mul(torch.sub(h, n, out=dz), dh, out=dz)
            torch.mul(dh, z, out=through)
            tanh_backward(dh.sub_(through), n, grad_input=dh)
            dn.copy_(dh)
            torch.mul(dh, past, out=dr)
            torch.mul(dh, r, out=dpast)
            sigmoid_backward(drz, rz, grad_input=drz)
            dgate_now.copy_(dgate)
            torch.add(through, torch.mm(dgate_now, u, out=product), out=dh)
        du, dd = weight_gradient(dgates, lows[:-1], dh.dtype), dgates.sum((0, 1), dtype=dh.dtype)
        _split(dgates)[1].copy_(dns)  # what enters the candidate from the input is not gated by r
        dw, db = weight_gradient(dgates, xs, dh.dtype), dgates.sum((0, 1), dtype=dh.dtype)
        return (dgates @ w).transpose(0, 1), dh, None, dw, du, db, dd


def room(steps: int, first: Tensor, low: torch.dtype) -> tuple[Tensor, Tensor]:
    """Arrays (T+1,B,H) for all states, in their type and in that of products, the first in its place."""
    states = first.new_empty(steps + 1, *first.shape)
    lows = states if low == first.dtype else torch.empty_like(states, dtype=low)
    states[0].copy_(first)
    lows[0].copy_(first)
    return states, lows


def walk(*arrays: Tensor) -> list[tuple[Tensor, ...]]:
    """(T,…) arrays, step by step; to index each of them at each step takes longer."""
    return list(zip(*(array.unbind() for array in arrays), strict=True))


def _split(gates: Tensor) -> tuple[Tensor, ...]:
    """(…,3H) → r and z (…,2H), n (…,H)."""
    size = gates.shape[-1] // 3
    return gates[..., :-size], gates[..., -size:]


def weight_gradient(d: Tensor, inputs: Tensor, wide: torch.dtype) -> Tensor:
    """Gradients by products (T,B,G), and what was multiplied (T,B,I) → by the matrix (G,I)."""
    return (d.flatten(0, 1).T @ inputs.flatten(0, 1)).to(wide)
