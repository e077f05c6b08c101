"""Constraints for rnngen: filters that let nothing through but texts of a given form.

This module is what listings import: it names the filters and imports neither llguidance nor NumPy.
"""

from collections.abc import Iterable

from rnngen import hookimpl
from rnngen.contracts import FilterSpec

from rnngen_constrain import options as o


@hookimpl
def rnngen_filters() -> Iterable[FilterSpec]:
    """Bring ``regex``, ``choices``, ``json_schema``, ``grammar`` and ``must_include``."""
    matching = "rnngen_constrain.matching:constrained"
    return [
        FilterSpec(
            name="regex",
            summary="write only what a regular expression matches",
            load=matching,
            options=o.RegexOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="choices",
            summary="write one of some texts",
            load=matching,
            options=o.ChoicesOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="json_schema",
            summary="write JSON that is valid under a schema",
            load=matching,
            options=o.JSONSchemaOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="grammar",
            summary="write only texts of a grammar in Lark's notation",
            load=matching,
            options=o.GrammarOptions,
            needs_text=True,
        ),
        FilterSpec(
            name="must_include",
            summary="let no text end that does not hold some words",
            load="rnngen_constrain.inclusion:must_include",
            options=o.InclusionOptions,
            needs_text=True,
        ),
    ]
