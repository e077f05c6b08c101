r"""Zoneout, layer normalisation and a Mogrifier around any of the cells, in torch: a loop over time.

Layer normalisation (Ba et al. 2016, arXiv 1607.06450), with N over all gates of a product together, and over
the units of an LSTM's cell state, which is itself kept as it was::

    N(a) = (a − mean a) / √(var a + ε)
    W x + b            becomes    γ ∘ N(W x) + b
    U h + d            becomes    δ ∘ N(U h) + d
    h' = o ∘ tanh(c')  becomes    h' = o ∘ tanh(ζ ∘ N(c') + e)

Zoneout (Krueger et al. 2017, arXiv 1606.01305): in training each unit keeps its old value with probability z.
After training the expectation is taken, and h' is made of the c' before it::

    c' ← z_c · c + (1 − z_c) · c'
    h' ← z_h · h + (1 − z_h) · h'

Mogrifier (Melis et al. 2020, arXiv 1909.01792): input and last output scale one another in turn, before the
cell reads them::

    x ← 2σ(Q₁ h) ∘ x,   h ← 2σ(R₂ x) ∘ h,   x ← 2σ(Q₃ h) ∘ x,   …        Q (I,H), R (H,I)
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from rnngen.builtins.cells.fused import product_type
from rnngen.builtins.cells.options import RegularizedOptions
from rnngen.builtins.cells.plain import initialize, zeros
from rnngen.builtins.cells.recurrence import Kernels, products_of, run
from rnngen.builtins.cells.threads import use_kernels
from rnngen.contracts import State

LEVELS = 1 << 15
"""Resolution of zoneout's coins: 16 random bits cost half of what torch's own coins do."""


class Projections(nn.Module):
    """The products of a cell's input and of its last output, under torch's names.

    If ``normalized``, each is normalised over all its gates, with gains that start at 1.
    """

    gain_ih_l0: Tensor | None
    gain_hh_l0: Tensor | None

    def __init__(self, input_size: int, hidden_size: int, gates: int, *, normalized: bool) -> None:
        super().__init__()
        size = gates * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(size))
        initialize(self, gates)
        for name in ("gain_ih_l0", "gain_hh_l0"):
            self.register_parameter(name, nn.Parameter(torch.ones(size)) if normalized else None)

    def input_projection(self, x: Tensor) -> Tensor:
        """Inputs (…,I) → (…,G)."""
        return _projection(x, self.weight_ih_l0, self.bias_ih_l0, self.gain_ih_l0)

    def recurrent_projection(self, h: Tensor) -> Tensor:
        """The last output (B,H) → (B,G)."""
        return _projection(h, self.weight_hh_l0, self.bias_hh_l0, self.gain_hh_l0)


def _projection(x: Tensor, weight: Tensor, bias: Tensor, gain: Tensor | None) -> Tensor:
    if gain is None:
        return nn.functional.linear(x, weight, bias)
    return nn.functional.layer_norm(nn.functional.linear(x, weight), gain.shape, gain, bias)


class Mogrifier(nn.Module):
    """Scales input and last output by one another, in rounds; with matrices of zeros every factor is 1.

    With a rank above 0, Q and R are each a product of two thin matrices.
    """

    def __init__(self, input_size: int, hidden_size: int, rounds: int, rank: int) -> None:
        super().__init__()
        sizes = [(hidden_size, input_size), (input_size, hidden_size)]
        self.rounds = nn.ModuleList(_glorot(*sizes[turn % 2], rank) for turn in range(rounds))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """``x`` (B,I), ``h`` (B,H) → both, scaled."""
        for turn, matrix in enumerate(self.rounds):
            if turn % 2:
                h = 2 * matrix(x).sigmoid() * h
            else:
                x = 2 * matrix(h).sigmoid() * x
        return x, h


def _glorot(source: int, target: int, rank: int) -> nn.Sequential:
    """Return a map from ``source`` to ``target`` features, by way of ``rank`` unless that is 0."""
    sizes = [source, rank, target] if rank else [source, target]
    factors = [nn.Linear(a, b, bias=False) for a, b in pairwise(sizes)]
    for factor in factors:
        nn.init.xavier_uniform_(factor.weight)
    return nn.Sequential(*factors)


class RegularizedCell(nn.Module):
    """A cell as a loop over time; a subclass defines its step, ``advance``.

    ``gates`` is the number of blocks of H in its products, ``zoneout`` the chance of a unit to keep its value
    in each array of the state.
    """

    kernels: Kernels

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        options: RegularizedOptions,
        *,
        gates: int,
        zoneout: Sequence[float],
    ) -> None:
        super().__init__()
        self.rnn = Projections(input_size, hidden_size, gates, normalized=bool(options.layer_norm))
        self.zoneout = zoneout
        self.mogrifier: Mogrifier | None = None
        self.only_normalized = bool(options.layer_norm) and not any(zoneout)

    def initial_state(self, batch: int) -> State:
        """Return zeros, each (B,H): ``(h, c)`` of an LSTM, ``(h,)`` of the others."""
        return tuple(zeros(self.rnn, batch) for _ in self.zoneout)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if self.only_normalized and x.device.type == "cpu":
            return self.normalized(x, state)
        return self.loop(x, state)

    def normalized(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Do the same on the CPU where layer normalisation is all there is: by kernels, if there are any."""
        w, u = self.rnn.weight_ih_l0, self.rnn.weight_hh_l0
        if not use_kernels(product_type(u), state[0].dtype):
            return self.loop(x, state)
        weights = torch.cat(self.gains_and_biases())
        return run(self.kernels, products_of(x, w), state, u, weights)

    def gains_and_biases(self) -> list[Tensor]:
        """Return what the kernels need beside the matrices: of a cell that adds its products, γ δ b."""
        gains = [self.rnn.get_parameter("gain_ih_l0"), self.rnn.get_parameter("gain_hh_l0")]
        return [*gains, self.rnn.bias_ih_l0 + self.rnn.bias_hh_l0]

    def loop(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Do the same on any device, step by step."""
        inputs = x if self.mogrifier else self.rnn.input_projection(x)
        rates = zip(self.zoneout, state, strict=True)
        shares = zip(*(self._shares(rate, array, x.shape[1]) for rate, array in rates), strict=True)
        outputs = []
        for entering, share in zip(inputs.unbind(1), shares, strict=True):
            projected, h = entering, state[0]
            if self.mogrifier is not None:
                x, h = self.mogrifier(entering, h)
                projected = self.rnn.input_projection(x)
            after = self.advance(projected, self.rnn.recurrent_projection(h), state)
            state = tuple(map(_zoned, state, after, share))
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    def advance(self, projected: Tensor, recurrent: Tensor, state: State) -> State:
        """Take one step without zoneout: the products of input and last output (B,G), state → state."""
        raise NotImplementedError

    def _shares(self, chance: float, like: Tensor, steps: int) -> "Sequence[Tensor | float | None]":
        """Return the share of the new value in units like (B,H), for each of T steps; None for all of it."""
        if not chance:
            return [None] * steps
        if not self.training:
            return [1 - chance] * steps
        draws = torch.empty(steps, *like.shape, dtype=torch.int16, device=like.device).random_()
        return (draws >= round(chance * LEVELS)).to(like.dtype).unbind()


def _zoned(old: Tensor, new: Tensor, share: "Tensor | float | None") -> Tensor:
    return new if share is None else torch.lerp(old, new.to(old.dtype), share)
