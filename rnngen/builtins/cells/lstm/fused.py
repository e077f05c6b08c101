"""The LSTM with layer normalisation on the CPU, with hand-written gradients (see ``cells.fused``).

Where Numba is, all pointwise work of a step is one call of a kernel of ``lstm.kernels``; else torch does it
an operation at a time.

The equations stand in ``numpy`` and ``cells.regularized``.
"""

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
from rnngen.builtins.cells.threads import Steps, chunks_of
from rnngen.contracts import State

EPSILON = 1e-5
_normalize = torch.native_layer_norm
_normalize_backward = torch.ops.aten.native_layer_norm_backward


def fused_layer_norm_lstm(
    projected: Tensor, state: State, recurrent: tuple[Any, ...], memory: tuple[Any, ...]
) -> tuple[Tensor, State]:
    """Run the LSTM over T steps.

    Args:
        projected: (T,B,4H), the normalised product of the input with its bias; gates i f g o.
        state: ``(h, c)``, each (B,H).
        recurrent: U (4H,H), and the gain (4H,) and the bias (4H,) of its product.
        memory: the gain (H,) and the bias (H,) of the cell state's normalisation.

    Returns:
        The outputs (B,T,H), in the type of the products, and the state after.
    """
    low = product_type(recurrent[0])
    y, h, c = _LayerNormLSTM.apply(projected, *state, low, *recurrent, *memory)  # type: ignore[no-untyped-call]
    return y, (h, c)


def compiled_layer_norm_lstm(
    products: Tensor, state: State, recurrent: tuple[Any, ...], memory: tuple[Any, ...]
) -> tuple[Tensor, State]:
    """Do the same with kernels, and normalise the input's products too.

    Args:
        products: (T,B,4H), the input's, without a bias, in the type of products; gates i f g o.
        state: ``(h, c)``, each (B,H) in float32.
        recurrent: the gains of the products of input and last output, the sum of their biases, each (4H,),
            and U (4H,H).
        memory: the gain (H,) and the bias (H,) of the cell state's normalisation.
    """
    y, h, c = _CompiledLSTM.apply(products, *state, *recurrent, *memory)  # type: ignore[no-untyped-call]
    return y, (h, c)


class _CompiledLSTM(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, h: Tensor, c: Tensor, *weights: Tensor) -> tuple[Tensor, ...]:
        (*gains, bias, u, c_gain, c_bias), low = weights, x.dtype
        (steps, (batch, size)), x = (len(x), h.shape), x.contiguous()
        _, lows = state_buffers(steps, h, low)
        memories, _ = state_buffers(steps, c, c.dtype)
        products, gates, tanh_c = torch.empty_like(x), torch.empty_like(x), torch.empty_like(lows[1:])
        last, moments = torch.empty_like(memories[0]), memories.new_empty(steps, batch, 6)
        chunks, u = chunks_of(batch), u.to(low)
        scratch = memories.new_empty(chunks, 4 * size)
        arrays = (x, products, *gains, bias, c_gain, c_bias, memories, gates, tanh_c, lows, last, moments)
        step = Steps(f"{_KERNELS}:normalized_forward", (steps, batch, size), (*arrays, scratch), chunks)
        for t, (product, before) in enumerate(by_step(products, lows[:-1])):
            torch.mm(before, u.T, out=product)
            step(t)
        ctx.save_for_backward(x, products, *gains, c_gain, memories, gates, tanh_c, moments, lows, u)
        return lows[1:].transpose(0, 1), last, memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor, dmemory: Tensor) -> tuple[Tensor | None, ...]:
        *saved, lows, u = ctx.saved_tensors
        (steps, batch, size), low = dy.transpose(0, 1).shape, lows.dtype
        chunks, dh, dc = chunks_of(batch), dlast.clone(), dmemory.clone()
        dx, da, product = torch.empty_like(saved[0]), torch.empty_like(saved[0]), torch.empty_like(lows[0])
        sums, scratch = dh.new_zeros(chunks, 14 * size), dh.new_empty(chunks, 4 * size)
        arrays = (*saved, dy.to(low).contiguous(), product, dh, dc, dx, da, sums, scratch)
        step = Steps(f"{_KERNELS}:normalized_backward", (steps, batch, size), arrays, chunks)
        for t, da_now in reversed(list(enumerate(da.unbind()))):
            step(t)
            torch.mm(da_now, u, out=product)
        *gains, db, dc_gain, dc_bias = torch.split(sums.sum(0), [4 * size] * 3 + [size] * 2)
        du = weight_gradient(da, lows[:-1], dh.dtype)
        return dx, product.to(dh.dtype), dc, *gains, db, du, dc_gain, dc_bias


