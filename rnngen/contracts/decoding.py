"""Decoding: filters of the next-token distribution, and strategies that choose tokens."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from rnngen.contracts.networks import Floats, NetworkStep, State, TokenIds
from rnngen.events import Event

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Filter: TypeAlias = "Callable[[Floats, Sequence[Sequence[int]]], Floats]"
"""A pure function ``(logits (B,V), history) → logits (B,V)``; ``history[b]`` holds stream b's tokens so far,
its prompt included. ``-inf`` forbids a token. It must not write to its arguments.

A filter of either kind that looks at the latest tokens only may have an attribute ``lookback``, their number:
a stream that runs for ever then keeps no more than these, and its filters may get fewer than all."""


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

    def __call__(self, logits: "Floats", history: Sequence[Sequence[int]], state: State) -> "Floats":
        """Logits (B,V) → logits (B,V), as ``Filter`` does. Writes to none of its arguments."""

    def observe(self, tokens: TokenIds, surprisal: "NDArray[np.float64]", state: State) -> State:
        """Take note of the tokens (B,) that were chosen → the state after them.

        ``surprisal`` (B,) is −ln p of each, under the distribution that it was chosen from: that at the
        end of the chain.
        """


@runtime_checkable
class PromptedFilter(StatefulFilter, Protocol):
    """A stateful filter that begins with what the prompts say; the vocabulary it has by ``needs_text``."""

    def initial_for(self, seeds: TokenIds, histories: Sequence[Sequence[int]]) -> State:
        """The state before the first token that is drawn, after the tokens of B prompts.

        ``initial`` is still asked where there are none yet; its arrays are of the same number and kind.
        """


@runtime_checkable
class TextConstraint(Protocol):
    """A filter that can tell whether a text, as it ended, is one of those that it allows.

    A text may be cut short before it is: by its length, or by a stop. That is then an error.
    """

    def unmet(self, tokens: Sequence[int]) -> str | None:
        """Return a clause that says what a text lacks, or None if it lacks nothing.

        ``tokens`` are all that were generated, without the end.
        """


AnyFilter: TypeAlias = "Filter | StatefulFilter"


# ── Strategies ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, eq=False)
class GenerationState:
    """B streams between two tokens: what was read, and what a network made of it.

    ::

        histories  T h e   c a t
        state      ────────── ▴ │       before the last token, which is still to be read,
        logits               or ▴       or after it, with the logits for the next

    It is never written to, so that many texts can go on from it.
    """

    histories: tuple[Sequence[int], ...]
    """The tokens of each stream so far, at least one."""
    state: State
    """Before the last token of each where there are no logits, else after it."""
    logits: "Floats | None" = None
    """(B,V) for what follows."""


@dataclass(frozen=True)
class Hypothesis:
    """A text that a search found, or that was weighed, and how good it is."""

    tokens: tuple[int, ...]
    """Without the prefix and without the end token."""
    log_probability: float
    """In nats, the end token's included."""
    score: float
    """Rank of the hypothesis, by the strategy's own measure."""
    attention: "Floats | None" = field(default=None, compare=False)
    """(T,S) the weights with which each token, the end's included, was written, if asked for."""


@dataclass(frozen=True)
class Generated:
    """One text that a strategy generates."""

    prompt: int
    """Number of the prompt that it goes on from."""
    tokens: Iterable[int]
    """Its tokens, without prefix and end token; drawn while they are taken, where that is possible."""
    hypothesis: Hypothesis | None = None
    """Its log-probability and score, where the strategy knows them."""


@dataclass(frozen=True)
class SearchNode:
    """A continuation that a search weighed: one token after a hypothesis."""

    parent: int | None
    """The number of the node that it goes on from; None from the beginning."""
    token: int
    total: float
    """The log-probability of the whole hypothesis, in nats."""
    fate: str
    """``kept``, ``finished`` or ``pruned``."""
    why: str = ""
    """The reason, in words."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DecodingJob:
    """The job of a strategy: go on from B prompts, side by side.

    ``rnngen.decoding`` holds what strategies are made of: samplers, chains of filters, draws.
    """

    model: NetworkStep
    """The network, one step at a time; a ``ConditionedStep`` where prompts may end within a token."""
    prefixes: tuple[tuple[int, ...], ...]
    """Tokens that each text begins with, at least one; they are no part of what is generated. The end of a
    prompt that was given back is drawn again: the first tokens generated begin with it."""
    start: Callable[[], State]
    """Returns the state of B streams before their prefixes, sources read."""
    prefill: Callable[[], GenerationState]
    """Reads the prefixes, or finds what was made of them in the cache."""
    max_tokens: tuple[int | None, ...]
    """Tokens of each text at most, the end token and what was given back included; None for no limit."""
    seeds: tuple[int, ...]
    """One a prompt; text k of prompt b draws from ``numpy.random.default_rng([seeds[b], k])``."""
    eos_id: int
    """The token that ends a text."""
    count: int = 1
    """Number of texts of each prompt."""
    filters: Sequence[AnyFilter] = ()
    """Filters of the distribution, in order."""
    forbidden: tuple[int, ...] = ()
    """Tokens that never come: never trained, or the end token where texts do not end by themselves."""
    stops: tuple[str, ...] = ()
    """Texts that end a text before them; a strategy that ranks whole texts needs to know."""
    source_lengths: tuple[int, ...] | None = None
    """Number of source tokens of each prompt, where sources are padded."""
    scores: bool = False
    """True if hypotheses are wanted where the strategy can give them."""
    attention: bool = False
    """True if these are to keep the attention weights."""
    text: Callable[[Iterable[int]], Iterator[str]] = lambda _: iter(())
    """Turns tokens into text, piece by piece."""
    trace: "list[SearchNode] | None" = None
    """Where a search that can be looked at notes, for one prompt, what it weighed; None if not asked for."""
    load_model: Callable[[str], NetworkStep] | None = None
    """Opens another model of the same vocabulary by its name, for strategies that need two."""


class Strategy(Protocol):
    """A way to choose tokens; built as ``Strategy(options)``.

    One may have attributes, where its options decide: ``draws`` (bool), in the place of its spec's, and
    ``follows_output`` (bool), as a filter's spec has it: the end of a prompt is then never given back; and
    ``most`` (int), the number of texts of a prompt that it finds at most, where it finds several at once.
    """

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Generate ``job.count`` texts of each prompt, those of one prompt in order.

        The tokens of one text are taken, or let go, before the next text is asked for.

        Raises:
            UsageError: if the model lacks a capability that the strategy needs.
            RnngenError: if filters leave nothing to choose from, or a logit is not a number.
        """


@runtime_checkable
class ReportingStrategy(Protocol):
    """A strategy with something to say of its own work."""

    def report(self) -> str:
        """Return one line about the last job, or nothing."""


Listener: TypeAlias = Callable[[Event], None]
"""Called with every event of a training run, in order. One that raises is named in a warning, and called no
more; the training goes on."""


@runtime_checkable
class ClosingListener(Protocol):
    """A listener that holds something open: a file, a connection."""

    def __call__(self, event: Event) -> None:
        """Do what ``Listener`` does."""

    def close(self) -> None:
        """Let go of it; called once, when the training has ended, was interrupted, or failed."""
