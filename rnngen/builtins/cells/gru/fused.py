"""The GRU on the CPU, with hand-written gradients (see ``cells.fused``); the equations stand in ``numpy``."""

from typing import Any

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


def fused_gru(x: Tensor, h: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Run the GRU over T steps: ``x`` (B,T,I), ``h`` (B,H); W (3H,I), U (3H,H), b, d (3H,), gates r z n.

    Returns:
        The states after each step (B,T,H), in the type of the products, and the last (B,H).
    """
    y, last = _GRU.apply(x, h, product_type(weights[0]), *weights)  # type: ignore[no-untyped-call]
    return y, last


class _GRU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, low: torch.dtype, *weights: Tensor) -> tuple[Tensor, Tensor]:
        w, u, b, d = weights
        states, lows = state_buffers(x.shape[1], h, low)
        xs, w, u = x.transpose(0, 1).to(low).contiguous(), w.to(low), u.to(low)
        size = h.shape[1]
        bias = torch.cat([(b + d)[:-size], b[-size:]])
        products = torch.nn.functional.linear(xs, w, bias.to(low))
        n_products = _split(products)[1]
        n_inputs = n_products.clone()
        n_products.copy_(d[-size:])  # r gates what the past gives alone
        gates, ns = states.new_empty(products.shape), torch.empty_like(states[1:])
        rzs, pasts = _split(gates)
        steps = by_step(products, n_inputs, gates, rzs, *rzs.chunk(2, 2), pasts, ns)
        memory = by_step(states[:-1], states[1:], lows[:-1], lows[1:])
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
        steps = by_step(dy.transpose(0, 1), rzs, *rzs.chunk(2, 2), pasts, ns, states[:-1], dgates, dns)
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


def _split(gates: Tensor) -> tuple[Tensor, ...]:
    """(…,3H) → r and z (…,2H), n (…,H)."""
    size = gates.shape[-1] // 3
    return gates[..., :-size], gates[..., -size:]
