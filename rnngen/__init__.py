"""rnngen: train recurrent text generators on your own text, and run them in the shell.

Importing this package imports nothing heavy. A plugin needs two names from here: ``hookimpl``, and
whichever specs it returns from ``rnngen.contracts``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnngen.hookspecs import hookimpl

__all__ = ["__version__", "hookimpl"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Load ``hookimpl`` when it is first asked for, so that ``import rnngen`` need not import pluggy."""
    if name == "hookimpl":
        from rnngen.hookspecs import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
