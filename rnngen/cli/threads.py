"""The number of threads of NumPy: one is best for a single text, whose products are small, all for many.

A second thread gains nothing there, burns a core while it waits and, where other programs want that core,
makes every product wait for it.
"""

import os
import sys

OWN = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that set the number; then it stays."""
SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)
"""Functions of OpenBLAS that set the number, by their names in NumPy's wheels and elsewhere."""
CORE = "numpy._core._multiarray_umath"
"""The part of NumPy that is linked to OpenBLAS."""


def take_one() -> bool:
    """Let NumPy multiply with one thread in this process → whether it does now.

    It does not where the environment sets the number, or NumPy uses another library than OpenBLAS.
    """
    if any(name in os.environ for name in OWN):
        return False
    import ctypes

    file = getattr(sys.modules.get(CORE), "__file__", None)
    if file is None:
        return False
    linked = ctypes.CDLL(file)  # finds what it is linked to as well
    setter = next((found for name in SETTERS if (found := getattr(linked, name, None))), None)
    if setter is None:
        return False
    setter(1)
    return True
