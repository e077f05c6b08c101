"""rnngen: train recurrent text generators on your own text, and run them in the shell.

Importing this package imports nothing heavy. ``load`` and ``Session`` are the Python interface
(``rnngen.api``); a plugin needs ``hookimpl``, and whichever specs it returns from ``rnngen.contracts``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rnngen.api import Session, load
    from rnngen.hookspecs import hookimpl

__all__ = ["Session", "__version__", "hookimpl", "load"]
__version__ = "0.1.0"

_HOMES = {"Session": "rnngen.api", "hookimpl": "rnngen.hookspecs", "load": "rnngen.api"}


def __getattr__(name: str) -> Any:
    """Import a name when it is first asked for, so that ``import rnngen`` alone stays light."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
