"""Reading what a text begins with: one prompt or many, to the last token or past it.

``prefill`` reads all but the last token of prefixes of one length; ``next_logits`` reads that one too;
``read_prefixes`` reads prefixes of different lengths side by side; ``blend`` interpolates what was made of
two.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnngen.contracts import Floats, GenerationState, NetworkStep, State, TokenIds
from rnngen.errors import UsageError

Read = tuple[TokenIds, Floats, State]
"""Numbers (n,) of the prefixes, the logits (n,V) for what follows, and the state."""


def select_rows(state: State, rows: Any) -> State:
    """Return the streams of a state that ``rows`` names, in that order, for reading only.

    Where all of them are one, and its array has three dimensions or more, as the memory of a source that 64
    texts are written about, they share it.
    """
    return tuple(_rows(array, rows) for array in state)


def _rows(array: Any, rows: Any) -> Any:
    if not isinstance(array, np.ndarray) or array.ndim < 3:
        return array[rows]
    places = np.arange(len(array))[rows]
    shared = not array.strides[0] or bool((places == places[:1]).all())
    if not shared or not len(places):
        return array[rows]
    return np.broadcast_to(array[places[0]], (len(places), *array.shape[1:]))


def prefill(model: NetworkStep, state: State, prefixes: Sequence[Sequence[int]]) -> GenerationState:
    """Read all but the last token of B prefixes of one length, at least one token each.

    The last one is read when somebody goes on.
    """
    for column in np.array(prefixes, np.int64).T[:-1]:
        _, state = model(column, state)
    return GenerationState(tuple(tuple(prefix) for prefix in prefixes), state)


def next_logits(model: NetworkStep, given: GenerationState) -> GenerationState:
    """Read the last token of each stream too, if that is still to be done."""
    if given.logits is not None:
        return given
    logits, state = model(np.array([history[-1] for history in given.histories]), given.state)
    return GenerationState(given.histories, state, logits)


def select_streams(given: GenerationState, rows: Sequence[int]) -> GenerationState:
    """Return the streams that ``rows`` names, in that order; a stream may come several times."""
    logits = None if given.logits is None else given.logits[rows]
    histories = tuple(given.histories[row] for row in rows)
    return GenerationState(histories, select_rows(given.state, rows), logits)


def blend(model: NetworkStep, one: GenerationState, other: GenerationState, weight: float) -> GenerationState:
    """Interpolate two states: (1 − weight)·one + weight·other, array by array, and so the logits.

    A linear output layer makes the same logits of an interpolated output. At 0 and 1 it is the one or the
    other, to the bit; the histories, for filters, are those of ``one``, and so are, below 1,
    arrays without floats.

    Raises:
        UsageError: if the states have different shapes, as those that grow with the text do.
    """
    one, other = next_logits(model, one), next_logits(model, other)
    pairs = list(zip((*one.state, one.logits), (*other.state, other.logits), strict=True))
    if any(tuple(a.shape) != tuple(b.shape) for a, b in pairs):
        raise UsageError(
            "these prompts cannot be blended: the network's state grows with the text; give prompts of as "
            "many tokens, or a model whose state does not grow"
        )
    *state, logits = (_interpolated(a, b, weight) for a, b in pairs)
    return GenerationState(one.histories, tuple(state), logits)


def _interpolated(a: Any, b: Any, weight: float) -> Any:
    """Two arrays, NumPy's or torch's, interpolated in their own precision."""
    floats = np.issubdtype(a.dtype, np.floating) if isinstance(a, np.ndarray) else a.is_floating_point()
    if weight == 1:
        return b
    return a if weight == 0 or not floats else (1 - weight) * a + weight * b


def read_prefixes(model: NetworkStep, state: State, prefixes: Sequence[Sequence[int]]) -> list[Read]:
    """Read N prefixes of at least one token each; prefix n is row n of ``state``.

    A prefix that is over waits, and nothing is fed to it meanwhile. So the result is one batch; only where
    states of different ages have different shapes, as growing caches have, is it one for each length.
    """
    lengths = np.array([len(prefix) for prefix in prefixes])
    fixed, rows = state[: model.fixed], np.arange(len(prefixes))
    parts: list[Read] = []
    for place in range(max(lengths, default=0)):
        logits, state = model(np.array([prefixes[row][place] for row in rows.tolist()]), state)
        over = lengths[rows] == place + 1
        if over.all():
            return _joined([*parts, (rows, logits, state)], fixed)
        if over.any():
            done, on = np.flatnonzero(over), np.flatnonzero(~over)
            parts.append((rows[done], logits[done], select_rows(state, done)))
            rows, state = rows[on], select_rows(state, on)
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
