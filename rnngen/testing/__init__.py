"""Conformance suites for plugin authors, and for the built-ins: one call in one test checks a contract.

::

    from rnngen.testing import check_cell

    def test_conformance():
        check_cell(spec, forget_bias="0")

Each takes a spec, as a hook returns it, and option values as a user would type them, else defaults. It raises
``AssertionError`` with a sentence that names the broken promise, and by how much.
"""

from rnngen.testing.attentions import check_attention
from rnngen.testing.cells import check_cell
from rnngen.testing.checks import light as check_light
from rnngen.testing.filters import check_filter
from rnngen.testing.listeners import check_command, check_listener
from rnngen.testing.networks import check_network
from rnngen.testing.readers import check_reader
from rnngen.testing.strategies import check_strategy
from rnngen.testing.tasks import check_task
from rnngen.testing.tokenizers import check_tokenizer

__all__ = [
    "check_attention",
    "check_cell",
    "check_command",
    "check_filter",
    "check_light",
    "check_listener",
    "check_network",
    "check_reader",
    "check_strategy",
    "check_task",
    "check_tokenizer",
]
