"""Initial weights and states of the classical cells."""

import torch
from torch import Tensor, nn


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


def set_forget_bias(rnn: nn.Module, bias: float) -> None:
    """Set the forget gate's bias of an LSTM; torch's gates are i f g o, and its two biases add up."""
    with torch.no_grad():
        rnn.get_parameter("bias_ih_l0").chunk(4)[1].fill_(bias)


def zeros(rnn: nn.Module, batch: int) -> Tensor:
    """Return (B,H) zeros on the device of the parameters, and of their type."""
    recurrent = rnn.get_parameter("weight_hh_l0")
    return recurrent.new_zeros(batch, recurrent.shape[1])
