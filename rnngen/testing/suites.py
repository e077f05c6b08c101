"""One suite for each kind of plugin, so that everything that is installed can be checked in one go."""

from collections.abc import Callable, Sequence
from typing import Any

from rnngen.contracts import (
    AttentionSpec,
    CellSpec,
    CommandSpec,
    FilterSpec,
    ListenerSpec,
    NetworkSpec,
    ReaderSpec,
    Spec,
    StrategySpec,
    TaskSpec,
    TokenizerSpec,
)
from rnngen.testing.attentions import check_attention
from rnngen.testing.cells import check_cell
from rnngen.testing.filters import check_filter
from rnngen.testing.listeners import check_command, check_listener
from rnngen.testing.networks import check_network
from rnngen.testing.readers import check_reader
from rnngen.testing.strategies import check_strategy
from rnngen.testing.tasks import check_task
from rnngen.testing.tokenizers import check_hash_seed, check_tokenizer

SUITES: dict[type[Spec], Callable[..., None]] = {
    AttentionSpec: check_attention,
    CellSpec: check_cell,
    CommandSpec: check_command,
    FilterSpec: check_filter,
    ListenerSpec: check_listener,
    ReaderSpec: check_reader,
    StrategySpec: check_strategy,
    TaskSpec: check_task,
}


def check(spec: Spec, parts: Sequence[Spec] = (), **options: str) -> None:
    """Check anything that a hook returns by the suite of its kind.

    Args:
        spec: of the thing.
        parts: the cells and attentions that a whole network may be made of.
        options: as a user would type them.

    Raises:
        AssertionError: with a sentence that names the broken promise.
        UsageError: if the thing refuses these options, or needs some.
    """
    if isinstance(spec, NetworkSpec):
        network: Any = check_network
        network(spec, *parts, **options)
        return
    if isinstance(spec, TokenizerSpec):
        check_tokenizer(spec, **options)
        check_hash_seed(spec, **options)
        return
    suite: Any = SUITES[type(spec)]
    suite(spec, **options)
