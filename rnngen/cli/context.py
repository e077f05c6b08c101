"""What one run of the program has: its plugins, its filters and strategies, and the Python interface."""

import os
from functools import cached_property
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from rnngen.api import Session
    from rnngen.generation.decoding_choice import DecodingFlags
    from rnngen.registry import Registry

SPINS: Final = "1000"
"""How often torch's threads look for one another before they give way to other processes: with libgomp's own
300,000, two trainings on two cores take 100 s for what each alone does in 4; with this 7, alone still 4."""


class Program:
    """State shared by one run of the program: the root context's ``obj``; see ``registry``.

    Args:
        plugins: True to have what is installed, False to have the built-ins alone.
    """

    reported = False
    """True once the plugins that failed have been named."""

    def __init__(self, *, plugins: bool = True) -> None:
        self.plugins = plugins

    @cached_property
    def registry(self) -> "Registry":
        """The registry of plugins; they are imported at the first access."""
        from rnngen.registry import Registry

        return Registry.discover() if self.plugins else Registry()


def registry(ctx: click.Context | None = None) -> "Registry":
    """Return the registry of this run; the first call imports the plugins, and names failures on stderr."""
    ctx = ctx or click.get_current_context()
    program = ctx.find_root().ensure_object(Program)
    program.registry.names("cell")  # `failures` is complete only after a look-up
    if not (program.reported or ctx.resilient_parsing):
        from rnngen.cli.plugin_commands import report

        program.reported = True
        report(program.registry.failures)
    return program.registry


def decoding(ctx: click.Context | None = None) -> "DecodingFlags":
    """Return what filters and strategies there are."""
    from rnngen.generation.decoding_choice import DecodingFlags

    return DecodingFlags(registry(ctx))


def session(ctx: click.Context | None = None) -> "Session":
    """Return the Python interface with the installed plugins and the user's models."""
    from rnngen.api import Session, models

    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    return Session(registry(ctx), models())
