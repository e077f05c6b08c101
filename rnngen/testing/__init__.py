"""Conformance suites for plugin authors, and for the built-ins: one call in one test holds a contract."""

from rnngen.testing.attentions import check_attention
from rnngen.testing.cells import check_cell
from rnngen.testing.networks import check_network
from rnngen.testing.strategies import check_strategy
from rnngen.testing.tasks import check_task
from rnngen.testing.tokenizers import check_tokenizer

__all__ = [
    "check_attention",
    "check_cell",
    "check_network",
    "check_strategy",
    "check_task",
    "check_tokenizer",
]
