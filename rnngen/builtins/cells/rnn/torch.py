"""The cell ``rnn`` in torch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnngen.builtins.cells.fused import trains_on_cpu, weights_of
from rnngen.builtins.cells.init import initialize, zeros
from rnngen.builtins.cells.regularized import RegularizedCell
from rnngen.builtins.cells.rnn.fused import fused_rnn
from rnngen.builtins.cells.rnn.options import RNNOptions
from rnngen.contracts import State

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "sigmoid": torch.sigmoid,
}


def rnn(input_size: int, hidden_size: int, options: RNNOptions) -> nn.Module:
    """Build the class that has what the options ask for."""
    return (RegularizedRNN if options.has_extras else RNN)(input_size, hidden_size, options)


class RNN(nn.Module):
    """Torch's fused RNN, or a hand-written one that trains on the CPU; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: RNNOptions) -> None:
        super().__init__()
        self.activation = options.activation
        if options.activation == "sigmoid":  # torch has no fused one
            self.rnn: nn.RNN | SigmoidRNN = SigmoidRNN(input_size, hidden_size)
        else:
            self.rnn = nn.RNN(input_size, hidden_size, nonlinearity=options.activation, batch_first=True)
        initialize(self.rnn, gates=1)

    def initial_state(self, batch: int) -> State:
        """Return zeros: ``(h,)`` of (B,H)."""
        return (zeros(self.rnn, batch),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if trains_on_cpu(x):
            y, h = fused_rnn(x, state[0], weights_of(self.rnn), self.activation)
            return y, (h,)
        y, h = self.rnn(x, state[0].unsqueeze(0))
        return y, (h.squeeze(0),)


class SigmoidRNN(nn.Module):
    """``nn.RNN``'s call and parameter names with a sigmoid; the input's product is taken before the loop."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih_l0 = nn.Parameter(torch.empty(hidden_size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(hidden_size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(hidden_size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` (B,T,I), ``h`` (1,B,H) → (B,T,H), (1,B,H)."""
        projected = nn.functional.linear(x, self.weight_ih_l0, self.bias_ih_l0 + self.bias_hh_l0)
        step, outputs = h.squeeze(0), []
        for t in range(x.shape[1]):
            step = torch.sigmoid(projected[:, t] + step @ self.weight_hh_l0.T)
            outputs.append(step)
        return torch.stack(outputs, dim=1), step.unsqueeze(0)


class RegularizedRNN(RegularizedCell):
    """An RNN with zoneout and layer normalisation; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: RNNOptions) -> None:
        super().__init__(input_size, hidden_size, options, gates=1, zoneout=(options.zoneout_h,))
        self.activation = ACTIVATIONS[options.activation]

    def advance(self, projected: Tensor, recurrent: Tensor, state: State) -> State:  # noqa: ARG002
        """Take one step without zoneout: both products (B,H) → ``(h,)``."""
        return (self.activation(projected + recurrent),)
