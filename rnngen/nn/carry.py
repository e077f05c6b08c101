"""The state that a window of text leaves to the next: rows begin anew, and what grows is cut."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rnngen.contracts import CarryingNetwork, State
from rnngen.errors import PluginError


def carry(network: Any, state: State, reset: Tensor) -> State:
    """Return the state in which the next window begins.

    Args:
        network: a network without a source.
        state: that after the window before.
        reset: (B,) bool on the CPU, true for rows that begin anew.
    """
    if isinstance(network, CarryingNetwork):
        return tuple(network.carry(state, reset))
    return reset_rows(network.start, state, reset, owner="the network")


def reset_rows(start: Callable[[int], State], state: State, reset: Tensor, *, owner: str) -> State:
    """Return a state with fresh rows where ``reset`` (B,) is true; ``start`` makes fresh ones.

    Raises:
        PluginError: if the state has another shape than a fresh one; the message names its ``owner``.
    """
    if not reset.any():
        return state
    fresh = tuple(start(len(reset)))
    if reset.all():
        return fresh
    for number, (new, old) in enumerate(zip(fresh, state, strict=True)):
        if new.shape != old.shape:
            raise PluginError(
                f"{owner}: array {number} of its state has grown from {_sizes(new)} to {_sizes(old)}, and "
                "rows of it cannot begin anew; a state that grows needs a method carry(state, reset)"
            )
    rows = reset.to(state[0].device) if state else reset
    pairs = zip(fresh, state, strict=True)
    return tuple(torch.where(rows.view(-1, *[1] * (new.ndim - 1)), new, old) for new, old in pairs)


def _sizes(array: Tensor) -> str:
    return f"({', '.join(['B', *map(str, array.shape[1:])])})"
