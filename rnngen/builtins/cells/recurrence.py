"""A recurrence over time by compiled kernels on the CPU, with its gradients; ``cells.kernels`` says how.

::

    all steps at once   the input's products before the loop; gradients of weights and inputs after it
    step by step        the product with the last output, by a matrix that is laid out once; and a kernel
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from rnngen.builtins.cells.fused import product_type, state_buffers, weight_gradient
from rnngen.builtins.cells.threads import Steps, chunks_of
from rnngen.contracts import State

STEPS_TO_PACK = 12
"""Steps from which on it pays to lay out a matrix for products."""


@dataclass(frozen=True)
class Kernels:
    """The kernels of a cell.

    Args:
        forward: names the kernel of a step forward, ``package.module:name``.
        backward: names that of a step back.
        memory: whether the state is ``(h, c)``, not ``(h,)``.
        one_gradient: whether the gradients by both products are the same.
        kind: the nonlinearity, for kernels that have several.
    """

    forward: str
    backward: str
    memory: bool = False
    one_gradient: bool = False
    kind: int = 0


def run(kernels: Kernels, products: Tensor, state: State, u: Tensor, weights: Tensor) -> tuple[Tensor, State]:
    """Run a recurrence over T steps.

    Args:
        kernels: the cell's.
        products: W x (T,B,G), in the type of products.
        state: its arrays, each (B,H) in float32.
        u: U (G,H).
        weights: gains and biases, one after another.

    Returns:
        The outputs (B,T,H), in the type of products, and the state after.
    """
    y, *after = _Recurrence.apply(kernels, products, u, weights, *state)  # type: ignore[no-untyped-call]
    return y, tuple(after)


def products_of(x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """Inputs (B,T,I), W (G,I), bias (G,) → W x + bias (T,B,G), in the type that autocast asks for."""
    inputs = x.transpose(0, 1).to(product_type(w)).contiguous()
    products: Tensor = _Products.apply(inputs, w, bias)  # type: ignore[no-untyped-call]
    return products


class _Products(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.bias_type = None if bias is None else bias.dtype
        return nn.functional.linear(x, w.to(x.dtype), None if bias is None else bias.to(x.dtype))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor | None, ...]:
        x, w = ctx.saved_tensors
        by_bias = None if ctx.bias_type is None else d.flatten(0, 1).sum(0).to(ctx.bias_type)
        return d @ w.to(d.dtype) if ctx.needs_input_grad[0] else None, weight_gradient(d, x, w.dtype), by_bias


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernels: Kernels, x: Tensor, u: Tensor, weights: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        (steps, (batch, size)), chunks = (len(x), state[0].shape), chunks_of(len(state[0]))
        x, weights = x.contiguous(), weights.contiguous()
        _, lows = state_buffers(steps, state[0], x.dtype)
        states, _ = state_buffers(steps, state[-1], state[-1].dtype)
        moments, out = states.new_empty(steps, batch, 6), states.new_empty(batch, size)
        arrays = (x, weights, states, lows, moments, out, states.new_empty(chunks, 16 * size))
        sizes = (steps, batch, size, chunks, kernels.kind)
        step, multiply = Steps(kernels.forward, x.dtype, sizes, arrays), product_by(u, x)
        products = []
        for t, before in enumerate(lows[:-1].unbind()):
            products.append(multiply(before))
            step(t, products[-1], products[-1])
        ctx.kernels, ctx.products, ctx.sizes = kernels, products, sizes
        ctx.save_for_backward(u, *arrays)
        last = (out, states[-1].clone()) if kernels.memory else (states[-1].clone(),)
        return lows[1:].transpose(0, 1), *last

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, *dstate: Tensor) -> tuple[Tensor | None, ...]:
        (u, *arrays), kernels, chunks = ctx.saved_tensors, ctx.kernels, ctx.sizes[3]
        x, weights, _, lows, *_ = arrays
        dx, product = torch.empty_like(x), torch.zeros_like(lows[0])
        da = dx if kernels.one_gradient else torch.empty_like(x)
        sums = weights.new_zeros(chunks, len(weights))
        dh, dc = dstate[0].clone(), dstate[-1].clone()
        given = (*arrays, dy.to(x.dtype).contiguous(), dh, dc, dx, da, sums)
        step, multiply = Steps(kernels.backward, x.dtype, ctx.sizes, given), product_by(u.T, x)
        for t, da_now in reversed(list(enumerate(da.unbind()))):
            step(t, ctx.products[t], product)
            product = multiply(da_now)
        du = weight_gradient(da, lows[:-1], u.dtype)
        return None, dx, du, sums.sum(0), dh.add_(product), *([dc] if kernels.memory else [])


def product_by(matrix: Tensor, x: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the product with a matrix (G,H): (B,H) → (B,G), at each step of x (T,B,…) and in its type."""
    ops, (steps, batch, _) = torch.ops.mkldnn, x.shape
    low = torch.empty(matrix.shape, dtype=x.dtype).copy_(matrix)
    if x.dtype != torch.bfloat16 or steps < STEPS_TO_PACK or not ops._is_mkldnn_bf16_supported():
        return lambda rows: torch.mm(rows, low.T)
    packed, multiply = ops._reorder_linear_weight(low, batch), ops._linear_pointwise.default
    return lambda rows: multiply(rows, packed, None, "none", [], "")
