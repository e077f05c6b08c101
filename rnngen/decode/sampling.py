"""Drawing text from a network: feed what is there, filter what may come next, draw, repeat.

::

    prompt ─▸ feed ─▸ logits ─▸ filters ─▸ draw ─▸ token ─┐
                        ▴─────────── step ◂───────────────┘
"""

from collections.abc import Iterator, Sequence

import numpy as np

from rnngen.contracts import Filter, Floats, NetworkStep, State
from rnngen.errors import RnngenError


def feed(step: NetworkStep, tokens: Sequence[int], state: State | None = None) -> tuple[Floats, State]:
    """Read a prompt of at least one token → logits (1,V) for what follows, and the state."""
    state = step.start(1) if state is None else state
    for token in tokens[:-1]:
        _, state = step(np.array([token]), state)
    return step(np.array([tokens[-1]]), state)


def apply(filters: Sequence[Filter], logits: Floats, history: Sequence[Sequence[int]]) -> Floats:
    """Pass logits (B,V) through the chain."""
    for keep in filters:
        logits = keep(logits, history)
    return logits


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


def sample(
    step: NetworkStep,
    prompt: Sequence[int],
    filters: Sequence[Filter],
    rng: np.random.Generator,
    *,
    forbidden: Sequence[int] = (),
) -> Iterator[int]:
    """Generate tokens for ever; stop asking when there are enough.

    Args:
        step: the network.
        prompt: tokens to go on from, at least one; not repeated in the output.
        filters: the chain that shapes the distribution.
        rng: where the draws come from, one a token.
        forbidden: tokens that never come, whatever the network says.
    """
    logits, state = feed(step, prompt)
    history = [list(prompt)]
    never = np.array(forbidden, np.int64)
    token = np.empty(1, np.int64)
    while True:
        logits[:, never] = -np.inf
        token[0] = draw(apply(filters, logits, history)[0], rng)
        chosen = int(token[0])
        yield chosen
        history[0].append(chosen)
        logits, state = step(token, state)
