"""The cell ``lstm`` in torch; the equations stand in ``numpy``."""

import torch
from torch import Tensor, nn

from rnngen.builtins.cells.fused import product_type
from rnngen.builtins.cells.lstm.fused import compiled_layer_norm_lstm, fused_layer_norm_lstm
from rnngen.builtins.cells.options import LSTMOptions
from rnngen.builtins.cells.plain import initialize, zeros
from rnngen.builtins.cells.regularized import Mogrifier, RegularizedCell
from rnngen.builtins.cells.threads import use_kernels
from rnngen.contracts import State


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
        h, c = (array.unsqueeze(0) for array in state)  # torch keeps layers on axis 0: (1,B,H)
        y, (h, c) = self.rnn(x, (h, c))
        return y, (h.squeeze(0), c.squeeze(0))


class RegularizedLSTM(RegularizedCell):
    """An LSTM with zoneout, layer normalisation and a Mogrifier; state ``(h, c)``, each (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: LSTMOptions) -> None:
        zoneout = (options.zoneout_h, options.zoneout_c)
        super().__init__(input_size, hidden_size, options, gates=4, zoneout=zoneout)
        _set_forget_bias(self.rnn, options.forget_bias)
        self.memory = nn.LayerNorm(hidden_size) if options.layer_norm else nn.Identity()
        self.only_normalized = bool(options.layer_norm) and not (any(zoneout) or options.mogrifier)
        if options.mogrifier:
            self.mogrifier = Mogrifier(input_size, hidden_size, options.mogrifier, options.mogrifier_rank)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if not (self.only_normalized and x.device.type == "cpu"):
            return super().forward(x, state)
        weights, memory = self.rnn, self.memory
        low = product_type(weights.weight_hh_l0)
        if use_kernels(low, state[0].dtype):
            products = nn.functional.linear(x.transpose(0, 1).to(low), weights.weight_ih_l0.to(low))
            bias, u = weights.bias_ih_l0 + weights.bias_hh_l0, weights.weight_hh_l0
            norms = (weights.gain_ih_l0, weights.gain_hh_l0, bias, u)
            return compiled_layer_norm_lstm(products, state, norms, (memory.weight, memory.bias))
        recurrent = (weights.weight_hh_l0, weights.gain_hh_l0, weights.bias_hh_l0)
        projected = weights.input_projection(x.transpose(0, 1))
        return fused_layer_norm_lstm(projected, state, recurrent, (memory.weight, memory.bias))

    def advance(self, projected: Tensor, recurrent: Tensor, state: State) -> State:
        """Take one step without zoneout: both products (B,4H), state → ``(h, c)``."""
        i, f, g, o = (projected + recurrent).chunk(4, dim=1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * torch.tanh(self.memory(c)), c


def _set_forget_bias(rnn: nn.Module, bias: float) -> None:
    """Set the forget gate's bias; torch's gates are i f g o, and its two biases add up."""
    with torch.no_grad():
        rnn.get_parameter("bias_ih_l0").chunk(4)[1].fill_(bias)
