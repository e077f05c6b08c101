"""The classical recurrent layers, the face that trains: torch's own fused modules behind the Layer contract.

Where torch has no fused way, their parameters go through ``recurrences`` instead.

The equations stand in ``cell_steps``, whose NumPy twins the conformance suite holds equal to these. ``gated``
chooses between these and cells that can do more.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnngen.builtins.cell_options import GRUOptions, LSTMOptions, RNNOptions
from rnngen.builtins.recurrences import gated, simple
from rnngen.contracts import State


def initialise(module: nn.Module, gates: int) -> None:
    """Orthogonal recurrent matrices gate by gate (Saxe et al. 2014), Glorot input matrices, biases zero.

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
    """(B,H) zeros where the parameters are, and of their type."""
    recurrent = rnn.get_parameter("weight_hh_l0")
    return recurrent.new_zeros(batch, recurrent.shape[1])


def by_hand(x: Tensor) -> bool:
    """Whether gradients are wanted on a processor, where torch has no fused way."""
    return x.device.type == "cpu" and torch.is_grad_enabled()


def _weights(rnn: nn.Module) -> tuple[Tensor, ...]:
    """W, U and their biases, by torch's names; what stands in their places may be no parameters."""
    return tuple(getattr(rnn, f"{name}_l0") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))


class LSTM(nn.Module):
    """Long short-term memory; state ``(h, c)``, each (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: LSTMOptions) -> None:
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size, batch_first=True)
        initialise(self.rnn, gates=4)
        with torch.no_grad():  # torch's gates are i f g o, and its two biases add up
            bias = self.rnn.get_parameter("bias_ih_l0")
            bias[hidden_size : 2 * hidden_size].fill_(options.forget_bias)

    def initial_state(self, batch: int) -> State:
        """Zeros: ``(h, c)``, each (B,H)."""
        return zeros(self.rnn, batch), zeros(self.rnn, batch)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        h, c = (array.unsqueeze(0) for array in state)  # torch keeps layers on axis 0: (1,B,H)
        y, (h, c) = self.rnn(x, (h, c))
        return y, (h.squeeze(0), c.squeeze(0))


class GRU(nn.Module):
    """Gated recurrent unit; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: GRUOptions) -> None:  # noqa: ARG002
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        initialise(self.rnn, gates=3)

    def initial_state(self, batch: int) -> State:
        """Zeros: ``(h,)`` of (B,H)."""
        return (zeros(self.rnn, batch),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if by_hand(x):
            y, h = gated(x, state[0], _weights(self.rnn))
            return y, (h,)
        y, h = self.rnn(x, state[0].unsqueeze(0))
        return y, (h.squeeze(0),)


class RNN(nn.Module):
    """Simple recurrent network; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: RNNOptions) -> None:
        super().__init__()
        self.activation = options.activation
        if options.activation == "sigmoid":  # torch has no fused one
            self.rnn: nn.RNN | PlainRNN = PlainRNN(input_size, hidden_size, torch.sigmoid)
        else:
            self.rnn = nn.RNN(input_size, hidden_size, nonlinearity=options.activation, batch_first=True)
        initialise(self.rnn, gates=1)

    def initial_state(self, batch: int) -> State:
        """Zeros: ``(h,)`` of (B,H)."""
        return (zeros(self.rnn, batch),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if by_hand(x):
            y, h = simple(x, state[0], _weights(self.rnn), self.activation)
            return y, (h,)
        y, h = self.rnn(x, state[0].unsqueeze(0))
        return y, (h.squeeze(0),)


class PlainRNN(nn.Module):
    """``nn.RNN``'s call and parameter names, with any nonlinearity; the input product is hoisted."""

    def __init__(self, input_size: int, hidden_size: int, activation: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.hidden_size, self.activation = hidden_size, activation
        self.weight_ih_l0 = nn.Parameter(torch.empty(hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` (B,T,I), ``h`` (1,B,H) → (B,T,H), (1,B,H)."""
        projected = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        step, outputs = h.squeeze(0), []
        for t in range(x.shape[1]):
            step = self.activation(projected[:, t] + step @ self.weight_hh_l0.T)
            outputs.append(step)
        return torch.stack(outputs, dim=1), step.unsqueeze(0)
