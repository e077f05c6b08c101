"""The cell ``gru`` in torch; the equations stand in ``numpy``."""

import torch
from torch import Tensor, nn

from rnngen.builtins.cells.fused import product_type
from rnngen.builtins.cells.gru.fused import fused_gru
from rnngen.builtins.cells.options import GRUOptions
from rnngen.builtins.cells.plain import PlainCell, initialize
from rnngen.builtins.cells.recurrence import Kernels, products_of, run
from rnngen.builtins.cells.regularized import RegularizedCell
from rnngen.builtins.cells.threads import use_kernels
from rnngen.contracts import State

MODULE = "rnngen.builtins.cells.gru.kernels"
KERNELS = Kernels(f"{MODULE}:forward", f"{MODULE}:backward")


def gru(input_size: int, hidden_size: int, options: GRUOptions) -> nn.Module:
    """Build the class that has what the options ask for."""
    return (RegularizedGRU if options.has_extras else GRU)(input_size, hidden_size, options)


class GRU(PlainCell):
    """Torch's fused GRU, or a hand-written one that trains on the CPU."""

    def __init__(self, input_size: int, hidden_size: int, options: GRUOptions) -> None:  # noqa: ARG002
        super().__init__()
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        initialize(self.rnn, gates=3)

    def recurrence(self, x: Tensor, h: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """``x`` (B,T,I), ``h`` (B,H), weights → outputs (B,T,H), the last state (B,H)."""
        w, u, b, d = weights
        if not use_kernels(product_type(u), h.dtype):
            return fused_gru(x, h, weights)
        size = h.shape[1]
        bias = torch.cat([(b + d)[:-size], b[-size:]])  # r gates d_n too
        y, after = run(KERNELS, products_of(x, w, bias), (h,), u, d[-size:])
        return y, after[0]


class RegularizedGRU(RegularizedCell):
    """A GRU with zoneout and layer normalisation; state ``(h,)`` of (B,H)."""

    kernels = Kernels(f"{MODULE}:normalized_forward", f"{MODULE}:normalized_backward")

    def __init__(self, input_size: int, hidden_size: int, options: GRUOptions) -> None:
        super().__init__(input_size, hidden_size, options, gates=3, zoneout=(options.zoneout_h,))

    def gains_and_biases(self) -> list[Tensor]:
        """Return γ δ b d; r gates a part of d."""
        names = ("gain_ih_l0", "gain_hh_l0", "bias_ih_l0", "bias_hh_l0")
        return [self.rnn.get_parameter(name) for name in names]

    def advance(self, projected: Tensor, recurrent: Tensor, state: State) -> State:
        """Take one step without zoneout: both products (B,3H), state → ``(h,)``."""
        (r, z, n), (past_r, past_z, past_n) = projected.chunk(3, dim=1), recurrent.chunk(3, dim=1)
        n = (n + (r + past_r).sigmoid() * past_n).tanh()
        return (n + (z + past_z).sigmoid() * (state[0] - n),)
