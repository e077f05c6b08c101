"""How probable texts are that were drawn: the network's own word on them, before any filter."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, NetworkStep, State
from rnngen.decoding.draws import surprisal
from rnngen.decoding.hypothesis import Hypothesis
from rnngen.decoding.prefill import take


def log_probabilities(
    step: NetworkStep, logits: Floats, state: State, texts: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Read B texts side by side → the log-probability of each in nats, (B,); 0 of an empty one.

    Args:
        step: the network.
        logits: (B,V) for the first token of each.
        state: of B streams, before that token.
        texts: the tokens of each, the end among them where it counts.
    """
    totals = np.zeros(len(texts))
    alive = [number for number, text in enumerate(texts) if text]
    logits, state, place = logits[alive], take(state, alive), 0
    while alive:
        tokens = np.array([texts[number][place] for number in alive])
        totals[alive] -= surprisal(logits, tokens)
        place += 1
        going = [place < len(texts[number]) for number in alive]
        alive = list(compress(alive, going))
        if alive:
            logits, state = step(tokens[going], take(state, going))
    return totals


def weighed(
    step: NetworkStep, logits: Floats, state: State, texts: Sequence[Sequence[int]], eos_id: int
) -> list[Hypothesis]:
    """The same as hypotheses, whose score is the log-probability per token.

    The end counts as a token, so that a text that came to its end pays for that, and one that was cut off
    does not. Without the division the shortest text would nearly always win; a mean favours no length.
    """
    totals = log_probabilities(step, logits, state, texts).tolist()
    return [
        Hypothesis(tuple(token for token in text if token != eos_id), total, total / max(len(text), 1))
        for text, total in zip(texts, totals, strict=True)
    ]
