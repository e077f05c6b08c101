"""Weights in 8 bits, for ``--quantize``: a step that reads a quarter of the bytes takes a third of the time.

NumPy has no product of floats with bytes, so Numba compiles one the first time that it is needed, and keeps
it on disk. Nothing here imports Numba before.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import FeatureStep, Floats, NetworkStep, State, TokenIds, quantizable
from rnngen.errors import PluginError, UnknownName

Bytes: TypeAlias = NDArray[np.int8]

HIGHEST = 127
"""The largest level; −128 would have no counterpart."""


class Int8Matrix:
    """A matrix (I,G) that stands on the right of products, in 8 bits with a scale for each column.

    ::

        W[i,g] ≈ levels[i,g] · scales[g]        the largest of a column is ±127

    ``np.dot(x, matrix)`` and ``x @ matrix`` with x (…,I) give what they give of W, but for
    ``½ · scales[g] · Σ|x|`` at most; x stays in float32. Every row is computed by itself: not a bit of it
    depends on the rows beside it.

    Args:
        weights: W; where it is not a number, neither is what the column gives.

    Raises:
        PluginError: if Numba is not installed.
    """

    __array_ufunc__ = None
    """Tells NumPy to leave ``array @ matrix`` to ``__rmatmul__``."""

    def __init__(self, weights: Floats) -> None:
        self.multiply = _compiled()
        self.scales = np.abs(weights).max(axis=0) / np.float32(HIGHEST)
        with np.errstate(divide="ignore", invalid="ignore"):  # a column of zeros, or of what is no number
            levels = np.nan_to_num(np.rint(weights / self.scales))
        self.levels: Bytes = np.clip(levels, -HIGHEST, HIGHEST).astype(np.int8, order="C")
        self.shape: tuple[int, ...] = self.levels.shape

    def __len__(self) -> int:
        """I."""
        return self.shape[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Compute ``np.dot(x, matrix)`` for NumPy."""
        if function is not np.dot or kwargs or isinstance(args[0], Int8Matrix):
            return NotImplemented
        return self.__rmatmul__(args[0])

    def __rmatmul__(self, x: Floats) -> Floats:
        """``x`` (…,I) → (…,G).

        Raises:
            ValueError: if ``x`` has another size.
        """
        if x.ndim != 2:
            product: Floats = self.__rmatmul__(x.reshape(-1, x.shape[-1]))
            return product.reshape(*x.shape[:-1], -1)
        if x.shape[1] != self.shape[0]:
            raise ValueError(f"rows of {x.shape[1]} do not fit a matrix {self.shape}")
        product = np.empty((len(x), self.shape[1]), np.float32)
        self.multiply(np.ascontiguousarray(x, np.float32), self.levels, self.scales, product)
        return product


FORMATS: dict[str, Callable[[Floats], Any]] = {"int8": Int8Matrix}
"""Formats of a matrix, by the name that --quantize takes."""


def quantize(part: object, form: str) -> None:
    """Put the matrices of a ``rnngen.contracts.Quantizable`` into one of ``FORMATS``, in place.

    Raises:
        UnknownName: if there is no such format.
        UsageError: if the step, or a layer of it, cannot be quantized.
        PluginError: if a package that the format needs is not installed.
    """
    if form not in FORMATS:
        raise UnknownName("format of weights", form, FORMATS)
    for one in quantizable([part]):
        one.quantize(FORMATS[form])


def quantized_step(step: NetworkStep) -> "QuantizedStep":
    """Mark the step of a network whose matrices are quantized, or of several together."""
    return QuantizedFeatureStep(step) if isinstance(step, FeatureStep) else QuantizedStep(step)


class QuantizedStep:
    """The step of a quantized network, which keeps its states apart from those of the full weights."""

    identity = "QuantizedStep"

    def __init__(self, step: NetworkStep) -> None:
        self.step, self.fixed, self.attended = step, step.fixed, step.attended

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        return self.step.start(about)

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state."""
        return self.step(tokens, state)


class QuantizedFeatureStep(QuantizedStep):
    """The step of a quantized network that is a ``rnngen.contracts.FeatureStep``."""

    def __init__(self, step: FeatureStep) -> None:
        super().__init__(step)
        self.features, self.logits, self.feature_size = step.features, step.logits, step.feature_size


@cache
def _compiled() -> Callable[[Floats, Bytes, Floats, Floats], None]:
    """``_multiply`` in machine code.

    Contraction lets it multiply and add at once; the order of the sum stays, so that the bits do.
    """
    try:
        njit: Any = import_module("numba").njit
    except ImportError:
        raise PluginError(
            "weights in 8 bits are multiplied by Numba, which is not installed; pip install 'rnngen[fast]'"
        ) from None
    settings: dict[str, Any] = {"fastmath": {"contract"}, "nogil": True}
    try:
        compiled: Callable[..., None] = njit(cache=True, **settings)(_multiply)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        compiled = njit(**settings)(_multiply)
    return compiled


def _multiply(x: Floats, levels: Bytes, scales: Floats, product: Floats) -> None:
    """``x`` (B,I) times ``levels`` (I,G), each column times its scale, into ``product`` (B,G).

    Eight rows at a time: the sums, which lie in the nearest cache, are then read and written once for them.
    """
    real, (size, width) = np.float32, levels.shape
    whole = size - size % 8
    for b in range(len(x)):
        row, sums = x[b], product[b]
        sums[:] = 0
        for i in range(0, whole, 8):
            x0, x1, x2, x3 = row[i], row[i + 1], row[i + 2], row[i + 3]
            x4, x5, x6, x7 = row[i + 4], row[i + 5], row[i + 6], row[i + 7]
            for g in range(width):
                low = x0 * real(levels[i, g]) + x1 * real(levels[i + 1, g])
                low += x2 * real(levels[i + 2, g]) + x3 * real(levels[i + 3, g])
                high = x4 * real(levels[i + 4, g]) + x5 * real(levels[i + 5, g])
                high += x6 * real(levels[i + 6, g]) + x7 * real(levels[i + 7, g])
                sums[g] += low + high
        for i in range(whole, size):
            for g in range(width):
                sums[g] += row[i] * real(levels[i, g])
        sums *= scales
