"""Shared by the NumPy implementations of the cells; ``regularized`` has the equations.

Weights are laid out for a row vector times a matrix (``x @ W``), as BLAS reads them fastest. Sigmoids are
computed as ``σ(a) = ½·tanh(½·a) + ½`` with the inner halves folded into the weights, so that one call of
``tanh`` serves all gates at once.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from rnngen.builtins.cells.options import RegularizedOptions
from rnngen.contracts import CompiledMatrix, Floats, State, Weights, imported

HALF = np.array(0.5, np.float32)
"""An array without axes: NumPy would make one of a scalar at every call, for more than the product takes."""
EPSILON = np.float32(1e-5)
"""Torch's own, of layer normalisation."""


class CellStep:
    """A cell, one token at a time; a subclass adds ``step``.

    ``order`` is the position of each gate in torch's order, ``scale`` the factor of each gate's input.
    """

    arrays = 1
    """Number of arrays in the state."""
    compiled: ClassVar[str]
    """Names ``step`` as one function that Numba compiles, for when its matrices are ``CompiledMatrix``.

    It takes the recurrent projection with ``constants``, the projected input, the state, and arrays for the
    next state.
    """

    def __init__(
        self, weights: Weights, options: RegularizedOptions, order: Sequence[int], scale: Sequence[float]
    ) -> None:
        self.input, self.recurrent = (Projection(weights, name, order, scale) for name in ("ih", "hh"))
        self.mogrifier = Mogrifier(weights)
        self.size = len(self.recurrent.matrix)
        for projection in (self.input, self.recurrent):
            require_shape(projection.bias, len(order) * self.size)
        self.new_h = np.float32(1 - options.zoneout_h)
        self.kernel: Callable[..., None] | None = None

    def initial_state(self, batch: int) -> State:
        """Return zeros, each (B,H): ``(h, c)`` of an LSTM, ``(h,)`` of the others."""
        return tuple(np.zeros((batch, self.size), np.float32) for _ in range(self.arrays))

    def project(self, x: Floats) -> Floats:
        """``x`` (B,I) → its product (B,G); ``x`` itself where that must wait for the Mogrifier."""
        return x if self.mogrifier.rounds else self.input(x)

    def advance(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Take one step: what ``project`` returned and the state → (B,H), state."""
        shape = (len(projected), self.size)
        if any(array.shape != shape for array in state):  # which NumPy might stretch
            raise ValueError(f"the arrays of a state are not {shape}")
        if self.kernel is None:
            return self.step(projected, state)
        state = tuple([np.ascontiguousarray(array, np.float32) for array in state])
        after = tuple([np.empty_like(array) for array in state])
        self.kernel(np.ascontiguousarray(projected, np.float32), state, after)
        return after[0], after

    def step(self, projected: Floats, state: State) -> tuple[Floats, State]:
        """Do the same in NumPy."""
        raise NotImplementedError

    def constants(self) -> tuple[Any, ...]:
        """Return what the compiled function takes beside the recurrent projection."""
        return (self.new_h,)

    def projections(self, projected: Floats, h: Floats) -> tuple[Floats, Floats]:
        """Return the products of input and last output (B,G), from what ``project`` returned.

        The second may be written over.
        """
        if not self.mogrifier.rounds:
            return projected, self.recurrent(h)
        x, h = self.mogrifier(projected, h)
        return self.input(x), self.recurrent(h)

    def merge_biases(self) -> None:
        """Add the biases ahead, of a cell that adds its products."""
        self.input.bias, self.recurrent.bias = self.input.bias + self.recurrent.bias, None

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices."""
        self.input.quantize(make)
        self.recurrent.quantize(make)
        self.mogrifier.quantize(make)
        if self.recurrent.kernel is not None and not self.mogrifier.rounds:
            self.kernel = partial(imported(self.compiled), (self.recurrent.parameters, *self.constants()))


class Projection:
    """A cell's product ``ih`` or ``hh``, (B,·) → (B,G): a matrix, its gain where it is normalised, a bias."""

    def __init__(self, weights: Weights, name: str, order: Sequence[int], scale: Sequence[float]) -> None:
        def columns(kind: str, scale: Sequence[float] = scale) -> Any:
            """A torch weight (gates·H, …), its gates reordered and scaled, transposed."""
            gates = np.split(weights[f"rnn.{kind}_{name}_l0"], len(order))
            factors = zip(order, scale, strict=True)
            return np.ascontiguousarray(np.concatenate([gates[g] * np.float32(by) for g, by in factors]).T)

        self.kernel: Callable[[Floats, Floats], None] | None = None
        self.parameters: Any = None
        self.bias, self.norm = columns("bias"), None
        if f"rnn.gain_{name}_l0" in weights:
            self.norm = CenteredNorm(columns("gain"))
            matrix = columns("weight", [1.0] * len(order))  # normalised as it is; the gain is scaled
            self.matrix = matrix - matrix.mean(axis=1, keepdims=True)  # so that products have the mean 0
            require_shape(self.norm.gain, len(self.bias))
        else:
            self.matrix = columns("weight")
        require_shape(self.bias, self.matrix.shape[1])

    def __call__(self, x: Floats) -> Floats:
        """``x`` (B,I) → a new array (B,G)."""
        if self.kernel is not None:
            x, projected = np.ascontiguousarray(x, np.float32), np.empty((len(x), self.width), np.float32)
            self.kernel(x, projected)
            return projected
        product: Floats = np.dot(x, self.matrix)
        if self.norm:
            self.norm(product)
        if self.bias is not None:
            product += self.bias
        return product

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace the matrix."""
        self.matrix = make(self.matrix)
        if isinstance(self.matrix, CompiledMatrix):
            self.parameters = self.matrix.arrays, self.norm and self.norm.gain, self.bias
            self.width = self.matrix.shape[1]
            self.kernel = partial(imported("rnngen.builtins.cells.compiled:project"), self.parameters)


def require_shape(array: Floats, size: int) -> None:
    """Raise ``ValueError`` at an array that is not (``size``,): NumPy may stretch it, compiled code errs."""
    if array.shape != (size,):
        raise ValueError(f"an array {array.shape}, where ({size},) is expected")


class CenteredNorm:
    """``gain ∘ a / √(mean a² + ε)`` of rows whose mean is 0, written over them."""

    def __init__(self, gain: Floats) -> None:
        self.gain = gain * np.float32(len(gain) ** 0.5)  # (G,), with the √G of the mean
        self.epsilon = np.full((1, 1), EPSILON * len(gain), np.float32)

    def __call__(self, a: Floats) -> None:
        """``a`` (B,G)."""
        lengths = np.einsum("bg,bg->b", a, a)[:, None]
        lengths += self.epsilon
        np.sqrt(lengths, out=lengths)
        a *= self.gain
        a /= lengths


class Mogrifier:
    """Scales input and last output by one another; without rounds it does nothing.

    ``2σ(a) = 1 + tanh(½ a)``, with the half folded into the matrix.
    """

    def __init__(self, weights: Weights) -> None:
        self.rounds: list[list[Any]] = []
        while names := sorted(n for n in weights if n.startswith(f"mogrifier.rounds.{len(self.rounds)}.")):
            factors = [np.ascontiguousarray(weights[name].T) for name in names]
            factors[-1] = factors[-1] * np.float32(0.5)
            self.rounds.append(factors)

    def __call__(self, x: Floats, h: Floats) -> tuple[Floats, Floats]:
        """``x`` (B,I), ``h`` (B,H) → both, scaled."""
        for turn, factors in enumerate(self.rounds):
            if turn % 2:
                h = _opened(factors, x) * h
            else:
                x = _opened(factors, h) * x
        return x, h

    def quantize(self, make: Callable[[Floats], Any]) -> None:
        """Replace all matrices."""
        self.rounds = [[make(factor) for factor in factors] for factors in self.rounds]


def _opened(factors: list[Any], x: Floats) -> Floats:
    """``x`` (B,I) through a round's matrices → the factors 2σ(…)."""
    for factor in factors:
        x = np.dot(x, factor)
    opened: Floats = np.tanh(x)
    opened += 1
    return opened


def zoned(old: Floats, new: Floats, share: np.float32) -> Floats:
    """Go from the old value to the new one by a share of the way, written over ``new``."""
    if share < 1:
        new -= old
        new *= share
        new += old
    return new
