"""The LSTM with layer normalisation on a processor, with gradients worked out by hand.

As in ``recurrences``: all that need not wait for the past is done for all steps at once, and nothing is made
twice. The equations are those of ``gated_steps``.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from rnngen.builtins.recurrences import (
    product_type,
    room,
    sigmoid_backward,
    tanh_,
    tanh_backward,
    walk,
    weight_gradient,
)
from rnngen.contracts import State

EPSILON = 1e-5
_normalise = torch.native_layer_norm
_normalise_backward = torch.ops.aten.native_layer_norm_backward


def normalised_lstm(
    read: Tensor, state: State, recall: tuple[Any, ...], memory: tuple[Any, ...]
) -> tuple[Tensor, State]:
    """The LSTM over T steps.

    Args:
        read: (T,B,4H), the normalised product of the input with its bias; gates i f g o.
        state: ``(h, c)``, each (B,H).
        recall: U (4H,H), and the gain (4H,) and the bias (4H,) of its product.
        memory: the gain (H,) and the bias (H,) of what the memory shows.

    Returns:
        The outputs (B,T,H), in the type of the products, and the state after.
    """
    low = product_type(recall[0])
    y, h, c = _NormalisedLSTM.apply(read, *state, low, *recall, *memory)  # type: ignore[no-untyped-call]
    return y, (h, c)


class _NormalisedLSTM(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, read: Tensor, h: Tensor, c: Tensor, low: torch.dtype, *weights: Tensor
    ) -> tuple[Tensor, ...]:
        u, gain, bias, shown_gain, shown_bias = weights
        lowered, size = u.to(low), h.shape[1]
        (states, lows), (memories, _) = room(len(read), h, low), room(len(read), c, c.dtype)
        gates, products = read.to(h.dtype, copy=True), lows.new_empty(read.shape)
        ctx.moments, a = [], torch.empty_like(gates[0])
        stations = walk(
            lows[:-1], products, gates, *_blocks(gates), memories[:-1], memories[1:], states[1:], lows[1:]
        )
        for low_h, product, gate, i_f, i, f, g, o, c_before, c_after, h_after, low_after in stations:
            a.copy_(torch.mm(low_h, lowered.T, out=product))
            normal, *moments = _normalise(a, [4 * size], gain, bias, EPSILON)
            gate.add_(normal)
            i_f.sigmoid_()
            tanh_(g)
            o.sigmoid_()
            torch.mul(f, c_before, out=c_after).addcmul_(i, g)
            shown, *shown_moments = _normalise(c_after, [size], shown_gain, shown_bias, EPSILON)
            tanh_(shown)
            torch.mul(o, shown, out=h_after)
            low_after.copy_(h_after)
            ctx.moments.append((moments, shown, shown_moments))
        ctx.save_for_backward(lowered, gain, bias, shown_gain, shown_bias, products, gates, memories, lows)
        ctx.kind = read.dtype
        return lows[1:].transpose(0, 1), states[-1].clone(), memories[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, dlast: Tensor, dmemory: Tensor) -> tuple[Tensor | None, ...]:
        u, gain, bias, shown_gain, shown_bias, products, gates, memories, lows = ctx.saved_tensors
        dh, dc, size, every = dlast.clone(), dmemory.clone(), dlast.shape[1], [True, True, True]
        dreads, das = torch.empty_like(gates, dtype=ctx.kind), torch.empty_like(products)
        a, dgate = (torch.empty_like(gates[0]) for _ in range(2))
        product, dshown = torch.empty_like(lows[0]), torch.empty_like(dh)
        di_f, di, df, dg, do = _blocks(dgate)
        sums = [torch.zeros_like(weight) for weight in (gain, bias, shown_gain, shown_bias)]
        stations = walk(
            dy.transpose(0, 1), products, *_blocks(gates), memories[:-1], memories[1:], dreads, das
        )
        for (dy_now, low_a, i_f, i, f, g, o, c_before, c_after, dread, da), (
            moments,
            shown,
            shown_moments,
        ) in zip(reversed(stations), reversed(ctx.moments), strict=True):
            dh.add_(dy_now)
            torch.mul(dh, shown, out=do)
            tanh_backward(torch.mul(dh, o, out=dshown), shown, grad_input=dshown)
            through, *dshown_weights = _normalise_backward(
                dshown, c_after, [size], *shown_moments, shown_gain, shown_bias, every
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
            through, *dweights = _normalise_backward(dgate, a, [4 * size], *moments, gain, bias, every)
            for total, more in zip(sums, (*dweights, *dshown_weights), strict=True):
                total.add_(more)
            da.copy_(through)
            dh.copy_(torch.mm(da, u, out=product))
        return dreads, dh, dc, None, weight_gradient(das, lows[:-1], dh.dtype), *sums


def _blocks(gates: Tensor) -> tuple[Tensor, ...]:
    """(…,4H) → i and f together (…,2H), and i, f, g, o (…,H)."""
    return gates.chunk(2, -1)[0], *gates.chunk(4, -1)
