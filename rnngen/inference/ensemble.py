"""Several networks that write as one, by the mean of their probabilities."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnngen.contracts import Floats, NetworkStep, State, TokenIds


class Ensemble:
    """A network's step made of several, all over one vocabulary.

    ::

        state   fixed of A · fixed of B │ the rest of A · the rest of B

    Args:
        steps: the networks, at least one.
    """

    def __init__(self, steps: Sequence[NetworkStep]) -> None:
        if not steps:
            raise ValueError("an ensemble needs at least one network")
        self.steps = tuple(steps)
        self.fixed = sum(step.fixed for step in steps)
        self.sizes: tuple[int, ...] = ()
        """How many arrays of the state change for each network; known since ``join``."""

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        return self.join([step.start(about) for step in self.steps])

    def join(self, states: Sequence[State]) -> State:
        """One state from those of the networks, in their order."""
        split = [
            (state[: step.fixed], state[step.fixed :]) for step, state in zip(self.steps, states, strict=True)
        ]
        self.sizes = tuple(len(rest) for _, rest in split)
        return (*_flat(fixed for fixed, _ in split), *_flat(rest for _, rest in split))

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → the logarithm of the mean of the probabilities (B,V), state."""
        found = [step(tokens, part) for step, part in zip(self.steps, self._parts(state), strict=True)]
        return _log_mean([_normalised(logits) for logits, _ in found]), self.join(
            [after for _, after in found]
        )

    def attended(self, state: State) -> "Floats | None":
        """The mean of where they looked for the last token, (B,S), over those that attend."""
        looks = [step.attended(part) for step, part in zip(self.steps, self._parts(state), strict=True)]
        weights = [look for look in looks if look is not None]
        return np.mean(weights, axis=0, dtype=np.float32) if weights else None

    def _parts(self, state: State) -> list[State]:
        """The state of each network."""
        fixed, rest, parts = state[: self.fixed], state[self.fixed :], []
        for step, size in zip(self.steps, self.sizes, strict=True):
            parts.append((*fixed[: step.fixed], *rest[:size]))
            fixed, rest = fixed[step.fixed :], rest[size:]
        return parts


def _flat(states: Any) -> State:
    return tuple(array for state in states for array in state)


def _normalised(logits: Floats) -> Floats:
    """Logits (B,V) → log-probabilities (B,V) in float32."""
    shifted: Floats = logits - logits.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def _log_mean(chances: list[Floats]) -> Floats:
    """The logarithm of the mean of exp of several (B,V), without underflow."""
    top = np.maximum(np.maximum.reduce(chances), np.finfo(np.float32).min)
    total = sum(np.exp(one - top) for one in chances) / np.float32(len(chances))
    with np.errstate(divide="ignore"):  # what none of them allows
        mean: Floats = top + np.log(total)
    return mean
