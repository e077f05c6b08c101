"""The loss of a network on a batch, in training and in evaluation."""

from typing import Any

import torch

from rnngen.contracts import IGNORE, State
from rnngen.data.batches import Batch


def batch_loss(
    network: Any, batch: Batch, state: State | None, precision: str, reduction: str = "mean"
) -> tuple[torch.Tensor, State]:
    """Return the cross-entropy of a batch in nats, and the state after it.

    Args:
        network: a ``Network`` or a ``SourceNetwork``.
        batch: inputs and targets (B,T), and the sources where there are any.
        state: that after the batch before; rows that begin with a fresh state do not see it.
        precision: ``fp32`` or ``bf16``, of the matrix products.
        reduction: ``mean`` over the targets that count, or ``sum``.
    """
    device = next(network.parameters()).device
    inputs = torch.from_numpy(batch.inputs).to(device, non_blocking=True)
    targets = torch.from_numpy(batch.targets).to(device, non_blocking=True)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        loss, state = network.nll(inputs, targets, initial_states(network, batch, state))
    if reduction == "mean":  # where a text's end token is left over, none counts: 0, not torch's 0 / 0
        loss = loss / max(1, int((batch.targets != IGNORE).sum()))
    if batch.source is not None:
        return loss, ()  # an example's state is of no use to the next
    return loss, tuple(array.detach().float() for array in state)


def initial_states(network: Any, batch: Batch, state: State | None) -> State:
    """Return the state in which each row begins: that of its source, a fresh one, or the one given."""
    if batch.source is not None:
        device = next(network.parameters()).device
        return tuple(network.start(torch.from_numpy(batch.source).to(device)))
    if state is None or batch.reset_state.all():
        return tuple(network.start(len(batch.reset_state)))
    if not batch.reset_state.any():
        return state
    initial: State = network.start(len(batch.reset_state))
    reset = torch.from_numpy(batch.reset_state).to(state[0].device)
    return tuple(
        torch.where(reset.view(-1, *[1] * (new.ndim - 1)), new, old)
        for new, old in zip(initial, state, strict=True)
    )
