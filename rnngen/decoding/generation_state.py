"""Where a text stands before its next token: what was read, and what a network made of it.

::

    history    T h e   c a t
    state      ────────── ▴ │       before the last token, which is still to be read,
    logits               or ▴       or after it, with what it says of the next
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnngen.contracts import Floats, NetworkStep, State
from rnngen.errors import UsageError


@dataclass(frozen=True, eq=False)
class Moment:
    """One stream, between two tokens. It is never written to, so that many texts can go on from it."""

    history: tuple[int, ...]
    """The tokens so far, at least one."""
    state: State
    """Of one stream: before the last of them where there are no logits, else after it."""
    logits: "Floats | None" = None
    """(1,V) for what follows."""


def read_up(step: NetworkStep, state: State, tokens: Sequence[int]) -> Moment:
    """Read all but the last of some tokens, at least one: that comes when somebody wants to go on."""
    for token in tokens[:-1]:
        _, state = step(np.array([token]), state)
    return Moment(tuple(tokens), state)


def read_out(step: NetworkStep, moment: Moment) -> Moment:
    """Read the last token too, if that is still to be done."""
    if moment.logits is not None:
        return moment
    logits, state = step(np.array([moment.history[-1]]), moment.state)
    return Moment(moment.history, state, logits)


def blend(step: NetworkStep, one: Moment, other: Moment, weight: float) -> Moment:
    """Interpolate two states: (1 − weight)·one + weight·other, array by array, and so the logits.

    A linear output layer makes the same logits of an interpolated output. At 0 and 1 it is the one or the
    other, to the bit; the history, for filters, and arrays that hold no floats are those of ``one``.

    Raises:
        UsageError: if the states have different shapes, as those that grow with the text do.
    """
    one, other = read_out(step, one), read_out(step, other)
    assert one.logits is not None
    pairs = list(zip((*one.state, one.logits), (*other.state, other.logits), strict=True))
    if any(tuple(a.shape) != tuple(b.shape) for a, b in pairs):
        raise UsageError(
            "these prompts cannot be blended: the network's state grows with the text; give prompts of as "
            "many tokens, or a model whose state does not grow"
        )
    *state, logits = (_between(a, b, weight) for a, b in pairs)
    return Moment(one.history, tuple(state), logits)


def _between(a: Any, b: Any, weight: float) -> Any:
    """Two arrays, NumPy's or torch's, interpolated in their own precision."""
    floats = np.issubdtype(a.dtype, np.floating) if isinstance(a, np.ndarray) else a.is_floating_point()
    if weight == 0 or not floats:
        return a
    return b if weight == 1 else (1 - weight) * a + weight * b
