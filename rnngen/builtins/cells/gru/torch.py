"""The cell ``gru`` in torch; the equations stand in ``numpy``."""

from torch import Tensor, nn

from rnngen.builtins.cells.fused import trains_on_cpu, weights_of
from rnngen.builtins.cells.gru.fused import fused_gru
from rnngen.builtins.cells.gru.options import GRUOptions
from rnngen.builtins.cells.init import initialize, zeros
from rnngen.builtins.cells.regularized import RegularizedCell
from rnngen.contracts import State


def gru(input_size: int, hidden_size: int, options: GRUOptions) -> nn.Module:
    """Build the class that has what the options ask for."""
    return (RegularizedGRU if options.has_extras else GRU)(input_size, hidden_size, options)


class GRU(nn.Module):
    """Torch's fused GRU, or a hand-written one that trains on the CPU; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: GRUOptions) -> None:  # noqa: ARG002
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        initialize(self.rnn, gates=3)

    def initial_state(self, batch: int) -> State:
        """Return zeros: ``(h,)`` of (B,H)."""
        return (zeros(self.rnn, batch),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if trains_on_cpu(x):
            y, h = fused_gru(x, state[0], weights_of(self.rnn))
            return y, (h,)
        y, h = self.rnn(x, state[0].unsqueeze(0))
        return y, (h.squeeze(0),)


class RegularizedGRU(RegularizedCell):
    """A GRU with zoneout and layer normalisation; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: GRUOptions) -> None:
        super().__init__(input_size, hidden_size, options, gates=3, zoneout=(options.zoneout_h,))

    def advance(self, projected: Tensor, recurrent: Tensor, state: State) -> State:
        """Take one step without zoneout: both products (B,3H), state → ``(h,)``."""
        (r, z, n), (past_r, past_z, past_n) = projected.chunk(3, dim=1), recurrent.chunk(3, dim=1)
        n = (n + (r + past_r).sigmoid() * past_n).tanh()
        return (n + (z + past_z).sigmoid() * (state[0] - n),)
