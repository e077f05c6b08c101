"""rnngen: train recurrent text generators on your own text, and run them in the shell or from Python.

::

    import rnngen

    model = rnngen.load("corpus")
    print(model.generate("ROMEO:", temperature=0.8))

Importing this package imports nothing heavy; ``rnngen.api`` documents what there is. A plugin needs two names
from here: ``hookimpl``, and whichever specs it returns from ``rnngen.contracts``.
"""

from typing import TYPE_CHECKING, Any

from rnngen.version import __version__

if TYPE_CHECKING:
    from rnngen.api import Model, Session, load, train
    from rnngen.hookspecs import hookimpl

__all__ = ["Model", "Session", "__version__", "hookimpl", "load", "train"]


def __getattr__(name: str) -> Any:
    """Load a name when it is first asked for, so that ``import rnngen`` stays light."""
    if name == "hookimpl":
        from rnngen.hookspecs import hookimpl

        return hookimpl
    if name in __all__:
        from rnngen import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
