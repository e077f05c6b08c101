"""Both cells in torch, a whole sequence at a time.

Either layer turns its input into two sequences, the share of the state to keep and what to add to it::

    h_t = keep_t ⊙ h_{t-1} + added_t            keep, added (B,T,H), functions of x_t alone

and `scan` solves that for all t at once. Both write their candidate through the paper's

    g(u) = u + 1/2  where u ≥ 0,  σ(u)  elsewhere

which keeps every state positive. The paper needs that to take logarithms (its appendix B). `scan` multiplies
factors between 0 and 1 instead: it cannot overflow, subtracts no large sums, and takes a state of any sign;
g is here because it is the paper's cell.

The output is the state, as in the paper: no output gate, no projection. Its convolutions and MLPs belong to
the block around the cell and are left out. Where the paper's listing applies g to h_0, a state here is a
result of the scan, and the first one is g(0) = 1/2; so a sequence may be split anywhere.
"""

import torch
from rnngen.contracts import State
from torch import Tensor, nn
from torch.nn import functional as F

from rnngen_mingru import START, MinLSTMOptions


class MinCell(nn.Module):
    """The base of both cells; a subclass turns its gates into the two sequences."""

    blocks: int
    """Number of linear maps of the input."""

    def __init__(self, input_size: int, hidden_size: int, options: object) -> None:  # noqa: ARG002
        super().__init__()
        self.hidden_size = hidden_size
        self.gates = nn.Linear(input_size, self.blocks * hidden_size)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: ``(h,)``, (B,H), g(0) everywhere."""
        return (self.gates.weight.new_full((batch, self.hidden_size), START),)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Read T inputs: ``x`` (B,T,I) and the state before them → outputs (B,T,H) and the state after."""
        (h,) = state
        gates = self.gates(x).to(h.dtype)  # under autocast the product is bf16; all after it is float32
        keep, added = self.keep_and_added(gates)
        first = torch.addcmul(added[:, 0], keep[:, 0], h)  # from a state on, this is the scan's h_0
        outputs = scan(keep, torch.cat((first[:, None], added[:, 1:]), 1))
        return outputs, (outputs[:, -1],)

    def keep_and_added(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        """The product of the input (B,T,blocks·H) → the share to keep and what to add, each (B,T,H)."""
        raise NotImplementedError


class MinGRU(MinCell):
    """The minimal gated recurrent unit.

    In section 3 of the paper, with the g of its appendix B::

        z_t = σ(W_z x_t + b_z)                     update gate
        u_t = g(W_h x_t + b_h)                     candidate
        h_t = (1 − z_t) ⊙ h_{t-1} + z_t ⊙ u_t      state and output
    """

    blocks = 2  # rows: z, h

    def keep_and_added(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        """``gates`` (B,T,2H) → 1 − z and z ⊙ u, each (B,T,H)."""
        z, u = gates.chunk(2, -1)
        return torch.sigmoid(-z), torch.sigmoid(z) * g(u)


class MinLSTM(MinCell):
    """The minimal LSTM, in the variant whose scale does not depend on the length.

    In section 3 of the paper, with the g of its appendix B::

        f_t = σ(W_f x_t + b_f)                               forget gate
        i_t = σ(W_i x_t + b_i)                               input gate
        u_t = g(W_h x_t + b_h)                               candidate
        h_t = (f_t ⊙ h_{t-1} + i_t ⊙ u_t) / (f_t + i_t)      state and output

    The share f / (f + i) is computed as σ(log f − log i), which holds where both gates are nearly closed.
    """

    blocks = 3  # rows: f, i, h

    def __init__(self, input_size: int, hidden_size: int, options: MinLSTMOptions) -> None:
        super().__init__(input_size, hidden_size, options)
        with torch.no_grad():
            self.gates.bias[:hidden_size] += options.forget_bias

    def keep_and_added(self, gates: Tensor) -> tuple[Tensor, Tensor]:
        """``gates`` (B,T,3H) → f / (f + i) and the rest of it ⊙ u, each (B,T,H)."""
        f, i, u = gates.chunk(3, -1)
        odds = F.logsigmoid(f) - F.logsigmoid(i)
        return torch.sigmoid(odds), torch.sigmoid(-odds) * g(u)


def g(u: Tensor) -> Tensor:
    """The paper's positive activation, continuous at 0."""
    return torch.where(u >= 0, u + 0.5, torch.sigmoid(u))


def scan(keep: Tensor, added: Tensor) -> Tensor:
    """Solve h_t = keep_t ⊙ h_{t-1} + added_t, from h_{-1} = 0, for all t: in O(T) work and O(log T) depth.

    Two steps are again one step of the same form, so the odd states come from a scan of half the length, and
    every even one is a step from the odd one before it::

        t      0    1    2    3    4    5
        pairs  ╰────╯    ╰────╯    ╰────╯        h_1, h_3, h_5: the scan of the pairs
        fill   ●         ●─▸       ●─▸           h_0 = added_0;  h_2, h_4: one step from h_1, h_3

    Args:
        keep: (B,T,H), between 0 and 1.
        added: (B,T,H).

    Returns:
        h: (B,T,H).
    """
    T = keep.shape[1]  # noqa: N806
    if T == 1:
        return added
    later = keep[:, 1::2]
    odd = scan(later * keep[:, :-1:2], torch.addcmul(added[:, 1::2], later, added[:, :-1:2]))
    filled = torch.addcmul(added[:, 2::2], keep[:, 2::2], odd[:, : (T - 1) // 2])
    even = torch.cat((added[:, :1], filled), 1)
    pairs = torch.stack((even[:, : T // 2], odd), 2).flatten(1, 2)
    return torch.cat((pairs, even[:, -1:]), 1) if T % 2 else pairs
