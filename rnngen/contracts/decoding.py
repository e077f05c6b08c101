"""What shapes the next-token distribution, and what watches training."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from rnngen.contracts.networks import Floats, State, TokenIds
from rnngen.events import Event

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Filter: TypeAlias = "Callable[[Floats, Sequence[Sequence[int]]], Floats]"
"""A pure function ``(logits (B,V), history) → logits (B,V)``; ``history[b]`` holds stream b's tokens so far,
its prompt included. ``-inf`` forbids a token. It must not write to its arguments."""


@runtime_checkable
class StatefulFilter(Protocol):
    """A filter that remembers, or tosses coins.

    Like a network it keeps nothing in itself: its state goes in and comes out, so that forks of a stream and
    the hypotheses of a beam each have their own. What a stream gets must not depend on the other streams.
    Coins are drawn from the stream's seed and a count that the state holds, so that the same seed gives the
    same bytes::

        np.random.default_rng([seed, count]).random()
    """

    def initial(self, seeds: TokenIds) -> State:
        """The state before the first token, for as many streams as there are ``seeds`` (B,)."""
        ...

    def __call__(self, logits: "Floats", history: Sequence[Sequence[int]], state: State) -> "Floats":
        """Logits (B,V) → logits (B,V), as ``Filter`` does. Writes to none of its arguments."""
        ...

    def observe(self, tokens: TokenIds, surprisal: "NDArray[np.float64]", state: State) -> State:
        """Take note of the tokens (B,) that were chosen → the state after them.

        ``surprisal`` (B,) is −ln p of each, under the distribution that it was chosen from: that at the
        end of the chain.
        """
        ...


AnyFilter: TypeAlias = "Filter | StatefulFilter"

Listener: TypeAlias = Callable[[Event], None]
"""Called with every event of a training run, in order."""
