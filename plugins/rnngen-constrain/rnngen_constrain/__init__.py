"""Constraints for rnngen: filters that let nothing through but texts of a given form.

This module is what listings import: it names the filters and imports neither llguidance nor NumPy.
"""

from collections.abc import Iterable

from rnngen import hookimpl
from rnngen.contracts import FilterSpec, Flag

from rnngen_constrain import options

WHOLE = ("regex", "choices", "json_schema", "grammar")
"""Those that say what the whole text is; of these one is enough."""


@hookimpl
def rnngen_filters() -> Iterable[FilterSpec]:
    """Bring ``regex``, ``choices``, ``json_schema``, ``grammar`` and ``must_include``."""
    matching = "rnngen_constrain.matching:constrained"
    return [
        FilterSpec(
            name="regex",
            follows_output=True,
            summary="write only what a regular expression matches",
            load=matching,
            options=options.RegexOptions,
            needs_text=True,
            flag=Flag(
                name="regex", metavar="R", help="Write only what matches this regular expression as a whole."
            ),
            rank=0,
            constraint=True,
            excludes=WHOLE,
        ),
        FilterSpec(
            name="choices",
            follows_output=True,
            summary="write one of some texts",
            load=matching,
            options=options.ChoicesOptions,
            needs_text=True,
            flag=Flag(
                name="choices", metavar="FILE", names_file=True, help="Write one of the lines of a file."
            ),
            rank=1,
            constraint=True,
            excludes=WHOLE,
        ),
        FilterSpec(
            name="json_schema",
            follows_output=True,
            summary="write JSON that is valid under a schema",
            load=matching,
            options=options.JSONSchemaOptions,
            needs_text=True,
            flag=Flag(
                name="json-schema",
                metavar="FILE",
                names_file=True,
                help="Write JSON that is valid under a schema.",
            ),
            rank=2,
            constraint=True,
            excludes=WHOLE,
        ),
        FilterSpec(
            name="grammar",
            follows_output=True,
            summary="write only texts of a grammar in Lark's notation",
            load=matching,
            options=options.GrammarOptions,
            needs_text=True,
            flag=Flag(
                name="grammar",
                metavar="FILE",
                names_file=True,
                help="Write only texts of a grammar, a file for Lark.",
            ),
            rank=3,
            constraint=True,
            excludes=WHOLE,
        ),
        FilterSpec(
            name="must_include",
            follows_output=True,
            summary="let no text end that does not hold some words",
            load="rnngen_constrain.inclusion:must_include",
            options=options.InclusionOptions,
            needs_text=True,
            flag=Flag(
                name="must-include",
                metavar="WORD",
                help="Require WORD in the output; several with | between.",
            ),
            rank=4,
            constraint=True,
        ),
    ]
