"""How much of a source was attended to, so that a text that leaves some of it out can be marked down."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import Floats, NetworkStep, State, TokenIds
from rnngen.errors import UsageError

UNSEEN = float(np.finfo(np.float32).tiny)
"""What a source token counts that was not attended to at all, so that its logarithm is a number."""


class Covering:
    """A network's step whose state also holds the sum of all attention weights, as its last array (B,S).

    The weights with which a prompt was read are among them: what a forced beginning says need not be said
    again. So are, after each step, those with which the token that follows will be written.

    Args:
        step: of a network that attends.
    """

    def __init__(self, step: NetworkStep) -> None:
        self.step, self.fixed = step, step.fixed

    def start(self, about: Any) -> State:
        """Return the network's state before the first token, with nothing attended to."""
        return self.begin(self.step.start(about), about if isinstance(about, int) else len(about))

    def begin(self, state: State, streams: int) -> State:
        """The network's state before the first token, with nothing attended to."""
        return (*state, np.zeros((streams, 1), np.float32))

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → logits (B,V), state.

        Raises:
            UsageError: if the network does not attend.
        """
        logits, after = self.step(tokens, state[:-1])
        looked = self.step.attended(after)
        if looked is None:
            raise UsageError(
                "this network does not attend to a source, so nothing can be said of what it covered; leave "
                "the coverage penalty out"
            )
        return logits, (*after, state[-1] + looked)

    def attended(self, state: State) -> "Floats | None":
        """Where it looked for the last token, (B,S)."""
        return self.step.attended(state[:-1])


def coverage_penalty(attended: NDArray[Any], sources: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Σ log min(sum of weights, 1) over source tokens: at most 0 (Wu et al. 2016, equation 14).

    Args:
        attended: (…,S) the sum of the weights that each received.
        sources: (…,) how many there are, the others being padding. By default all.
    """
    logs = np.log(np.clip(attended, UNSEEN, 1), dtype=np.float64)
    if sources is not None:
        logs = np.where(np.arange(attended.shape[-1]) < sources[..., None], logs, 0)
    penalty: NDArray[np.float64] = logs.sum(axis=-1)
    return penalty
