"""Options: small frozen dataclasses, one a stage, and what reads, describes and builds them."""

from rnngen.options.checks import require, require_range
from rnngen.options.schema import (
    SEARCH,
    NoOptions,
    OneOf,
    Option,
    Range,
    build,
    construct,
    describe,
    divide,
    unescape,
)

__all__ = [
    "SEARCH",
    "NoOptions",
    "OneOf",
    "Option",
    "Range",
    "build",
    "construct",
    "describe",
    "divide",
    "require",
    "require_range",
    "unescape",
]
