r"""The classical cells with zoneout, layer normalisation and a Mogrifier, the face that generates.

Where none of the three is asked for, ``lstm_step``, ``gru_step`` and ``rnn_step``, which the hooks name, give
the plain steps of ``cell_steps``. The equations there hold here too, with these changes.

Layer normalisation (Ba et al. 2016, arXiv 1607.06450), with N over all gates of a product together, and over
the units of the memory, which is itself kept as it was::

    N(a) = (a − mean a) / √(var a + ε)
    W x + b            becomes    γ ∘ N(W x) + b
    U h + d            becomes    δ ∘ N(U h) + d
    h' = o ∘ tanh(c')  becomes    h' = o ∘ tanh(ζ ∘ N(c') + e)

Zoneout (Krueger et al. 2017, arXiv 1606.01305): in training each unit keeps its old value with probability z.
What generates takes the expectation, and h' is made of the c' before it::

    c' ← z_c · c + (1 − z_c) · c'
    h' ← z_h · h + (1 − z_h) · h'
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnngen.builtins.cell_options import GatedOptions, GRUOptions, LSTMOptions, RNNOptions
from rnngen.builtins.cell_steps import ACTIVATIONS, GRUStep, LSTMStep, RNNStep, columns, remember, update
from rnngen.contracts import Floats, LayerStep, State, Weights

EPSILON = np.float32(1e-5)
"""Torch's own."""


def lstm_step(weights: Weights, options: LSTMOptions) -> LayerStep:
    """The step of ``lstm`` that has what the options ask for."""
    return (GatedLSTMStep if options.gated else LSTMStep)(weights, options)


def gru_step(weights: Weights, options: GRUOptions) -> LayerStep:
    """The step of ``gru`` that has what the options ask for."""
    return (GatedGRUStep if options.gated else GRUStep)(weights, options)


def rnn_step(weights: Weights, options: RNNOptions) -> LayerStep:
    """The step of ``rnn`` that has what the options ask for."""
    return (GatedRNNStep if options.gated else RNNStep)(weights, options)


class Product:
    """One of a cell's two products, (B,I) → (B,G): a matrix, its gain where it is normalised, a bias.

    Args:
        weights: the layer's.
        name: ``ih`` or ``hh``.
        order: where each gate is found in torch's order.
        scale: what each gate's input is multiplied by.
    """

    def __init__(self, weights: Weights, name: str, order: list[int], scale: list[float]) -> None:
        gain = f"rnn.gain_{name}_l0"
        self.scaling = Scaling(columns(weights, gain, order, scale)) if gain in weights else None
        unscaled = [1.0] * len(order)  # to normalise takes the gates as they are; their gains are scaled
        self.matrix: Any = columns(
            weights, f"rnn.weight_{name}_l0", order, unscaled if self.scaling else scale
        )
        if self.scaling:  # the product of rows whose mean is 0 has the mean 0
            self.matrix = self.matrix - self.matrix.mean(axis=1, keepdims=True)
        self.bias: Any = columns(weights, f"rnn.bias_{name}_l0", order, scale)

    def __call__(self, x: Floats) -> Floats:
        """``x`` (B,I) → (B,G), an array of its own."""
        product: Floats = np.dot(x, self.matrix)
        if self.scaling:
            self.scaling(product)
        if self.bias is not None:
            product += self.bias
        return product


class Scaling:
    """``gain ∘ a / √(mean a² + ε)`` of what has the mean 0, written over it.

    Args:
        gain: (G,); it takes the √G of the mean in.
    """

    def __init__(self, gain: Floats) -> None:
        self.gain = gain * np.float32(len(gain) ** 0.5)
        self.epsilon = np.full((1, 1), EPSILON * len(gain), np.float32)

    def __call__(self, a: Floats) -> None:
        """``a`` (B,G)."""
        lengths = np.einsum("bg,bg->b", a, a)[:, None]
        lengths += self.epsilon
        np.sqrt(lengths, out=lengths)
        a *= self.gain
        a /= lengths


