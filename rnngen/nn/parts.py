"""Batches that are computed in parts, one after another: in more of them where memory does not suffice.

::

    32 rows ─▸ no memory ─▸ 16 + 16 ─▸ no memory ─▸ 8 + 8 + 8 + 8 ─▸ the sum; the next batch has 4 parts
"""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

from rnngen.errors import DeviceError, out_of_memory

T = TypeVar("T")


class Parts:
    """The parts of batches, each of which is some of their rows.

    Args:
        count: how many there are; doubled each time that memory does not suffice.
        mend: what a user can do where it does not for a single row, as in ``give a smaller `seq```.
    """

    def __init__(self, count: int, mend: str) -> None:
        self.count, self.mend = count, mend

    def run(self, work: Callable[[list[slice]], T], rows: int, device: torch.device) -> T:
        """Return what ``work`` makes of a batch's parts; it is called again where memory did not suffice.

        Each call draws the same random numbers.

        Raises:
            DeviceError: if memory does not suffice for a single row.
        """
        while True:
            parts = cut(rows, self.count)
            drawn = torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None
            try:
                return work(parts)
            except (MemoryError, RuntimeError) as error:
                if (lack := out_of_memory(error)) is None:
                    raise
            self._halve(len(parts), rows, lack)
            torch.set_rng_state(drawn[0])
            gc.collect()  # what the error's frames held is gone by now, save for cycles
            if drawn[1] is not None:
                torch.cuda.set_rng_state(drawn[1], device)
                torch.cuda.empty_cache()

    def _halve(self, parts: int, rows: int, lack: str) -> None:
        if parts == rows:
            raise DeviceError(f"there is not enough memory for a single row of a batch ({lack}); {self.mend}")
        self.count = 2 * parts


def cut(rows: int, count: int) -> list[slice]:
    """Cut rows into ``count`` parts, or fewer, of which none is empty."""
    count = min(rows, count)
    return [slice(rows * i // count, rows * (i + 1) // count) for i in range(count)]
