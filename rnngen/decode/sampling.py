"""Drawing text from a network: feed what is there, filter what may come next, draw, repeat.

::

    prompt ─▸ feed ─▸ logits ─▸ filters ─▸ draw ─▸ token ─┐
                        ▴─────────── step ◂───────────────┘
"""

from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import AnyFilter, Floats, NetworkStep, State, TokenIds
from rnngen.decode.chain import Chain
from rnngen.errors import RnngenError


def feed(step: NetworkStep, state: State, tokens: Sequence[int]) -> tuple[Floats, State]:
    """Read a prompt of at least one token → logits (1,V) for what follows, and the state."""
    for token in tokens[:-1]:
        _, state = step(np.array([token]), state)
    return step(np.array([tokens[-1]]), state)


def draw(logits: Floats, rng: np.random.Generator) -> int:
    """Draw one token from logits (V,) by inverting the cumulative distribution, with one random number.

    Raises:
        RnngenError: if every token is forbidden, or a logit is not a number.
    """
    best = logits.max()
    if not -np.inf < best < np.inf:
        raise RnngenError(
            f"no token can be drawn: the highest logit is {best}; if no filter forbids all tokens, the "
            "model's weights are not numbers any more: train it again with a smaller --lr"
        )
    weights = np.exp(logits - best)
    total = weights.cumsum(dtype=np.float64)
    token = int(total.searchsorted(rng.random() * total[-1], side="right"))
    # Rounding may land beyond the last token of positive probability.
    return token if token < len(weights) and weights[token] else int(weights.nonzero()[0][-1])


def surprise(logits: Floats, tokens: TokenIds) -> NDArray[np.float64]:
    """−ln p (B,) of tokens (B,) under logits (B,V), in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=-1, keepdims=True)
    nats: NDArray[np.float64] = np.log(np.exp(shifted).sum(axis=-1)) - shifted[np.arange(len(tokens)), tokens]
    return nats


def feed_many(step: NetworkStep, state: State, prompts: Sequence[Sequence[int]]) -> tuple[Floats, State]:
    """Read B prompts of one length, at least one token → logits (B,V) for what follows, and the state."""
    columns = np.array(prompts, np.int64).T
    for column in columns[:-1]:
        _, state = step(column, state)
    return step(columns[-1], state)


def sample(
    step: NetworkStep,
    state: State,
    prompt: Sequence[int],
    filters: Sequence[AnyFilter],
    rng: np.random.Generator,
    *,
    forbidden: Sequence[int] = (),
) -> Iterator[int]:
    """Generate tokens for ever; stop asking when there are enough.

    Args:
        step: the network.
        state: of one stream, before the prompt.
        prompt: tokens to go on from, at least one; not repeated in the output.
        filters: the chain that shapes the distribution.
        rng: where the draws come from, one a token; before them the seed of filters that remember.
        forbidden: tokens that never come, whatever the network says.
    """
    chain = Chain(filters)
    memory = chain.initial(rng.integers(1 << 62, size=1)) if chain.remembers else ()
    logits, state = feed(step, state, prompt)
    history = [list(prompt)]
    never = np.array(forbidden, np.int64)
    token = np.empty(1, np.int64)
    while True:
        logits[:, never] = -np.inf
        shaped = chain(logits, history, memory)
        token[0] = draw(shaped[0], rng)
        chosen = int(token[0])
        yield chosen
        history[0].append(chosen)
        if chain.remembers:
            memory = chain.observe(token.copy(), surprise(shaped, token), memory)
        logits, state = step(token, state)


def sample_many(
    step: NetworkStep,
    state: State,
    prompts: Sequence[Sequence[int]],
    filters: Sequence[AnyFilter],
    rngs: Sequence[np.random.Generator],
    *,
    end: int | None,
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
        end: the token that ends a text; it is not part of it. None where texts do not end by themselves.
        lengths: tokens of each text at most.
        forbidden: tokens that never come.
    """
    chain = Chain(filters)
    seeds = [int(rng.integers(1 << 62)) for rng in rngs] if chain.remembers else [0] * len(rngs)
    memory = chain.initial(np.array(seeds, np.int64)) if chain.remembers else ()
    logits, state = feed_many(step, state, prompts)
    texts: list[list[int]] = [[] for _ in prompts]
    history = [list(prompt) for prompt in prompts]
    alive = [number for number, length in enumerate(lengths) if length > 0]
    logits, state, memory = logits[alive], _rows(state, alive), _rows(memory, alive)
    while alive:
        logits[:, list(forbidden)] = -np.inf
        shaped = chain(logits, [history[number] for number in alive], memory)
        tokens = np.array([draw(row, rngs[number]) for row, number in zip(shaped, alive, strict=True)])
        if chain.remembers:
            memory = chain.observe(tokens, surprise(shaped, tokens), memory)
        for number, token in zip(alive, tokens.tolist(), strict=True):
            if token != end:
                texts[number].append(token)
                history[number].append(token)
        going = [token != end and len(texts[n]) < lengths[n] for n, token in zip(alive, tokens, strict=True)]
        if not all(going):
            alive, tokens = list(compress(alive, going)), tokens[going]
            state, memory = _rows(state, going), _rows(memory, going)
        if alive:
            logits, state = step(tokens, state)
    return texts


def _rows(state: State, rows: Any) -> State:
    return tuple(array[rows] for array in state)
