"""The cells as torch has them, with their initial weights and states."""

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
        y, h = self.rnn(x, state[0].unsqueeze(0))
        return y, (h.squeeze(0),)

    def recurrence(self, x: Tensor, h: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """``x`` (B,T,I), ``h`` (B,H), W U b d → outputs (B,T,H), the last state (B,H)."""
        raise NotImplementedError
