"""The layer in torch, a whole sequence at a time.

The encoder layer of Vaswani et al. 2017 (arXiv:1706.03762), section 3.1, where a token sees itself and what
came before it; a linear map first where the input has another size::

    a = N(x + W_o · attention(x))                N layer normalisation, after the sum as in the paper
    y = N(a + W_2 · max(0, W_1 a + b_1) + b_2)

Scores are ``q · k / √(H/heads)`` over the last W tokens. Positions are those of Su et al. 2021 (RoFormer,
arXiv:2104.09864, equation 34): pairs of units of queries and keys are turned by an angle that grows with the
place, so that a score depends on the distance alone. Keys are kept as they were before that, and so a text
may be read in any pieces.

The state is ``(keys, values, count)``: the last W of each (B,W,H), and how many of them, the last ones, are
of this text (B,). All shapes stay what they are from the first token on.
"""

import torch
from rnngen.contracts import State
from torch import Tensor, nn
from torch.nn import functional as F

from rnngen_transformer import BASE, TransformerOptions


class Transformer(nn.Module):
    """One layer; ``ValueError`` if the hidden size cannot be divided among the heads."""

    def __init__(self, input_size: int, hidden_size: int, options: TransformerOptions) -> None:
        super().__init__()
        if hidden_size % (2 * options.heads):
            raise ValueError(
                f"hidden {hidden_size} is no multiple of {2 * options.heads}, twice the heads; "
                "choose another `hidden` or `heads`"
            )
        self.heads, self.window, self.hidden_size = options.heads, options.window, hidden_size
        self.inlet = nn.Linear(input_size, hidden_size) if input_size != hidden_size else nn.Identity()
        self.qkv = nn.Linear(hidden_size, 3 * hidden_size)
        self.out = nn.Linear(hidden_size, hidden_size)
        self.widen = nn.Linear(hidden_size, options.widening * hidden_size)
        self.narrow = nn.Linear(options.widening * hidden_size, hidden_size)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden_size) for _ in range(2))

    def initial_state(self, batch: int) -> State:
        """Return the state before the first token: two times (B,W,H) of zeros, and (B,) of zeros."""
        empty = self.out.weight.new_zeros(batch, self.window, self.hidden_size)
        return empty, empty.clone(), torch.zeros(batch, dtype=torch.int64, device=empty.device)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        x = self.inlet(x)
        query, key, value = self.qkv(x).chunk(3, -1)
        keys, values = (
            torch.cat((old.to(new.dtype), new), 1) for old, new in ((state[0], key), (state[1], value))
        )
        steps, count = x.shape[1], state[2]
        mask = self._visible(steps, count)
        turned, turned_keys = (
            self._split(rows, places)
            for rows, places in (
                (query, torch.arange(self.window, self.window + steps)),
                (keys, torch.arange(keys.shape[1])),
            )
        )
        attended = F.scaled_dot_product_attention(turned, turned_keys, self._split(values), attn_mask=mask)
        x = self.norms[0](x + self.out(attended.transpose(1, 2).flatten(2)))
        y = self.norms[1](x + self.narrow(F.relu(self.widen(x))))
        last = slice(-self.window, None)
        return y, (keys[:, last], values[:, last], (count + steps).clamp(max=self.window))

    def carry(self, state: State, reset: Tensor) -> State:
        """Forget what rows have read that begin anew: their keys and values stay, and none of them counts."""
        keys, values, count = state
        return keys, values, count.masked_fill(reset.to(count.device), 0)

    def _visible(self, steps: int, count: Tensor) -> Tensor:
        """Mask of what each of T tokens attends to, of W kept ones and these: (B,1,T,W+T) bool."""
        place = torch.arange(self.window + steps, device=count.device)
        distance = place[self.window :, None] - place
        near = (distance >= 0) & (distance < self.window)
        own = place >= self.window - count[:, None]
        return near & own[:, None, None]

    def _split(self, rows: Tensor, places: Tensor | None = None) -> Tensor:
        """Rows (B,S,H) → (B,heads,S,H/heads), turned by their places (S,) if these are given."""
        parts = rows.view(*rows.shape[:2], self.heads, -1).transpose(1, 2)
        return parts if places is None else turn(parts, places.to(rows.device))


def turn(rows: Tensor, places: Tensor) -> Tensor:
    """Turn the pairs of units (j, j + D/2) of rows (…,S,D) by ``place · BASE^(−2j/D)``."""
    half = rows.shape[-1] // 2
    rates = BASE ** (-torch.arange(half, device=rows.device, dtype=torch.float32) / half)
    angles = places[:, None] * rates
    cos, sin = angles.cos().to(rows.dtype), angles.sin().to(rows.dtype)
    one, other = rows[..., :half], rows[..., half:]
    return torch.cat((one * cos - other * sin, one * sin + other * cos), -1)
