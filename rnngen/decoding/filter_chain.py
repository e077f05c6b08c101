"""Filters one after another, with the state of those that have one."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import (
    AnyFilter,
    Filter,
    Floats,
    PromptedFilter,
    State,
    StatefulFilter,
    TextConstraint,
    TokenIds,
)
from rnngen.errors import PluginError

Histories = Sequence[Sequence[int]]


MOST_SEED = (1 << 63) - 1
"""The largest seed, after which they begin at 0 again."""


def constraints_of(filters: Iterable[object]) -> list[TextConstraint]:
    """Return those of some filters that say what a whole text has to be."""
    return [one for one in filters if isinstance(one, TextConstraint)]


def unmet(constraints: Iterable[TextConstraint], tokens: Sequence[int]) -> str | None:
    """Return what a text of these tokens lacks that constraints ask for, or None if it lacks nothing."""
    return next((clause for one in constraints if (clause := one.unmet(tokens))), None)


class FilterChain:
    """A chain of filters, itself one: its state is those of its filters, in a row.

    ::

        logits ─▸ filter ─▸ filter ─▸ filter ─▸ the distribution that tokens are chosen from
                              ▴ state ▴ ─── observe ◂─── tokens, surprisal
    """

    def __init__(self, filters: Sequence[AnyFilter] = ()) -> None:
        self.constraints = constraints_of(filters)
        """Those that say what a whole text has to be."""
        self._of_text = [isinstance(one, TextConstraint) for one in filters]
        self.filters = [
            one if isinstance(one, StatefulFilter) else _Stateless(one) for one in map(_watched, filters)
        ]
        sizes = [len(one.initial(np.zeros(1, np.int64))) for one in self.filters]
        ends = np.cumsum(sizes).tolist()
        spans = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self.parts = list(zip(self.filters, spans, strict=True))
        self.stateful = any(sizes)
        """True if any filter has to observe tokens."""
        self.lookback = _farthest(getattr(one, "lookback", None) for one in filters)
        """The number of latest tokens that the filters look at; None for all."""

    def initial(self, seeds: TokenIds, histories: Histories | None = None) -> State:
        """Return the state before the first token that is drawn, after prompts where these are there.

        Each filter has random numbers of its own.
        """
        made = (_begun(one, (seeds + place) & MOST_SEED, histories) for place, one in enumerate(self.filters))
        return tuple(array for arrays in made for array in arrays)

    @property
    def tosses_coins(self) -> bool:
        """True if what the chain does depends on a seed."""
        one, other = (self.initial(np.array([seed], np.int64)) for seed in (0, 1))
        return any(not np.array_equal(*pair) for pair in zip(one, other, strict=True))

    def next_text(self, state: State, histories: Histories) -> State:
        """Return the state where another text begins after these: constraints begin anew, others go on."""
        begun = self.initial(np.zeros(len(histories), np.int64), histories)
        kept = (begun if of_text else state for of_text in self._of_text)
        return tuple(array for one, (_, span) in zip(kept, self.parts, strict=True) for array in one[span])

    def __call__(self, logits: Floats, history: Histories, state: State = ()) -> Floats:
        """Pass logits (B,V) through the chain."""
        for one, span in self.parts:
            logits = one(logits, history, state[span])
        return logits

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:
        """Return the state after these tokens (B,), each of a surprisal (B,) in nats."""
        after = (one.observe(tokens, surprisal, state[span]) for one, span in self.parts)
        return tuple(array for arrays in after for array in arrays)


def _farthest(lookbacks: Iterable[int | None]) -> int | None:
    """Return the largest of some numbers; None, for all tokens, is larger than any."""
    known = list(lookbacks)
    return max((one for one in known if one is not None), default=0) if None not in known else None


def _begun(one: StatefulFilter, seeds: TokenIds, histories: Histories | None) -> State:
    if histories is not None and isinstance(one, PromptedFilter):
        return one.initial_for(seeds, histories)
    return one.initial(seeds)


def _watched(one: AnyFilter) -> AnyFilter:
    """Return a stranger's filter so that it is named where it returns what are no logits."""
    module = str(getattr(one, "__module__", type(one).__module__))
    if module.partition(".")[0] == "rnngen":
        return one
    name = str(getattr(one, "__qualname__", type(one).__qualname__)).partition(".<locals>")[0]
    if isinstance(one, PromptedFilter):
        return _WatchedPrompts(one, f"{module}:{name}")
    return (_WatchedState if isinstance(one, StatefulFilter) else _Watched)(one, f"{module}:{name}")


class _Watched:
    """A pure filter whose results are looked at."""

    def __init__(self, one: Any, name: str) -> None:
        self.one, self.name = one, name

    def __call__(self, logits: Floats, *arguments: Any) -> Floats:
        made: Floats = self.one(logits, *arguments)
        fault = ""
        if getattr(made, "shape", None) != logits.shape:
            fault = f"logits of shape {getattr(made, 'shape', type(made).__name__)}, not {logits.shape}"
        elif np.isnan(made).any() and not np.isnan(logits).any():
            fault = "logits that are not numbers (NaN)"
        if fault:
            raise PluginError(f"the filter {self.name} returns {fault}; leave it out, or tell its author")
        return made


class _WatchedState(_Watched):
    """The same with a state."""

    def initial(self, seeds: TokenIds) -> State:
        state: State = self.one.initial(seeds)
        return state

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:
        after: State = self.one.observe(tokens, surprisal, state)
        return after


class _WatchedPrompts(_WatchedState):
    """The same of a filter that begins with prompts."""

    def initial_for(self, seeds: TokenIds, histories: Histories) -> State:
        state: State = self.one.initial_for(seeds, histories)
        return state


class _Stateless:
    """A pure filter, as one whose state is empty."""

    def __init__(self, apply: Filter) -> None:
        self.apply = apply

    def initial(self, seeds: TokenIds) -> State:  # noqa: ARG002
        return ()

    def __call__(self, logits: Floats, history: Histories, state: State) -> Floats:  # noqa: ARG002
        return self.apply(logits, history)

    def observe(self, tokens: TokenIds, surprisal: NDArray[np.float64], state: State) -> State:  # noqa: ARG002
        return state