class MogrifierStep:
    """The NumPy face of ``Mogrifier``; it does nothing where the layer has none.

    ``2σ(a) = 1 + tanh(½ a)``, with the half folded into the matrix.
    """

    def __init__(self, weights: Weights) -> None:
        self.rounds: list[list[Any]] = []
        while factors := _factors(weights, f"mogrifier.rounds.{len(self.rounds)}."):
            self.rounds.append(factors)

    def __call__(self, x: Floats, h: Floats) -> tuple[Floats, Floats]:
        """``x`` (B,I), ``h`` (B,H) → both, as the cell is to see them."""
        for turn, factors in enumerate(self.rounds):
            if turn % 2:
                h = _opened(factors, x) * h
            else:
                x = _opened(factors, h) * x
        return x, h

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices by what stands for them in products."""
        self.rounds = [[make(factor) for factor in factors] for factors in self.rounds]


class GatedStep:
    """What the three have in common: the products, and the mixing of zoneout.

    Args:
        weights: the layer's.
        options: the cell's.
        order: where each gate is found in torch's order.
        scale: what each gate's input is multiplied by.
    """

    arrays = 1
    """How many the state has."""

    def __init__(self, weights: Weights, options: GatedOptions, order: list[int], scale: list[float]) -> None:
        self.read, self.recall = (Product(weights, name, order, scale) for name in ("ih", "hh"))
        self.mogrifier = MogrifierStep(weights)
        self.size = len(self.recall.matrix)
        self.fresh_h = np.float32(1 - options.zoneout_h)

    def initial_state(self, batch: int) -> State:
        """Zeros, each (B,H): ``(h, c)`` of an LSTM, ``(h,)`` of the others."""
        return tuple(np.zeros((batch, self.size), np.float32) for _ in range(self.arrays))

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → its product (B,G); ``x`` itself where that must wait for the Mogrifier."""
        return x if self.mogrifier.rounds else self.read(x)

    def products(self, projected: Floats, h: Floats) -> tuple[Floats, Floats]:
        """Both products, (B,G); the second is an array of its own."""
        if not self.mogrifier.rounds:
            return projected, self.recall(h)
        x, h = self.mogrifier(projected, h)
        return self.read(x), self.recall(h)

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices by what stands for them in products."""
        self.read.matrix, self.recall.matrix = make(self.read.matrix), make(self.recall.matrix)
        self.mogrifier.quantize(make)


class GatedLSTMStep(GatedStep):
    """``lstm`` with zoneout, layer normalisation and a Mogrifier."""

    arrays = 2

    def __init__(self, weights: Weights, options: LSTMOptions) -> None:
        super().__init__(weights, options, [0, 1, 3, 2], [0.5, 0.5, 0.5, 1.0])  # as in LSTMStep
        self.fresh_c = np.float32(1 - options.zoneout_c)
        self.mean = np.full((self.size, 1), 1 / self.size, np.float32)
        self.shown = Scaling(weights["memory.weight"]) if options.layer_norm else None
        self.offset: Any = weights["memory.bias"] if options.layer_norm else None
        if self.read.bias is not None:  # the products are added, and so are their biases
            self.read.bias, self.recall.bias = self.read.bias + self.recall.bias, None

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """What ``project`` gives and the state → (B,H), state."""
        h, c = state
        read, gates = self.products(projected, h)
        gates += read
        o, memory = remember(gates, c)
        y = np.tanh(self._shown(memory))
        y *= o
        y, c = _zoned(h, y, self.fresh_h), _zoned(c, memory, self.fresh_c)
        return y, (y, c)

    def _shown(self, memory: Floats) -> Floats:
        """What the memory (B,H) shows; it is not written over."""
        if self.shown is None:
            return memory
        shown: Floats = memory - np.dot(memory, self.mean)
        self.shown(shown)
        shown += self.offset
        return shown


class GatedGRUStep(GatedStep):
    """``gru`` with zoneout and layer normalisation."""

    def __init__(self, weights: Weights, options: GRUOptions) -> None:
        super().__init__(weights, options, [0, 1, 2], [0.5, 0.5, 1.0])  # as in GRUStep

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """What ``project`` gives and the state → (B,H), state."""
        (h,) = state
        y = _zoned(h, update(*self.products(projected, h), h), self.fresh_h)
        return y, (y,)


class GatedRNNStep(GatedStep):
    """``rnn`` with zoneout and layer normalisation."""

    def __init__(self, weights: Weights, options: RNNOptions) -> None:
        super().__init__(weights, options, [0], [0.5 if options.activation == "sigmoid" else 1.0])
        self.activation = ACTIVATIONS[options.activation]

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """What ``project`` gives and the state → (B,H), state."""
        (h,) = state
        read, y = self.products(projected, h)
        y += read
        self.activation(y)
        y = _zoned(h, y, self.fresh_h)
        return y, (y,)


def _zoned(old: Floats, new: Floats, share: np.float32) -> Floats:
    """From the old value to the new one by a share of the way, written over ``new``."""
    if share < 1:
        new -= old
        new *= share
        new += old
    return new


def _factors(weights: Weights, prefix: str) -> list[Any]:
    """The matrices of a round, each laid out for a row vector times it; none where there is no such round."""
    names = sorted(name for name in weights if name.startswith(prefix))
    factors = [np.ascontiguousarray(weights[name].T) for name in names]
    if factors:
        factors[-1] = factors[-1] * np.float32(0.5)
    return factors


def _opened(factors: list[Any], x: Floats) -> Floats:
    """``x`` (B,I) through a round's matrices → the factors 2σ(…)."""
    for factor in factors:
        x = np.dot(x, factor)
    opened: Floats = np.tanh(x)
    opened += 1
    return opened
