"""Log-probabilities of texts under the network itself, before any filter, and what lengths count for."""

from collections.abc import Sequence
from itertools import compress

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnngen.contracts import GenerationState, Hypothesis, NetworkStep
from rnngen.decoding.draws import surprisal
from rnngen.decoding.prefill import next_logits, select_rows


def log_probabilities(
    model: NetworkStep, given: GenerationState, texts: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Read B texts side by side → the log-probability of each in nats (B,); 0 of an empty one.

    Texts go on from the B streams given; their tokens include the end where it counts.
    """
    given = next_logits(model, given)
    assert given.logits is not None
    totals = np.zeros(len(texts))
    alive = [number for number, text in enumerate(texts) if text]
    logits, state, place = given.logits[alive], select_rows(given.state, alive), 0
    while alive:
        tokens = np.array([texts[number][place] for number in alive])
        totals[alive] -= surprisal(logits, tokens)
        place += 1
        going = [place < len(texts[number]) for number in alive]
        alive = list(compress(alive, going))
        if alive:
            logits, state = model(tokens[going], select_rows(state, going))
    return totals


def weigh(
    model: NetworkStep, given: GenerationState, texts: Sequence[Sequence[int]], eos_id: int
) -> list[Hypothesis]:
    """Return texts as hypotheses whose score is the log-probability per token.

    The end counts as a token, so that a text that came to its end pays for that, and one that was cut off
    does not. Without the division the shortest text would nearly always win; a mean favours no length.
    """
    totals = log_probabilities(model, given, texts).tolist()
    return [
        Hypothesis(tuple(token for token in text if token != eos_id), total, total / max(len(text), 1))
        for text, total in zip(texts, totals, strict=True)
    ]


def length_penalty(
    length: ArrayLike, alpha: float, penalty: str = "gnmt", offset: float = 0.0
) -> NDArray[np.float64]:
    """Return what the log-probability of a text of ``length`` tokens, its end included, is divided by.

    ``power`` is ((offset + length) / (offset + 1))^alpha (Sockeye); with an offset of 5 it is ``gnmt`` (Wu et
    al. 2016, arXiv 1609.08144), with 0 ``average`` (fairseq, transformers). ``none``: 1.
    """
    offset = {"gnmt": 5.0, "average": 0.0}.get(penalty, offset)
    base = (offset + np.asarray(length, np.float64)) / (offset + 1)
    with np.errstate(over="ignore", under="ignore"):
        penalties: NDArray[np.float64] = base ** (0 if penalty == "none" else alpha)
    return penalties.clip(1e-300, 1e300)
