"""Drawing text from a network: feed what is there, filter what may come next, draw, repeat.

::

    prompt ─▸ feed ─▸ logits ─▸ filters ─▸ draw ─▸ token ─┐
                        ▴─────────── step ◂───────────────┘
"""

from array import array
from collections.abc import Iterable, Iterator, MutableSequence, Sequence
from itertools import compress
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import AnyFilter, Floats, NetworkStep, State
from rnngen.decoding.draws import Chances, draw, draw_rows, surprisal
from rnngen.decoding.filter_chain import Chain
from rnngen.decoding.generation_state import Moment, read_up
from rnngen.decoding.prefill import take

__all__ = ["Sampler", "draw", "feed", "feed_many", "rounds", "sample", "sample_many", "surprisal"]


def feed(step: NetworkStep, state: State, tokens: Sequence[int]) -> tuple[Floats, State]:
    """Read a prompt of at least one token → logits (1,V) for what follows, and the state."""
    return feed_many(step, state, [tokens])


def feed_many(step: NetworkStep, state: State, prompts: Sequence[Sequence[int]]) -> tuple[Floats, State]:
    """Read B prompts of one length, at least one token → logits (B,V) for what follows, and the state."""
    columns = np.array(prompts, np.int64).T
    for column in columns[:-1]:
        _, state = step(column, state)
    return step(columns[-1], state)


def packed(tokens: Iterable[int]) -> MutableSequence[int]:
    """A text that will grow, at four bytes a token, since streams are long; a list takes forty."""
    return array("i", tokens)


class Sampler:
    """One text in the making: an iterator of its tokens, for ever, that can be left off between any two.

    All that the next tokens depend on is in its attributes; the last token is read when the next one is
    asked for.

    Args:
        step: the network.
        moment: what to go on from.
        filters: the chain that shapes the distribution.
        rng: where the draws come from, one a token; before them the seed of filters that remember.
        forbidden: tokens that never come, whatever the network says.
    """

    def __init__(
        self,
        step: NetworkStep,
        moment: Moment,
        filters: Sequence[AnyFilter],
        rng: np.random.Generator,
        *,
        forbidden: Sequence[int] = (),
    ) -> None:
        self.step, self.chain, self.rng = step, Chain(filters), rng
        remembers = self.chain.remembers
        self.memory = self.chain.initial(rng.integers(1 << 62, size=1)) if remembers else ()
        self.history: list[MutableSequence[int]] = [packed(moment.history)]
        self.state, self.logits = moment.state, moment.logits
        self.surprisal: NDArray[np.float64] | None = None
        """(1,) that of the last token, as long as the chain has not been told."""
        self._never = np.array(forbidden, np.int64)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        logits = self._ahead()
        logits[:, self._never] = -np.inf
        shaped = self.chain(logits, self.history, self.memory)
        token = draw(shaped[0], self.rng)
        if self.chain.remembers:
            self.surprisal = surprisal(shaped, np.array([token]))
        self.history[0].append(token)
        return token

    def _ahead(self) -> Floats:
        """The logits (1,V) for the next token, the caller's to write to."""
        if self.logits is not None:
            logits, self.logits = self.logits.copy(), None
            return logits
        last = np.array(self.history[0][-1:])
        if self.surprisal is not None:
            self.memory = self.chain.observe(last.copy(), self.surprisal, self.memory)
            self.surprisal = None
        logits, self.state = self.step(last, self.state)
        return logits


def sample(
    step: NetworkStep,
    state: State,
    prompt: Sequence[int],
    filters: Sequence[AnyFilter],
    rng: np.random.Generator,
    *,
    forbidden: Sequence[int] = (),
) -> Sampler:
    """Generate tokens for ever; stop asking when there are enough.

    Args:
        step: the network.
        state: of one stream, before the prompt.
        prompt: tokens to go on from, at least one; not repeated in the output.
        filters: the chain that shapes the distribution.
        rng: where the draws come from.
        forbidden: tokens that never come, whatever the network says.
    """
    return Sampler(step, read_up(step, state, prompt), filters, rng, forbidden=forbidden)


# ── Many texts side by side ────────────────────────────────────────────────────────────────────────────────


def rounds(
    step: NetworkStep,
    logits: Floats,
    state: State,
    history: Sequence[Sequence[int]],
    *,
    filters: Sequence[AnyFilter],
    rngs: Sequence[np.random.Generator],
    eos_id: int | None,
    lengths: Sequence[int],
    forbidden: Sequence[int] = (),
) -> Iterator[tuple[list[int], list[int]]]:
    """Go on with B texts side by side, a token of each at a time → the texts' numbers and their tokens.

    Text b is what ``Sampler`` makes with ``rngs[b]``, as long as the network gives each row what it would
    give it alone. Matrix products may round a batch otherwise than a single row, in the seventh digit; a
    text differs only where a random number falls into that gap.

    Args:
        step: the network.
        logits: (B,V) for what follows.
        state: of B streams, after the history.
        history: what each text goes on from.
        filters: the chain that shapes the distribution.
        rngs: where the draws of each text come from; they are asked for more than is used.
        eos_id: the token that ends a text, its last. None where texts do not end by themselves.
        lengths: tokens of each text at most.
        forbidden: tokens that never come.
    """
    chain, past, never = Chain(filters), [packed(one) for one in history], np.array(forbidden, np.int64)
    seeds = [int(rng.integers(1 << 62)) if chain.remembers else 0 for rng in rngs]
    memory = chain.initial(np.array(seeds, np.int64))
    chances, made = Chances(rngs), 0
    alive = [number for number, length in enumerate(lengths) if length > 0]
    logits, state, memory = logits[alive], take(state, alive), take(memory, alive)
    while alive:
        logits[:, never] = -np.inf
        shaped = chain(logits, [past[number] for number in alive], memory)
        tokens = draw_rows(shaped, chances.next(alive))
        if chain.remembers:
            memory = chain.observe(tokens, surprisal(shaped, tokens), memory)
        listed, made = tokens.tolist(), made + 1
        for number, token in zip(alive, listed, strict=True):
            past[number].append(token)
        yield alive, listed
        going = [token != eos_id and made < lengths[n] for n, token in zip(alive, listed, strict=True)]
        if not all(going):
            alive, tokens = list(compress(alive, going)), tokens[going]
            state, memory = take(state, going), take(memory, going)
        if alive:
            logits, state = step(tokens, state)


def sample_many(
    step: NetworkStep,
    state: State,
    prompts: Sequence[Sequence[int]],
    filters: Sequence[AnyFilter],
    rngs: Sequence[np.random.Generator],
    *,
    eos_id: int | None,
    lengths: Sequence[int],
    forbidden: Sequence[int] = (),
) -> list[list[int]]:
    """Generate B texts side by side, each as ``sample`` would with its own generator.

    Args:
        step: the network.
        state: of B streams, before their prompts.
        prompts: tokens to go on from, as many for each.
        filters: the chain that shapes the distribution.
        rngs: where the draws of each text come from.
        eos_id: the token that ends a text; it is not part of it. None where texts do not end by themselves.
        lengths: tokens of each text at most.
        forbidden: tokens that never come.
    """
    logits, state = feed_many(step, state, prompts)
    texts: list[list[int]] = [[] for _ in prompts]
    made = rounds(
        step,
        logits,
        state,
        prompts,
        filters=filters,
        rngs=rngs,
        eos_id=eos_id,
        lengths=lengths,
        forbidden=forbidden,
    )
    for numbers, tokens in made:
        for number, token in zip(numbers, tokens, strict=True):
            if token != eos_id:
                texts[number].append(token)
    return texts
