"""The simple recurrence on the CPU, with hand-written gradients (see ``cells.fused``)."""

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnngen.builtins.cells.fused import (
    by_step,
    product_type,
    sigmoid_backward,
    state_buffers,
    tanh_,
    tanh_backward,
    weight_gradient,
)

relu_backward = torch.ops.aten.threshold_backward.grad_input

Nonlinearity: TypeAlias = tuple[Callable[[Tensor], Any], Callable[[Tensor, Tensor], Any]]
"""φ in place; and in place from a gradient by φ(a), given φ(a), to one by a."""

NONLINEARITIES: dict[str, Nonlinearity] = {
    "tanh": (tanh_, lambda d, y: tanh_backward(d, y, grad_input=d)),
    "relu": (torch.relu_, lambda d, y: relu_backward(d, y, 0, grad_input=d)),
    "sigmoid": (torch.sigmoid_, lambda d, y: sigmoid_backward(d, y, grad_input=d)),
}


def fused_rnn(x: Tensor, h: Tensor, weights: tuple[Tensor, ...], activation: str) -> tuple[Tensor, Tensor]:
    """Run ``h' = φ(W x + b + U h + d)`` over T steps: x (B,T,I), h (B,H); W (H,I), U (H,H), b, d (H,).

    Returns:
        The states after each step (B,T,H), in the type of the products, and the last (B,H).
    """
    w, u, b, d = weights
    phi = NONLINEARITIES[activation]
    y, last = _RNN.apply(x, h, (phi, product_type(w)), w, u, b + d)  # type: ignore[no-untyped-call]
    return y, last


class _RNN(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, h: Tensor, how: tuple[Nonlinearity, torch.dtype], *weights: Tensor
    ) -> tuple[Tensor, Tensor]:
        (phi, low), (w, u, b) = how, weights
        states, lows = state_buffers(x.shape[1], h, low)
        xs, w, u = x.transpose(0, 1).to(low).contiguous(), w.to(low), u.to(low)
        products = torch.nn.functional.linear(xs, w, b.to(low))
        for product, after, low_before, low_after in by_step(products, states[1:], lows[:-1], lows[1:]):
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
        for dy_now, after, da in reversed(by_step(dy.transpose(0, 1), states[1:], das)):
            torch.add(dh, dy_now, out=d)
            ctx.phi[1](d, after)
            da.copy_(d)
            dh.copy_(torch.mm(da, u, out=product))
        dw, du = (weight_gradient(das, read, dh.dtype) for read in (xs, lows[:-1]))
        return (das @ w).transpose(0, 1), dh, None, dw, du, das.sum((0, 1), dtype=dh.dtype)
