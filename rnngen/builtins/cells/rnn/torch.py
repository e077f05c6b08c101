"""The cell ``rnn`` in torch."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rnngen.builtins.cells.fused import product_type
from rnngen.builtins.cells.options import RNNOptions
from rnngen.builtins.cells.plain import PlainCell, initialize
from rnngen.builtins.cells.recurrence import Kernels, products_of, run
from rnngen.builtins.cells.regularized import Projections, RegularizedCell
from rnngen.builtins.cells.rnn.fused import fused_rnn
from rnngen.builtins.cells.threads import use_kernels
from rnngen.contracts import State

MODULE = "rnngen.builtins.cells.rnn.kernels"
KINDS = {"tanh": 0, "sigmoid": 1, "relu": 2}
KERNELS = {
    name: Kernels(f"{MODULE}:forward", f"{MODULE}:backward", one_gradient=True, kind=kind)
    for name, kind in KINDS.items()
}
NORMALIZED = {
    name: Kernels(f"{MODULE}:normalized_forward", f"{MODULE}:normalized_backward", kind=kind)
    for name, kind in KINDS.items()
}


def rnn(input_size: int, hidden_size: int, options: RNNOptions) -> nn.Module:
    """Build the class that has what the options ask for."""
    return (RegularizedRNN if options.has_extras else RNN)(input_size, hidden_size, options)


class RNN(PlainCell):
    """Torch's fused RNN, or a hand-written one that trains on the CPU."""

    def __init__(self, input_size: int, hidden_size: int, options: RNNOptions) -> None:
        super().__init__()
        self.activation = options.activation
        if options.activation == "sigmoid":  # torch has no fused one
            self.rnn = SigmoidRNN(input_size, hidden_size, gates=1, normalized=False)
        else:
            self.rnn = nn.RNN(input_size, hidden_size, nonlinearity=options.activation, batch_first=True)
            initialize(self.rnn, gates=1)

    def recurrence(self, x: Tensor, h: Tensor, weights: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """``x`` (B,T,I), ``h`` (B,H), weights → outputs (B,T,H), the last state (B,H)."""
        w, u, b, d = weights
        if not use_kernels(product_type(u), h.dtype):
            return fused_rnn(x, h, weights, self.activation)
        products, kernels = products_of(x, w, b + d), KERNELS[self.activation]
        y, after = run(kernels, products, (h,), u, u.new_empty(0))
        return y, after[0]


class SigmoidRNN(Projections):
    """``nn.RNN``'s call and parameter names with a sigmoid; the input's product is taken before the loop."""

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
        self.activation: Callable[[Tensor], Tensor] = getattr(torch, options.activation)
        self.kernels = NORMALIZED[options.activation]

    def advance(self, projected: Tensor, recurrent: Tensor, state: State) -> State:  # noqa: ARG002
        """Take one step without zoneout: both products (B,H) → ``(h,)``."""
        return (self.activation(projected + recurrent),)
