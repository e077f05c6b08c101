"""Settings of the C library's allocator, so that training keeps its memory between steps.

Each step needs the same tens of MiB again. The C library gives large blocks back to the system as soon as
they are free and then asks for new ones, which come as pages of zeros, one fault a page: on two cores that
was a third of an LSTM's step.
"""

import ctypes
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
"""The names of ``mallopt``'s parameters (mallopt(3))."""
KEPT = {MMAP_MAX: 0, TRIM_THRESHOLD: 2**31 - 1}
"""No block is a mapping of its own, and none is given back."""
USUAL = {MMAP_MAX: 65536, MMAP_THRESHOLD: 1 << 25, TRIM_THRESHOLD: 1 << 26}
"""The values that glibc's dynamic thresholds reach in a program with large blocks; setting one ends that."""

_lock, _users = threading.Lock(), 0


@contextmanager
def kept_memory() -> Iterator[None]:
    """Let this process keep what it frees until the last user of this is done, and give it back then.

    Without glibc nothing happens.
    """
    global _users  # noqa: PLW0603  # the allocator is one for the process, too
    with _lock:
        _users += 1
        if _users == 1:
            _set(KEPT)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _set(USUAL)


def _set(parameters: dict[int, int]) -> None:
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    for parameter, value in parameters.items():
        library.mallopt(parameter, value)
    if parameters is USUAL:
        library.malloc_trim(0)
