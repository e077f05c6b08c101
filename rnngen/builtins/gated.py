"""The classical cells with zoneout, layer normalisation and a Mogrifier, the face that trains.

torch's fused modules have no place for these, so that a layer here is a loop over T, with the input's product
ahead of it unless a Mogrifier gates the input. Where none is asked for, ``lstm``, ``gru`` and ``rnn``, which
the hooks name, give the fused ones. The equations stand in ``gated_steps`` and ``mogrifier``.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from rnngen.builtins.cell_options import GatedOptions, GRUOptions, LSTMOptions, RNNOptions
from rnngen.builtins.cells import GRU, LSTM, RNN, initialise, zeros
from rnngen.builtins.mogrifier import Mogrifier
from rnngen.builtins.normalised import normalised_lstm
from rnngen.contracts import State

LEVELS = 1 << 15
"""How finely zoneout's coins are weighed: 16 random bits cost half of what torch's own coins do."""


def lstm(input_size: int, hidden_size: int, options: LSTMOptions) -> nn.Module:
    """The class of ``lstm`` that has what the options ask for."""
    return (GatedLSTM if options.gated else LSTM)(input_size, hidden_size, options)


def gru(input_size: int, hidden_size: int, options: GRUOptions) -> nn.Module:
    """The class of ``gru`` that has what the options ask for."""
    return (GatedGRU if options.gated else GRU)(input_size, hidden_size, options)


def rnn(input_size: int, hidden_size: int, options: RNNOptions) -> nn.Module:
    """The class of ``rnn`` that has what the options ask for."""
    return (GatedRNN if options.gated else RNN)(input_size, hidden_size, options)


class Products(nn.Module):
    """What a cell makes of its input and of its last output: both products, under torch's names.

    Args:
        input_size: I.
        hidden_size: H.
        gates: G / H.
        normalised: whether each product is normalised over all its gates, with gains that start at 1.
    """

    gain_ih_l0: Tensor | None
    gain_hh_l0: Tensor | None

    def __init__(self, input_size: int, hidden_size: int, gates: int, *, normalised: bool) -> None:
        super().__init__()
        size = gates * hidden_size
        self.weight_ih_l0 = nn.Parameter(torch.empty(size, input_size))
        self.weight_hh_l0 = nn.Parameter(torch.empty(size, hidden_size))
        self.bias_ih_l0 = nn.Parameter(torch.empty(size))
        self.bias_hh_l0 = nn.Parameter(torch.empty(size))
        initialise(self, gates)
        for name in ("gain_ih_l0", "gain_hh_l0"):
            self.register_parameter(name, nn.Parameter(torch.ones(size)) if normalised else None)

    def read(self, x: Tensor) -> Tensor:
        """The input (…,I) → (…,G)."""
        return _product(x, self.weight_ih_l0, self.bias_ih_l0, self.gain_ih_l0)

    def recall(self, h: Tensor) -> Tensor:
        """The last output (B,H) → (B,G)."""
        return _product(h, self.weight_hh_l0, self.bias_hh_l0, self.gain_hh_l0)


class Gated(nn.Module):
    """What the three have in common: the loop over time.

    Args:
        input_size: I.
        hidden_size: H.
        options: the cell's.
        gates: how many blocks of H its products have.
        zoneout: the chance to keep its value, for a unit of each array of the state.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        options: GatedOptions,
        *,
        gates: int,
        zoneout: Sequence[float],
    ) -> None:
        super().__init__()
        self.rnn = Products(input_size, hidden_size, gates, normalised=bool(options.layer_norm))
        self.zoneout = zoneout
        self.mogrifier: Mogrifier | None = None

    def initial_state(self, batch: int) -> State:
        """Zeros, each (B,H): ``(h, c)`` of an LSTM, ``(h,)`` of the others."""
        return tuple(zeros(self.rnn, batch) for _ in self.zoneout)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        inputs = x if self.mogrifier else self.rnn.read(x)
        chances = zip(self.zoneout, state, strict=True)
        shares = zip(*(self._shares(chance, array, x.shape[1]) for chance, array in chances), strict=True)
        outputs = []
        for entry, share in zip(inputs.unbind(1), shares, strict=True):
            after = self.advance(*self._products(entry, state[0]), state)
            state = tuple(map(_zoned, state, after, share))
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    def advance(self, read: Tensor, recalled: Tensor, state: State) -> State:
        """One step without zoneout: both products (B,G) and the state → the state after."""
        raise NotImplementedError

    def _products(self, entry: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        """Both products of a step, (B,G), from its input, or from that one's product done ahead."""
        if self.mogrifier is None:
            return entry, self.rnn.recall(h)
        x, h = self.mogrifier(entry, h)
        return self.rnn.read(x), self.rnn.recall(h)

    def _shares(self, chance: float, like: Tensor, steps: int) -> "Sequence[Tensor | float | None]":
        """How much of the new value units like (B,H) take, for each of T steps; None for all of it."""
        if not chance:
            return [None] * steps
        if not self.training:
            return [1 - chance] * steps
        draws = torch.empty(steps, *like.shape, dtype=torch.int16, device=like.device).random_()
        return (draws >= round(chance * LEVELS)).to(like.dtype).unbind()


class GatedLSTM(Gated):
    """``lstm`` with zoneout, layer normalisation and a Mogrifier; state ``(h, c)``, each (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: LSTMOptions) -> None:
        zoneout = (options.zoneout_h, options.zoneout_c)
        super().__init__(input_size, hidden_size, options, gates=4, zoneout=zoneout)
        with torch.no_grad():  # torch's gates are i f g o, and its two biases add up
            self.rnn.bias_ih_l0[hidden_size : 2 * hidden_size].fill_(options.forget_bias)
        self.memory = nn.LayerNorm(hidden_size) if options.layer_norm else nn.Identity()
        self.only_normalised = bool(options.layer_norm) and not (any(zoneout) or options.mogrifier)
        if options.mogrifier:
            self.mogrifier = Mogrifier(input_size, hidden_size, options.mogrifier, options.mogrifier_rank)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """``x`` (B,T,I), state → (B,T,H), state."""
        if not (self.only_normalised and x.device.type == "cpu"):
            return super().forward(x, state)
        products, memory = self.rnn, self.memory
        recall = (products.weight_hh_l0, products.gain_hh_l0, products.bias_hh_l0)
        return normalised_lstm(products.read(x.transpose(0, 1)), state, recall, (memory.weight, memory.bias))

    def advance(self, read: Tensor, recalled: Tensor, state: State) -> State:
        """One step without zoneout: both products (B,4H) and the state → ``(h, c)``."""
        i, f, g, o = (read + recalled).chunk(4, dim=1)
        c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * self.memory(c).tanh(), c


class GatedGRU(Gated):
    """``gru`` with zoneout and layer normalisation; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: GRUOptions) -> None:
        super().__init__(input_size, hidden_size, options, gates=3, zoneout=(options.zoneout_h,))

    def advance(self, read: Tensor, recalled: Tensor, state: State) -> State:
        """One step without zoneout: both products (B,3H) and the state → ``(h,)``."""
        (r, z, n), (past_r, past_z, past_n) = read.chunk(3, dim=1), recalled.chunk(3, dim=1)
        n = (n + (r + past_r).sigmoid() * past_n).tanh()
        return (n + (z + past_z).sigmoid() * (state[0] - n),)


class GatedRNN(Gated):
    """``rnn`` with zoneout and layer normalisation; state ``(h,)`` of (B,H)."""

    def __init__(self, input_size: int, hidden_size: int, options: RNNOptions) -> None:
        super().__init__(input_size, hidden_size, options, gates=1, zoneout=(options.zoneout_h,))
        self.activation = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}[
            options.activation
        ]

    def advance(self, read: Tensor, recalled: Tensor, state: State) -> State:  # noqa: ARG002
        """One step without zoneout: both products (B,H) → ``(h,)``."""
        return (self.activation(read + recalled),)


def _product(x: Tensor, weight: Tensor, bias: Tensor, gain: Tensor | None) -> Tensor:
    """``x`` (…,I) times a matrix (G,I), normalised where there is a gain for it, plus a bias (G,)."""
    if gain is None:
        return nn.functional.linear(x, weight, bias)
    return nn.functional.layer_norm(nn.functional.linear(x, weight), gain.shape, gain, bias)


def _zoned(old: Tensor, new: Tensor, share: "Tensor | float | None") -> Tensor:
    """From the old value to the new one by a share of the way; None is all of it."""
    return new if share is None else torch.lerp(old, new.to(old.dtype), share)
