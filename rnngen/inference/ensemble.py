"""Several networks that generate as one, by the mean of their probabilities."""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from rnngen.contracts import Floats, NetworkStep, State, TokenIds
from rnngen.inference.build import identity
from rnngen.numerics import log_softmax32


class Ensemble:
    """One step made of several, all over one vocabulary.

    ::

        state   fixed of A · fixed of B │ the rest of A · the rest of B

    Args:
        steps: the networks, at least one.
        example: an argument that their ``start`` takes: a number of streams, or sources (B,S). The number of
            arrays in each state follows from it.
    """

    def __init__(self, steps: Sequence[NetworkStep], example: "int | TokenIds") -> None:
        if not steps:
            raise ValueError("an ensemble needs at least one network")
        self.steps = tuple(steps)
        self.fixed = sum(step.fixed for step in steps)
        self.sizes = tuple(len(step.start(example)) - step.fixed for step in steps)
        """Number of arrays that change, for each network."""
        names = [identity(step) for step in steps]
        special = [name for name in names if " " in name or name.startswith("Quantized")]
        self.identity = f"Ensemble of {', '.join(names)}" if special else "Ensemble"

    def start(self, about: "int | TokenIds") -> State:
        """Return the state before the first token of ``about`` streams, or of sources (B,S)."""
        return self._join([step.start(about) for step in self.steps])

    def __call__(self, tokens: TokenIds, state: State) -> tuple[Floats, State]:
        """``tokens`` (B,), state → the logarithm of the mean of the probabilities (B,V), state."""
        results = [step(tokens, part) for step, part in zip(self.steps, self._split(state), strict=True)]
        log_probs = [log_softmax32(logits) for logits, _ in results]
        return _log_mean_exp(log_probs), self._join([after for _, after in results])

    def attended(self, state: State) -> "Floats | None":
        """Return the mean of the attention weights (B,S) over the networks that attend."""
        looks = [step.attended(part) for step, part in zip(self.steps, self._split(state), strict=True)]
        weights = [look for look in looks if look is not None]
        return np.mean(weights, axis=0, dtype=np.float32) if weights else None

    def _join(self, states: Sequence[State]) -> State:
        pairs = list(zip(self.steps, states, strict=True))
        fixed = chain.from_iterable(state[: step.fixed] for step, state in pairs)
        return (*fixed, *chain.from_iterable(state[step.fixed :] for step, state in pairs))

    def _split(self, state: State) -> list[State]:
        fixed, rest, parts = state[: self.fixed], state[self.fixed :], []
        for step, size in zip(self.steps, self.sizes, strict=True):
            parts.append((*fixed[: step.fixed], *rest[:size]))
            fixed, rest = fixed[step.fixed :], rest[size:]
        return parts


def _log_mean_exp(log_probs: list[Floats]) -> Floats:
    """Return the logarithm of the mean of exp of several (B,V), without underflow."""
    top = np.maximum(np.maximum.reduce(log_probs), np.finfo(np.float32).min)
    total = sum(np.exp(one - top) for one in log_probs) / np.float32(len(log_probs))
    with np.errstate(divide="ignore"):  # a token that no network allows
        mean: Floats = top + np.log(total)
    return mean
