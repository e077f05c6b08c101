"""Matrices in 8 or 16 bits that stand on the right of products, in ``FORMATS``.

NumPy has no product of floats with such numbers, so Numba compiles one the first time that it is needed, and
keeps it on disk (``rnngen.compiled``). Nothing here imports Numba before.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

HIGHEST = 127
"""The largest level; −128 would have no counterpart."""
LANES = 64
"""Columns of a block (``rnngen.compiled.LANES``)."""


@cache
def has_numba() -> bool:
    """Return whether Numba is installed, which compiles what ``rnngen.compiled`` and kernels need."""
    return find_spec("numba") is not None


class QuantizedMatrix:
    """A matrix (I,G) that stands on the right of products: a ``rnngen.contracts.CompiledMatrix``.

    It takes ``np.dot(x, matrix)`` and ``x @ matrix`` with x (…,I), which stays in float32. Every row is
    computed by itself: not a bit of it depends on the rows beside it.

    Args:
        shape: (I,G).
        arrays: what ``rnngen.compiled.multiply`` takes.

    Raises:
        PluginError: if Numba is not installed.
    """

    __array_ufunc__ = None
    """Tells NumPy to leave ``array @ matrix`` to ``__rmatmul__``."""

    def __init__(self, shape: tuple[int, ...], arrays: tuple[Any, ...]) -> None:
        self.multiply = import_module("rnngen.compiled").multiply_rows
        self.shape, self.arrays = shape, arrays

    def __len__(self) -> int:
        """I."""
        return self.shape[0]

    @property
    def weights(self) -> Floats:
        """The matrix that it stands for (I,G)."""
        raise NotImplementedError

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Compute ``np.dot(x, matrix)`` for NumPy."""
        if function is not np.dot or kwargs or isinstance(args[0], QuantizedMatrix):
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
        rows = np.empty((len(x), self.shape[1]), np.float32)
        self.multiply(np.ascontiguousarray(x, np.float32), self.arrays, rows)
        return rows


class Int8Matrix(QuantizedMatrix):
    """A matrix in 8 bits with a scale for each column.

    ::

        W[i,g] ≈ levels[i,g] · scales[g]        the largest of a column is ±127

    In memory, columns are in blocks, and two rows beside one another (``rnngen.compiled.add_products``).

    A product with x is off by ``½ · scales[g] · Σ|x|`` at most, and by what the rounding of x adds: it has
    2¹⁵ levels, or fewer from I = 517 on. Where W is not a number, neither is what its column gives.
    """

    def __init__(self, weights: Floats) -> None:
        size, width = weights.shape
        self.scales = np.abs(weights).max(axis=0) / np.float32(HIGHEST)
        with np.errstate(divide="ignore", invalid="ignore"):  # a column of zeros, or of what is no number
            levels = np.nan_to_num(np.rint(weights / self.scales))
        whole = np.zeros((-(-size // 2) * 2, -(-width // LANES) * LANES), np.int8)
        whole[:size, :width] = np.clip(levels, -HIGHEST, HIGHEST)
        blocks = whole.reshape(-1, 2, whole.shape[1] // LANES, LANES).transpose(2, 0, 3, 1)
        self.blocks = np.ascontiguousarray(blocks.reshape(len(blocks), -1, 2 * LANES))
        super().__init__(weights.shape, (self.blocks, self.scales))

    @property
    def weights(self) -> Floats:
        """The matrix that it stands for (I,G)."""
        size, width = self.shape
        blocks = self.blocks.reshape(*self.blocks.shape[:2], LANES, 2).transpose(1, 3, 0, 2)
        levels = blocks.reshape(2 * self.blocks.shape[1], -1)[:size, :width]
        matrix: Floats = levels * self.scales
        return matrix


class BFloat16Matrix(QuantizedMatrix):
    """A matrix in bf16, the upper half of float32's bits, rounded to the nearest.

    ::

        pairs[p,g] = │ W[2p+1,g] │ W[2p,g] │        two rows in a word; a last row without another has 0

    A product with x is off by ``2⁻⁹ · Σ|x·W|`` at most.
    """

    def __init__(self, weights: Floats) -> None:
        size, width = weights.shape
        words = np.zeros((size + size % 2, width), np.uint32)
        words[:size] = _rounded(np.ascontiguousarray(weights, np.float32))
        self.pairs = words[0::2] | (words[1::2] << np.uint32(16))
        super().__init__(weights.shape, (self.pairs,))

    @property
    def weights(self) -> Floats:
        """The matrix that it stands for (I,G)."""
        rows = np.empty((2 * len(self.pairs), self.shape[1]), np.uint32)
        rows[0::2], rows[1::2] = self.pairs << np.uint32(16), self.pairs & np.uint32(0xFFFF0000)
        return rows[: self.shape[0]].view(np.float32)


def _rounded(weights: Floats) -> NDArray[np.uint32]:
    """The bf16 numbers nearest to float32 numbers, of two the even one; NaN stays NaN."""
    bits = weights.view(np.uint32)
    half = np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    upper: NDArray[np.uint32] = (bits + half) >> np.uint32(16)
    return np.where(np.isnan(weights), np.uint32(0x7FC0), upper)


FORMATS: dict[str, Callable[[Floats], Any]] = {"int8": Int8Matrix, "bf16": BFloat16Matrix}
"""Formats of a matrix, by the name that --quantize takes."""
