"""The cells as torch has them, with their initial weights and states."""

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from rnngen.contracts import State

NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
"""Torch's names of W U b d; weight dropout may put others than parameters there."""


def initialize(module: nn.Module, gates: int) -> None:
    """Set orthogonal recurrent matrices gate by gate (Saxe et al. 2014), Glorot input matrices, zero biases.

    An orthogonal matrix keeps the norm of what passes through it, so that gradients neither vanish nor
    explode at the start; a gate at a time, since the gates do not mix before their nonlinearities.
    """
    for name, parameter in module.named_parameters():
        with torch.no_grad():
            if name.startswith("bias"):
                parameter.zero_()
                continue
            start = nn.init.orthogonal_ if name.startswith("weight_hh") else nn.init.xavier_uniform_
            for gate in parameter.chunk(gates):
                start(gate)


def zeros(rnn: nn.Module, batch: int) -> Tensor:
    """Return (B,H) zeros on the device of the parameters, and of their type."""
    recurrent = rnn.get_parameter("weight_hh_l0")
    return recurrent.new_zeros(batch, recurrent.shape[1])


def run(rnn: nn.Module, x: Tensor, state: State) -> tuple[Tensor, State]:
    """Run a module of torch over ``x`` (B,T,I) from a state of (B,H) arrays → (B,T,H), state.

    Not in autocast's bf16 where torch has no such thing: its LSTM on a CPU without AVX-512, and on CUDA every
    one of them, which autocast casts to fp16 there, whatever was asked for (``_cudnn_rnn``), in which small
    gradients vanish. They compute in the type of their weights there.
    """
    kind = x.device.type
    cast = torch.is_autocast_enabled(kind) and (kind == "cuda" or (kind == "cpu" and not _has_bf16(rnn)))
    if cast:
        weight: Any = rnn.weight_hh_l0
        x, state = x.to(weight.dtype), tuple(array.to(weight.dtype) for array in state)
    before = tuple(array.unsqueeze(0) for array in state)  # torch keeps layers on axis 0: (1,B,H)
    with torch.autocast(kind, enabled=False) if cast else nullcontext():
        y, after = rnn(x, before if len(before) > 1 else before[0])
    return y, tuple(array.squeeze(0) for array in (after if len(before) > 1 else (after,)))


def _has_bf16(rnn: nn.Module) -> bool:
    """Return whether torch's module takes bf16 on this CPU: without AVX-512 only GRU and RNN do."""
    return not isinstance(rnn, nn.LSTM) or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


class PlainCell(nn.Module):
    """A module of torch, or a hand-written recurrence that trains on the CPU; state ``(h,)`` of (B,H)."""

    rnn: nn.Module

    def initial_state(self, batch: int) -> State:
        """Return zeros: ``(h,)`` of (B,H)."""
        return (zeros(self.rnn, batch),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if x.device.type == "cpu" and torch.is_grad_enabled():  # where torch has no fused GRU and RNN
            y, h = self.recurrence(x, state[0], tuple(getattr(self.rnn, f"{name}_l0") for name in NAMES))
            return y, (h,)
        return run(self.rnn, x, state)

    def recurrence(self, x: Tensor, h: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """``x`` (B,T,I), ``h`` (B,H), W U b d → outputs (B,T,H), the last state (B,H)."""
        raise NotImplementedError
