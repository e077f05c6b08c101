"""One run of the program: its plugins, the Python interface, the models that it loads, and its threads."""

import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from rnngen.cli.render import console
from rnngen.discovery import Selection, strict, untrusted
from rnngen.errors import PluginError

if TYPE_CHECKING:
    from rnngen.api import Model, Session
    from rnngen.registry import Registry

SPINS: Final = "1000"
"""Number of times that torch's threads look for one another before they give way to other processes: with
libgomp's own 300,000, two trainings on two cores take 100 s for what each alone does in 4; with this 7, and
alone still 4."""
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Environment variables that set the number of NumPy's threads; then it stays."""
SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)
"""Functions of OpenBLAS that set the number, by their names in NumPy's wheels and elsewhere."""
CORE = "numpy._core._multiarray_umath"
"""The part of NumPy that is linked to OpenBLAS."""


@dataclass(kw_only=True)
class Program:
    """State shared by one run of the program: the root context's ``obj``; see ``registry``."""

    selection: Selection = field(default_factory=Selection)
    """The plugins that count, beside what the environment says."""
    reported: bool = False
    """True once the plugins that failed have been named."""

    @cached_property
    def registry(self) -> "Registry":
        """The registry of plugins."""
        from rnngen.registry import Registry

        return Registry.discover(self.selection)


def selection(ctx: click.Context | None = None) -> Selection:
    """Return the plugins that the flags of ``rnngen`` itself let count."""
    ctx = ctx or click.get_current_context(silent=True)
    return ctx.find_root().ensure_object(Program).selection if ctx else Selection()


def plugin_flags(ctx: click.Context) -> list[str]:
    """Return the flags of ``rnngen`` itself as they were given, for another process."""
    params = ctx.find_root().params
    chosen = [word for name in params.get("plugin", ()) for word in ("-p", name)]
    return [*chosen, *["--no-plugins"] * params.get("no_plugins", False)]


def registry(ctx: click.Context | None = None) -> "Registry":
    """Return the registry of this run; the first call names plugins that fail on stderr.

    Raises:
        UnknownName: if a plugin is chosen, or left out, that there is not.
        PluginError: if one fails, and RNNGEN_PLUGINS_STRICT is set.
    """
    ctx = ctx or click.get_current_context()
    program = ctx.find_root().ensure_object(Program)
    if not (program.reported or ctx.resilient_parsing):
        from rnngen.cli.plugin_commands import report
        from rnngen.registry import broken

        program.reported = True
        program.registry.check_selection()
        failures = program.registry.failures
        if failures and strict():
            raise PluginError(broken(failures[0]))
        report(failures)
        if waiting := untrusted():
            console.note(
                f"{waiting[0].relative_to(Path.cwd())} is not loaded, since a folder may come from anybody; "
                "'rnngen plugins trust' loads the plugins of this one"
            )
    return program.registry


def session(ctx: click.Context | None = None) -> "Session":
    """Return the Python interface with the installed plugins and the user's models."""
    from rnngen.api import Session, models

    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    return Session(registry(ctx), models())


def load(here: "Session", names: Iterable[str | None], device: str, *, quiet: bool = False) -> "Model":
    """Load models as one; where none is named, the one trained last, and name it on stderr."""
    from rnngen.generation.loading import LoadOptions

    asked = [name for name in names if name is not None]
    model = here.load(*asked, options=LoadOptions(device))
    if not (asked or quiet):
        console.note(f"model {model.name}")
    return model


def take_one_thread() -> bool:
    """Let NumPy multiply with one thread in this process → whether it does now.

    One is best for a single text, whose products are small: a second thread gains nothing there, burns a core
    while it waits and, where other programs want that core, makes every product wait for it. Nothing is done
    where the environment sets the number, or NumPy uses another library than OpenBLAS.
    """
    import ctypes

    file = getattr(sys.modules.get(CORE), "__file__", None)
    if file is None or any(name in os.environ for name in THREADS):
        return False
    linked = ctypes.CDLL(file)  # finds what it is linked to as well
    setter = next((found for name in SETTERS if (found := getattr(linked, name, None))), None)
    if setter:
        setter(1)
    return setter is not None