_KERNELS = "rnngen.builtins.cells.lstm.kernels"


class _LayerNormLSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, h: Tensor, c: Tensor, low: torch.dtype, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        u, gain, bias, c_gain, c_bias = weights
        lowered, size = u.to(low), h.shape[1]
        states, lows = state_buffers(len(projected), h, low)
        memories, _ = state_buffers(len(projected), c, c.dtype)
        gates, products = projected.to(h.dtype, copy=True), lows.new_empty(projected.shape)
        ctx.moments, a = [], torch.empty_like(gates[0])
        steps = by_step(
            lows[:-1], products, gates, *_blocks(gates), memories[:-1], memories[1:], states[1:], lows[1:]
        )
        for low_h, product, gate, i_f, i, f, g, o, c_before, c_after, h_after, low_after in steps:
            a.copy_(torch.mm(low_h, lowered.T, out=product))
            normal, *moments = _normalize(a, [4 * size], gain, bias, EPSILON)
            gate.add_(normal)
            i_f.sigmoid_()
            tanh_(g)
            o.sigmoid_()
            torch.mul(f, c_before, out=c_after).addcmul_(i, g)
            tanh_c, *c_moments = _normalize(c_after, [size], c_gain, c_bias, EPSILON)
            tanh_(tanh_c)
            torch.mul(o, tanh_c, out=h_after)
            low_after.copy_(h_after)
            ctx.moments.append((moments, tanh_c, c_moments))
        ctx.save_for_backward(lowered, gain, bias, c_gain, c_bias, products, gates, memories, lows)
        ctx.dtype = projected.dtype
        return lows[1:].transpose(0, 1), states[-1].clone(), memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor, dmemory: Tensor) -> tuple[Tensor | None, ...]:
        u, gain, bias, c_gain, c_bias, products, gates, memories, lows = ctx.saved_tensors
        dh, dc, size, every = dlast.clone(), dmemory.clone(), dlast.shape[1], [True, True, True]
        dreads, das = torch.empty_like(gates, dtype=ctx.dtype), torch.empty_like(products)
        a, dgate = (torch.empty_like(gates[0]) for _ in range(2))
        product, dtanh_c = torch.empty_like(lows[0]), torch.empty_like(dh)
        di_f, di, df, dg, do = _blocks(dgate)
        sums = [torch.zeros_like(weight) for weight in (gain, bias, c_gain, c_bias)]
        steps = by_step(
            dy.transpose(0, 1), products, *_blocks(gates), memories[:-1], memories[1:], dreads, das
        )
        for (dy_now, low_a, i_f, i, f, g, o, c_before, c_after, dread, da), (
            moments,
            tanh_c,
            c_moments,
        ) in zip(reversed(steps), reversed(ctx.moments), strict=True):
            dh.add_(dy_now)
            torch.mul(dh, tanh_c, out=do)
            tanh_backward(torch.mul(dh, o, out=dtanh_c), tanh_c, grad_input=dtanh_c)
            through, *dc_weights = _normalize_backward(
                dtanh_c, c_after, [size], *c_moments, c_gain, c_bias, every
            )
            dc.add_(through)
            torch.mul(dc, g, out=di)
            torch.mul(dc, c_before, out=df)
            torch.mul(dc, i, out=dg)
            dc.mul_(f)
            sigmoid_backward(di_f, i_f, grad_input=di_f)
            tanh_backward(dg, g, grad_input=dg)
            sigmoid_backward(do, o, grad_input=do)
            dread.copy_(dgate)
            a.copy_(low_a)
            through, *dweights = _normalize_backward(dgate, a, [4 * size], *moments, gain, bias, every)
            for total, more in zip(sums, (*dweights, *dc_weights), strict=True):
                total.add_(more)
            da.copy_(through)
            dh.copy_(torch.mm(da, u, out=product))
        return dreads, dh, dc, None, weight_gradient(das, lows[:-1], dh.dtype), *sums


def _blocks(gates: Tensor) -> tuple[Tensor, ...]:
    """(…,4H) → i and f together (…,2H), and i, f, g, o (…,H)."""
    return gates.chunk(2, -1)[0], *gates.chunk(4, -1)
