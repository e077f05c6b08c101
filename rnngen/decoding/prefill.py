"""Reading many prompts side by side, though they are of different lengths."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnngen.contracts import Floats, NetworkStep, State, TokenIds

Read = tuple[TokenIds, Floats, State]
"""Which prompts (n,) they are, the logits (n,V) for what follows, and the state."""


def take(state: State, rows: Any) -> State:
    """The streams of a state that ``rows`` names, in that order."""
    return tuple(array[rows] for array in state)


def read(step: NetworkStep, state: State, prompts: Sequence[Sequence[int]]) -> list[Read]:
    """Read N prompts of at least one token each, one of them a row of ``state``.

    A prompt that is over waits, and nothing is fed to it meanwhile. So the result is one batch; only where
    states of different ages have different shapes, as growing caches have, is it one for each length.
    """
    lengths = np.array([len(prompt) for prompt in prompts])
    fixed, rows = state[: step.fixed], np.arange(len(prompts))
    parts: list[Read] = []
    for place in range(max(lengths, default=0)):
        logits, state = step(np.array([prompts[row][place] for row in rows.tolist()]), state)
        over = lengths[rows] == place + 1
        if over.all():
            return _joined([*parts, (rows, logits, state)], fixed)
        if over.any():
            done, on = np.flatnonzero(over), np.flatnonzero(~over)
            parts.append((rows[done], logits[done], take(state, done)))
            rows, state = rows[on], take(state, on)
    return parts


def _joined(parts: list[Read], fixed: State) -> list[Read]:
    """All in one, in their own order, if their shapes allow it."""
    shapes = {tuple(array.shape[1:] for array in state) for _, _, state in parts}
    if len(parts) == 1 or len(shapes) > 1:
        return parts
    owners = np.concatenate([rows for rows, _, _ in parts])
    changing = zip(*(state[len(fixed) :] for _, _, state in parts), strict=True)
    logits = _placed([logits for _, logits, _ in parts], parts)
    state = (*fixed, *(_placed(arrays, parts) for arrays in changing))
    return [(np.arange(len(owners)), logits, state)]


def _placed(arrays: Sequence[Any], parts: list[Read]) -> Any:
    """The rows of several arrays, NumPy's or torch's, each where it belongs."""
    whole = arrays[0][np.zeros(sum(len(rows) for rows, _, _ in parts), np.int64)]
    for array, (rows, _, _) in zip(arrays, parts, strict=True):
        whole[rows] = array
    return whole
