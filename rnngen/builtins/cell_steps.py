r"""The classical recurrent layers, the face that generates: one token at a time, NumPy alone.

Each class holds the weights once, laid out for a row vector times a matrix (``x @ W``), as BLAS reads them
fastest. Sigmoids are computed as ``σ(a) = ½·tanh(½·a) + ½`` with the halves folded into the weights, so
that one call of ``tanh`` serves all gates at once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rnngen.builtins.cell_options import GRUOptions, LSTMOptions, RNNOptions
from rnngen.contracts import Floats, State, Weights


def columns(weights: Weights, name: str, order: list[int], scale: list[float]) -> Floats:
    """A torch weight (gates·H, …), its gates reordered and scaled, transposed to multiply from the right."""
    gates = np.split(weights[name], len(order))
    stacked = np.concatenate(
        [gates[gate] * np.float32(factor) for gate, factor in zip(order, scale, strict=True)]
    )
    return np.ascontiguousarray(stacked.T)


class _Products:
    """What all have: a matrix for what comes in, and one for what was."""

    input: Floats
    recurrent: Floats

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace both matrices by what stands for them in products."""
        self.input, self.recurrent = make(self.input), make(self.recurrent)


class LSTMStep(_Products):
    r"""Long short-term memory (Hochreiter and Schmidhuber 1997), with the forget gate of Gers et al. (2000).

    ::

        i = σ(W_i x + U_i h + b_i)        input gate
        f = σ(W_f x + U_f h + b_f)        forget gate
        o = σ(W_o x + U_o h + b_o)        output gate
        g = tanh(W_g x + U_g h + b_g)     candidate
        c' = f ∘ c + i ∘ g
        h' = o ∘ tanh(c')
    """

    def __init__(self, weights: Weights, options: LSTMOptions) -> None:  # noqa: ARG002
        order, scale = [0, 1, 3, 2], [0.5, 0.5, 0.5, 1.0]  # torch's i f g o → i f o g, sigmoids halved
        self.input = columns(weights, "rnn.weight_ih_l0", order, scale)  # (I,4H)
        self.recurrent = columns(weights, "rnn.weight_hh_l0", order, scale)  # (H,4H)
        self.bias = columns(weights, "rnn.bias_ih_l0", order, scale) + columns(
            weights, "rnn.bias_hh_l0", order, scale
        )
        self.size = len(self.recurrent)

    def initial_state(self, batch: int) -> State:
        """Zeros: ``(h, c)``, each (B,H)."""
        return np.zeros((batch, self.size), np.float32), np.zeros((batch, self.size), np.float32)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → gate inputs (B,4H)."""
        return _affine(x, self.input, self.bias)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Gate inputs (B,4H), state → (B,H), state."""
        h, c = state
        gates = np.dot(h, self.recurrent)
        gates += projected
        o, c = remember(gates, c)
        h = np.tanh(c)
        h *= o
        return h, (h, c)


class GRUStep(_Products):
    r"""Gated recurrent unit (Cho et al. 2014), in the form of cuDNN and torch, reset after the product.

    ::

        r = σ(W_r x + U_r h + b_r)                reset gate
        z = σ(W_z x + U_z h + b_z)                update gate
        n = tanh(W_n x + b_n + r ∘ (U_n h + d_n)) candidate
        h' = (1 − z) ∘ n + z ∘ h
    """

    def __init__(self, weights: Weights, options: GRUOptions) -> None:  # noqa: ARG002
        order, scale = [0, 1, 2], [0.5, 0.5, 1.0]  # r z n, sigmoids halved
        self.input = columns(weights, "rnn.weight_ih_l0", order, scale)  # (I,3H)
        self.recurrent = columns(weights, "rnn.weight_hh_l0", order, scale)  # (H,3H)
        self.input_bias = columns(weights, "rnn.bias_ih_l0", order, scale)
        self.recurrent_bias = columns(weights, "rnn.bias_hh_l0", order, scale)
        self.size = len(self.recurrent)

    def initial_state(self, batch: int) -> State:
        """Zeros: ``(h,)`` of (B,H)."""
        return (np.zeros((batch, self.size), np.float32),)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → gate inputs (B,3H)."""
        return _affine(x, self.input, self.input_bias)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Gate inputs (B,3H), state → (B,H), state."""
        (h,) = state
        recurrent = np.dot(h, self.recurrent)
        recurrent += self.recurrent_bias
        h = update(projected, recurrent, h)
        return h, (h,)


