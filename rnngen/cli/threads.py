"""How many threads multiply for NumPy: one is best for one text, whose products are small, all for many.

A second thread gains nothing there, burns a core while it waits and, where other programs want that core,
makes every product wait for it.
"""

import os
import sys

OWN = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What a person may have set; then that holds."""
SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)
"""What sets it after OpenBLAS is loaded, by the names that it has in NumPy's wheels and elsewhere."""
CORE = "numpy._core._multiarray_umath"
"""The part of NumPy that is linked to it."""


def take_one() -> bool:
    """Let NumPy multiply with one thread, from now on and in this process → whether that is so now.

    It is not where the environment asks for another number, or another library than OpenBLAS multiplies.
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
