"""The options of the cell ``gru``."""

from dataclasses import dataclass

from rnngen.builtins.cells.options import RegularizedOptions


@dataclass(frozen=True)
class GRUOptions(RegularizedOptions):
    """Options of the cell ``gru``."""
