r"""The layer in torch, a whole sequence at a time.

A convolution over the last k inputs, half of which opens or shuts the other (Dauphin et al. 2017,
arXiv:1612.08083, equation 1), beside a short cut, as in the blocks of Gehring et al. 2017 (arXiv:1705.03122,
section 3.2), which scale the sum of two so that its variance stays::

    a, b = Σ_{j<k} W_j x_{t−j} + c
    y_t = √½ · (a ⊙ σ(b) + S x_t)                S the identity where both sizes are equal

The state is ``(x_{t−k+1}, …, x_{t−1})``, one array (B,k−1,I). Before a text stand zeros.
"""

import math

import torch
from rnngen.contracts import State
from torch import Tensor, nn
from torch.nn import functional as F

from rnngen_conv import ConvOptions

HALF = math.sqrt(0.5)


class Conv(nn.Module):
    """One layer."""

    def __init__(self, input_size: int, hidden_size: int, options: ConvOptions) -> None:
        super().__init__()
        self.shape = options.width - 1, input_size
        self.taps = nn.Conv1d(input_size, 2 * hidden_size, options.width)
        self.short = nn.Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: ``(x,)``, (B,k−1,I) of zeros."""
        return (self.taps.weight.new_zeros(batch, *self.shape),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        seen = torch.cat((state[0].to(x.dtype), x), 1)
        gated = F.glu(self.taps(seen.transpose(1, 2)).transpose(1, 2), 2)
        return HALF * (gated + self.short(x)), (seen[:, x.shape[1] :],)
