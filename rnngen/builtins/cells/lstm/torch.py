"""The cell ``lstm`` in torch; the equations stand in ``numpy``."""

import torch
from torch import Tensor, nn

from rnngen.builtins.cells.fused import product_type
from rnngen.builtins.cells.lstm.fused import fused_layer_norm_lstm
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.cells.plain import initialize, run, zeros
from rnngen.builtins.cells.recurrence import Kernels
from rnngen.builtins.cells.regularized import Mogrifier, RegularizedCell
from rnngen.builtins.cells.threads import use_kernels
from rnngen.contracts import State

MODULE = "rnngen.builtins.cells.lstm.kernels"


def lstm(input_size: int, hidden_size: int, options: LSTMOptions) -> nn.Module:
    """Build the class that has what the options ask for."""
    return (RegularizedLSTM if options.has_extras else LSTM)(input_size, hidden_size, options)


class LSTM(nn.Module):
    """Torch's fused LSTM; state ``(h, c)``, each (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: LSTMOptions) -> None:
        super().__init__()
        self.rnn = nn.LSTM(input_size, hidden_size, batch_first=True)
        initialize(self.rnn, gates=4)
        _set_forget_bias(self.rnn, options.forget_bias)

    def initial_state(self, batch: int) -> State:
        """Return zeros: ``(h, c)``, each (B,H)."""
        return zeros(self.rnn, batch), zeros(self.rnn, batch)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        return run(self.rnn, x, state)


class RegularizedLSTM(RegularizedCell):
    """An LSTM with zoneout, layer normalisation and a Mogrifier; state ``(h, c)``, each (B,H)."""

    kernels = Kernels(f"{MODULE}:normalized_forward", f"{MODULE}:normalized_backward", memory=True)

    def __init__(self, input_size: int, hidden_size: int, options: LSTMOptions) -> None:
        zoneout = (options.zoneout_h, options.zoneout_c)
        super().__init__(input_size, hidden_size, options, gates=4, zoneout=zoneout)
        _set_forget_bias(self.rnn, options.forget_bias)
        self.memory = nn.LayerNorm(hidden_size) if options.layer_norm else nn.Identity()
        if options.mogrifier:
            self.only_normalized = False
            self.mogrifier = Mogrifier(input_size, hidden_size, options.mogrifier, options.mogrifier_rank)

    def normalized(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Do the same on the CPU where layer normalisation is all there is."""
        weights, memory = self.rnn, self.memory
        if use_kernels(product_type(weights.weight_hh_l0), state[0].dtype):
            return super().normalized(x, state)
        recurrent = (weights.weight_hh_l0, weights.gain_hh_l0, weights.bias_hh_l0)
        projected = weights.input_projection(x.transpose(0, 1))
        return fused_layer_norm_lstm(projected, state, recurrent, (memory.weight, memory.bias))

    def gains_and_biases(self) -> list[Tensor]:
        """Return γ δ b, and ζ e of the cell state."""
        return [*super().gains_and_biases(), *self.memory.parameters()]

    def advance(self, projected: Tensor, recurrent: Tensor, state: State) -> State:
        """Take one step without zoneout: both products (B,4H), state → ``(h, c)``."""
        i, f, g, o = (projected + recurrent).chunk(4, dim=1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * torch.tanh(self.memory(c)), c


def _set_forget_bias(rnn: nn.Module, bias: float) -> None:
    """Set the forget gate's bias; torch's gates are i f g o, and its two biases add up."""
    with torch.no_grad():
        rnn.get_parameter("bias_ih_l0").chunk(4)[1].fill_(bias)