class RNNStep(_Products):
    r"""Simple recurrent network (Elman 1990): ``h' = φ(W x + U h + b)`` with φ tanh, relu or sigmoid."""

    def __init__(self, weights: Weights, options: RNNOptions) -> None:
        self.activation = ACTIVATIONS[options.activation]
        scale = [0.5 if options.activation == "sigmoid" else 1.0]
        self.input = columns(weights, "rnn.weight_ih_l0", [0], scale)  # (I,H)
        self.recurrent = columns(weights, "rnn.weight_hh_l0", [0], scale)  # (H,H)
        self.bias = columns(weights, "rnn.bias_ih_l0", [0], scale) + columns(
            weights, "rnn.bias_hh_l0", [0], scale
        )

    def initial_state(self, batch: int) -> State:
        """Zeros: ``(h,)`` of (B,H)."""
        return (np.zeros((batch, len(self.recurrent)), np.float32),)

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → (B,H)."""
        return _affine(x, self.input, self.bias)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """(B,H), state → (B,H), state."""
        h = np.dot(state[0], self.recurrent)
        h += projected
        self.activation(h)
        return h, (h,)


def remember(gates: Floats, c: Floats) -> tuple[Floats, Floats]:
    """What an LSTM does with its gates' inputs (B,4H), i f o g, sigmoids halved: output gate and memory.

    The inputs are written over; ``c`` (B,H) is not.
    """
    size = c.shape[1]
    np.tanh(gates, out=gates)
    i, f, o, g = gates[:, :size], gates[:, size : 2 * size], gates[:, 2 * size : -size], gates[:, -size:]
    sigmoids = gates[:, :-size]
    sigmoids *= _HALF
    sigmoids += _HALF
    c = f * c
    i *= g
    c += i
    return o, c


def update(projected: Floats, recurrent: Floats, h: Floats) -> Floats:
    """What a GRU does with its two products (B,3H), r z n, sigmoids halved: the next output.

    ``recurrent`` is written over; the others are not.
    """
    size = h.shape[1]
    gates = recurrent[:, :-size]
    gates += projected[:, :-size]
    np.tanh(gates, out=gates)
    gates *= _HALF
    gates += _HALF
    r, z = gates[:, :size], gates[:, size:]
    n = recurrent[:, -size:]
    n *= r
    n += projected[:, -size:]
    np.tanh(n, out=n)
    h = h - n
    h *= z
    h += n  # n + z ∘ (h − n)
    return h


_HALF = np.array(0.5, np.float32)
"""An array without axes: NumPy would make one of a scalar at every call, for more than the product takes."""


def _affine(x: Floats, matrix: Floats, bias: Floats) -> Floats:
    """``x`` (B,I) times a matrix (I,G), plus a bias (G,), with one array made instead of two."""
    product: Floats = np.dot(x, matrix)
    product += bias
    return product


def _tanh(a: Floats) -> None:
    np.tanh(a, out=a)


def _relu(a: Floats) -> None:
    np.maximum(a, np.float32(0), out=a)


def _halved_sigmoid(a: Floats) -> None:
    """σ of twice the argument, whose halving is in the weights."""
    np.tanh(a, out=a)
    a *= _HALF
    a += _HALF


ACTIVATIONS = {"tanh": _tanh, "relu": _relu, "sigmoid": _halved_sigmoid}
