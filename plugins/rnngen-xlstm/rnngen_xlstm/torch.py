"""Both cells in torch, with the equations of Beck et al. 2024 (arXiv:2405.04517), sections 2.2 and 2.3.

Their input gate is an exponential, which outgrows every float. So states are kept divided by e^m, where m is
the largest logarithm so far (equations 15 to 17)::

    m_t = max(log f_t + m_{t-1}, ĩ_t)       i′_t = exp(ĩ_t − m_t)       f′_t = exp(log f_t + m_{t-1} − m_t)

and the forget gate is a sigmoid, one of the two that the paper allows. Outputs do not change by that. What
stands around the cells in the paper, convolutions, norms and up-projections, belongs to its blocks and is
left out.
"""

import math

import torch
from rnngen.contracts import State
from torch import Tensor, nn
from torch.nn import functional as F

from rnngen_xlstm import HIGHEST, NEVER, XLSTMOptions, head_size


class SLSTM(nn.Module):
    """The LSTM with exponential gates; ``ValueError`` if the hidden size cannot be divided among the heads.

    With one recurrent matrix R a head (equations 8 to 14 of the paper)::

        ĩ, f̃, z̃, õ = W x_t + R h_{t-1} + b
        c_t = f′ ⊙ c_{t-1} + i′ ⊙ tanh(z̃)        n_t = f′ ⊙ n_{t-1} + i′        h_t = σ(õ) ⊙ c_t / n_t

    The state is ``(h, c, n, m)``, each (B,H).
    """

    def __init__(self, input_size: int, hidden_size: int, options: XLSTMOptions) -> None:
        super().__init__()
        self.size, self.heads = head_size(hidden_size, options.heads), options.heads
        self.inputs = nn.Linear(input_size, 4 * hidden_size)
        bound = 1 / math.sqrt(self.size)
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, self.size).uniform_(-bound, bound))
        with torch.no_grad():
            self.inputs.bias.zero_().view(4, -1)[1].fill_(options.forget_bias)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token, ``(h, c, n, m)``: zeros and a shut gate."""
        zeros = self.weight_hh.new_zeros(batch, self.heads * self.size)
        return zeros, zeros.clone(), zeros.clone(), torch.full_like(zeros, NEVER)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        recurrent = self.weight_hh.view(4, self.heads, self.size, self.size)
        outputs = []
        for projected in self.inputs(x).unbind(1):
            past = torch.einsum("bnd,gnkd->bgnk", state[0].view(len(x), self.heads, -1), recurrent)
            state = self._step((projected + past.flatten(1)).to(state[1].dtype), state)
            outputs.append(state[0])
        return torch.stack(outputs, 1), state

    def _step(self, gates: Tensor, state: State) -> State:
        _, c, n, m = state
        i, f, z, o = gates.chunk(4, 1)
        kept = F.logsigmoid(f) + m
        largest = torch.maximum(kept, i)
        keep, add = (kept - largest).exp(), (i - largest).exp()
        c, n = keep * c + add * z.tanh(), keep * n + add
        return o.sigmoid() * c / n, c, n, largest


class MLSTM(nn.Module):
    """The LSTM with a matrix as memory; ``ValueError`` if the hidden size cannot be divided among the heads.

    For each head, with gates ĩ and f̃ that are one number each (equations 19 to 27)::

        q, k, v = W x_t + b,  k ← k / √D
        C_t = f′ C_{t-1} + i′ v kᵀ          n_t = f′ n_{t-1} + i′ k
        h_t = σ(W_o x_t + b_o) ⊙ C_t q / max(|n_t · q|, e^(−m_t))

    Nothing of a step depends on the output before, so that a whole window is computed at once (appendix A.3):
    with F_t the sum of log f up to t, token s weighs ``F_t − F_s + ĩ_s`` at t, and what was before the window
    ``F_t + m_0``, in logarithms.

    The state is ``(C, n, m)``, (B,heads,D,D), (B,heads,D) and (B,heads).
    """

    def __init__(self, input_size: int, hidden_size: int, options: XLSTMOptions) -> None:
        super().__init__()
        self.size, self.heads = head_size(hidden_size, options.heads), options.heads
        self.qkvo = nn.Linear(input_size, 4 * hidden_size)
        self.gates = nn.Linear(input_size, 2 * options.heads)
        with torch.no_grad():
            self.gates.bias.zero_()[options.heads :].fill_(options.forget_bias)

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: zeros and a shut gate."""
        zeros = self.qkvo.weight.new_zeros(batch, self.heads, self.size)
        matrix = zeros.new_zeros(batch, self.heads, self.size, self.size)
        return matrix, zeros, zeros.new_full((batch, self.heads), NEVER)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        kind, products = state[0].dtype, self.qkvo(x)  # under autocast bf16; what follows is float32
        q, k, v, o = (
            part.view(*part.shape[:2], self.heads, -1).transpose(1, 2)
            for part in products.to(kind).chunk(4, 2)
        )
        i, f = self.gates(x).to(kind).transpose(1, 2).chunk(2, 1)
        with torch.autocast(x.device.type, enabled=False):
            h, state = self._window(q, k / math.sqrt(self.size), v, i, f, state)
        return (o.sigmoid() * h).transpose(1, 2).flatten(2), state

    def _window(
        self, q: Tensor, k: Tensor, v: Tensor, i: Tensor, f: Tensor, state: State
    ) -> tuple[Tensor, State]:
        """Each (B,heads,T,D), gates (B,heads,T), state → (B,heads,T,D), state."""
        memory, norm, m = state
        sums = F.logsigmoid(f).cumsum(2)
        logs = sums[..., None] - sums[..., None, :] + i[..., None, :]
        logs = logs.masked_fill(torch.ones_like(logs[0, 0], dtype=torch.bool).triu(1), -math.inf)
        before = sums + m[..., None]
        largest = torch.maximum(logs.amax(3), before)
        scores, old = (logs - largest[..., None]).exp(), (before - largest).exp()[..., None]
        shares = scores * (q @ k.transpose(2, 3))
        over = shares @ v + old * (q @ memory.transpose(2, 3))
        under = shares.sum(3, keepdim=True) + old * (q @ norm[..., None])
        h = over / torch.maximum(under.abs(), (-largest).clamp(max=HIGHEST).exp()[..., None])
        last, kept = scores[:, :, -1, :, None], old[:, :, -1]
        memory = kept[..., None] * memory + (last * v).transpose(2, 3) @ k
        return h, (memory, kept * norm + (last * k).sum(2), largest[:, :, -1])
