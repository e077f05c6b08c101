"""Kernels of the cells, run by torch's own threads on torch's arrays.

A second pool of threads beside that of torch would wait for its work on the same cores, and take them from
one another. GNU's OpenMP, and LLVM's where it has its entry points, runs any function in the pool that torch
uses; where there is none of them, the calling thread works alone.
"""

import ctypes
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from rnngen.contracts import imported
from rnngen.matrices import has_numba

ROWS_A_CHUNK = 4
"""Fewest rows of the batch that are worth a thread's while."""
TYPES = {torch.bfloat16: "bf16", torch.float32: "fp32"}


def use_kernels(low: torch.dtype, wide: torch.dtype) -> bool:
    """Return whether there are kernels for products and states of these types; none where torch traces."""
    return low in TYPES and wide == torch.float32 and has_numba() and not torch.compiler.is_compiling()


class Steps:
    """Calls a kernel step by step.

    Args:
        kernel: names the kernel, ``package.module:name``.
        low: the type of products.
        sizes: T, B, H, the number of chunks, and the kind of nonlinearity.
        arrays: what the kernel reads and writes beside what each step has, all contiguous.
    """

    def __init__(
        self, kernel: str, low: torch.dtype, sizes: tuple[int, ...], arrays: Sequence[Tensor]
    ) -> None:
        self._arrays = arrays  # alive for as long as their addresses are
        addresses = [array.data_ptr() for array in arrays]
        slots = (0, 0, *sizes, 0, 0, *addresses)
        self._slots = (ctypes.c_int64 * len(slots))(*slots)
        self._first = 2 + len(sizes)
        address = ctypes.c_void_p(ctypes.addressof(self._slots))
        parallel, chunks, code = _parallel(), sizes[3], _native(kernel, TYPES[low]).address
        self._call: Callable[..., object]
        self._given: tuple[object, ...]
        if chunks > 1 and parallel is not None:
            self._call = parallel
            self._given = ctypes.c_void_p(code), address, ctypes.c_uint(chunks), ctypes.c_uint(0)
        else:
            self._call, self._given = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code), (address,)

    def __call__(self, step: int, *arrays: Tensor) -> None:
        """Work on all rows of a step: t, and its own two arrays, the first ones of the kernel's."""
        slots, first = self._slots, self._first
        slots[0], slots[1] = 0, step
        slots[first], slots[first + 1] = arrays[0].data_ptr(), arrays[1].data_ptr()
        self._call(*self._given)


def chunks_of(batch: int) -> int:
    """Return the number of shares of a batch: of as many threads as torch has, of no fewer rows than pays."""
    return max(1, min(torch.get_num_threads(), batch // ROWS_A_CHUNK))


@cache
def _native(kernel: str, kind: str) -> Any:
    function = imported(kernel)
    pointers = import_module("rnngen.builtins.cells.kernels").POINTERS
    return import_module("rnngen.compiled").native(function.py_func, pointers[kind])


@cache
def _parallel() -> Any:
    """Find the function that runs another in the threads of the OpenMP that torch has loaded."""
    try:
        return ctypes.CDLL(None).GOMP_parallel
    except (OSError, AttributeError):
        return None
