"""Filters one after another, with the memory of those that have one."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import AnyFilter, Filter, Floats, State, StatefulFilter, TokenIds

History = Sequence[Sequence[int]]


class Chain:
    """A chain of filters, itself one: its state is those of its links, in a row.

    ::

        logits ─▸ link ─▸ link ─▸ link ─▸ what tokens are chosen from
                            ▴ state ▴ ─── observe ◂─── tokens, surprisal

    Args:
        filters: the links, in the order in which they apply.
    """

    def __init__(self, filters: Sequence[AnyFilter] = ()) -> None:
        self.links = [one if isinstance(one, StatefulFilter) else _Forgetful(one) for one in filters]
        sizes = [len(link.initial(np.zeros(1, np.int64))) for link in self.links]
        ends = np.cumsum(sizes).tolist()
        self.spans = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.remembers = any(sizes)
        """Whether anything has to be observed."""

    def initial(self, seeds: TokenIds) -> State:
        """The state before the first token; each link has coins of its own."""
        return tuple(array for place, link in enumerate(self.links) for array in link.initial(seeds + place))

    def __call__(self, logits: Floats, history: History, state: State = ()) -> Floats:
        """Pass logits (B,V) through the chain."""
        for link, span in zip(self.links, self.spans, strict=True):
            logits = link(logits, history, state[span])
        return logits

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:
        """The state after these tokens (B,), each of a surprise in nats."""
        after = (
            link.observe(tokens, surprisal, state[span])
            for link, span in zip(self.links, self.spans, strict=True)
        )
        return tuple(array for arrays in after for array in arrays)


class _Forgetful:
    """A pure filter, as one whose state is empty."""

    def __init__(self, keep: Filter) -> None:
        self.keep = keep

    def initial(self, seeds: TokenIds) -> State:  # noqa: ARG002
        return ()

    def __call__(self, logits: Floats, history: History, state: State) -> Floats:  # noqa: ARG002
        return self.keep(logits, history)

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:  # noqa: ARG002
        return state
