"""A recurrence over time by compiled kernels on the CPU, with its gradients; ``cells.kernels`` says how.

::

    all steps at once   the input's products before the loop; gradients of weights and inputs after it
    step by step        the product with the last output, by a matrix that is laid out once; and a kernel
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnngen.builtins.cells.fused import state_buffers
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


class _Recurrence(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, kernels: Kernels, x: Tensor, u: Tensor, weights: Tensor, *state: Tensor
    ) -> tuple[Tensor, ...]:
        (steps, (batch, size)), chunks = (len(x), state[0].shape), chunks_of(len(state[0]))
        x, u, weights = x.contiguous(), u.to(x.dtype), weights.contiguous()
        _, lows = state_buffers(steps, state[0], x.dtype)
        states, _ = state_buffers(steps, state[-1], state[-1].dtype)
        moments, out = states.new_empty(steps, batch, 6), states.new_empty(batch, size)
        arrays = (x, weights, states, lows, moments, out, states.new_empty(chunks, 16 * size))
        sizes = (steps, batch, size, chunks, kernels.kind)
        step, multiply = Steps(kernels.forward, x.dtype, sizes, arrays), product_by(u, steps, batch)
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
        (u, *arrays), kernels, (steps, batch, _, chunks, _) = ctx.saved_tensors, ctx.kernels, ctx.sizes
        x, weights, _, lows, *_ = arrays
        dx, product = torch.empty_like(x), torch.zeros_like(lows[0])
        da = dx if kernels.one_gradient else torch.empty_like(x)
        sums = weights.new_zeros(chunks, len(weights))
        dh, dc = dstate[0].clone(), dstate[-1].clone()
        given = (*arrays, dy.to(x.dtype).contiguous(), dh, dc, dx, da, sums)
        step, multiply = Steps(kernels.backward, x.dtype, ctx.sizes, given), product_by(u.T, steps, batch)
        for t, da_now in reversed(list(enumerate(da.unbind()))):
            step(t, ctx.products[t], product)
            product = multiply(da_now)
        du = (lows[:-1].flatten(0, 1).T.contiguous() @ da.flatten(0, 1)).T.to(dh.dtype)
        return None, dx, du, sums.sum(0), dh.add_(product), *([dc] if kernels.memory else [])


def product_by(matrix: Tensor, steps: int, batch: int) -> Callable[[Tensor], Tensor]:
    """Return the product with a matrix (G,H): (B,H) → (B,G), to be taken as often as there are steps."""
    ops = torch.ops.mkldnn
    if matrix.dtype != torch.bfloat16 or steps < STEPS_TO_PACK or not ops._is_mkldnn_bf16_supported():
        return lambda rows: torch.mm(rows, matrix.T)
    packed, multiply = ops._reorder_linear_weight(matrix, batch), ops._linear_pointwise.default
    return lambda rows: multiply(rows, packed, None, "none", [], "")
