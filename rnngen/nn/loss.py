"""The loss of a network on a batch, in training and in evaluation."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from rnngen.contracts import IGNORE, State
from rnngen.data.batches import Batch
from rnngen.nn.carry import carry


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
    inputs = torch.from_numpy(batch.inputs).to(device)  # waited for: they are views that may be gone
    targets = torch.from_numpy(batch.targets).to(device)
    with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        state = initial_states(network, batch, state)
        loss = torch.zeros((), device=device)
        for columns in _stretches(batch):
            part, state = network.nll(inputs[:, columns], targets[:, columns], state)
            loss = part if batch.inputs.shape[1] <= columns.stop - columns.start else loss + part
    if reduction == "mean":  # where a text's end token is left over, none counts: 0, not torch's 0 / 0
        loss = loss / max(1, int((batch.targets != IGNORE).sum()))
    if batch.source is not None:
        return loss, ()  # an example's state is of no use to the next
    return loss, tuple(_kept(array.detach()) for array in state)


def batch_logits(
    network: Any, batch: Batch, state: State | None, precision: str, most: int
) -> Iterator[tuple[slice, Tensor, State]]:
    """Read a batch without gradients, stretches of columns one after another; arguments as in ``batch_loss``.

    A stretch has about ``most`` logits, at most.

    Yields:
        The columns, their logits (B,t,V) in float32, and the state after them.
    """
    device = next(network.parameters()).device
    inputs, begin, width = torch.from_numpy(batch.inputs).to(device), 0, 1
    while begin < inputs.shape[1]:
        columns = slice(begin, begin + width)
        with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            before = state if begin and state is not None else initial_states(network, batch, state)
            logits, after = network(inputs[:, columns], before)
            state = tuple(map(_kept, after))
        yield columns, logits.float(), state
        begin += width
        width = max(1, most // (logits.shape[0] * logits.shape[2]))


def _stretches(batch: Batch) -> Iterator[slice]:
    """Yield the columns of a batch; without gradients in pieces, where an attention would be too large."""
    length = batch.inputs.shape[1]
    stretch = length
    if batch.source is not None and not torch.is_grad_enabled():
        stretch = max(1, min(length, ATTENDED // max(1, batch.source.size)))
    return (slice(begin, begin + stretch) for begin in range(0, length, max(1, stretch)))


def initial_states(network: Any, batch: Batch, state: State | None) -> State:
    """Return the state in which each row begins: that of its source, a fresh one, or the one given."""
    if batch.source is not None:
        device = next(network.parameters()).device
        return tuple(network.start(torch.from_numpy(batch.source).to(device)))
    if state is None or (state and len(state[0]) != len(batch.reset_state)):  # another number of examples
        return tuple(network.start(len(batch.reset_state)))
    return carry(network, state, torch.from_numpy(batch.reset_state))


def _kept(array: Tensor) -> Tensor:
    """Return an array of a state as it is kept: floats in fp32, and integers, which count, as they are."""
    return array.float() if array.is_floating_point() else array


ATTENDED = 1 << 23
"""Most attention weights of a batch that are computed at once (32 MiB) where no gradient is wanted."""
LIMIT = 1 << 24
"""Most logits that are computed at once (64 MiB); where a batch has more, it is cut into chunks."""
CHUNK = 1 << 23
"""Logits of a chunk; with fewer, adding up the gradients of the weights takes more time than it saves."""

Loss: TypeAlias = Callable[..., Tensor]
"""``loss(x (n,I), targets (n,), *parameters)``: a sum over rows, of nothing else that has a gradient."""


def chunked_loss(loss: Loss, x: Tensor, targets: Tensor, parameters: Sequence[Tensor], width: int) -> Tensor:
    """Return the sum of ``loss`` over all rows, with its gradients; all logits never exist at once.

    ::

        x (N,I) ─▸ chunk of rows ─▸ logits (n,V) ─▸ loss, gradient of x and of the weights ─▸ forgotten
                   chunk of rows ─▸ logits (n,V) ─▸ …                                        added up

    The gradient is computed with the loss, while a chunk's logits are there, and only scaled on the way back.
    Measured on two busy cores with 4096 rows of 256 and 16,384 tokens: less than a third of the memory of the
    plain way, at its speed; to recompute the logits on the way back (``torch.utils.checkpoint``) took a tenth
    longer in fp32 and half as long again in bf16.

    Args:
        loss: of some rows.
        x: (N,I).
        targets: (N,).
        parameters: of the loss.
        width: logits that a row has.
    """
    if len(x) * width <= LIMIT:
        return loss(x, targets, *parameters)
    rows = max(1, CHUNK // width)
    if torch.is_grad_enabled():
        total: Tensor = _Chunked.apply(loss, rows, x, targets, *parameters)  # type: ignore[no-untyped-call]
        return total
    return torch.stack([loss(*part, *parameters) for part in _cut(x, targets, rows)]).sum()


class _Chunked(torch.autograd.Function):
    """``chunked_loss``, where gradients are wanted."""

    @staticmethod
    def forward(ctx: Any, loss: Loss, rows: int, x: Tensor, targets: Tensor, *parameters: Tensor) -> Tensor:
        """The sum; what autograd needs of a chunk is gone with the chunk."""
        leaves = [p.detach().requires_grad_() for p in parameters]
        sums, of_x = [torch.zeros_like(p) for p in parameters], []
        losses: list[Tensor] = []
        for part, wanted in _cut(x, targets, rows):
            with torch.enable_grad():
                inputs = part.detach().requires_grad_()
                value = loss(inputs, wanted, *leaves)
            first, *others = torch.autograd.grad(value, [inputs, *leaves])
            of_x.append(first)
            torch._foreach_add_(sums, others)
            losses.append(value.detach())
        ctx.save_for_backward(torch.cat(of_x), *sums)
        return torch.stack(losses).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """The gradients, scaled."""
        of_x, *others = ctx.saved_tensors
        (scale,) = gradients
        return None, None, of_x * scale, None, *(one * scale for one in others)


def _cut(x: Tensor, targets: Tensor, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
    for begin in range(0, len(x), rows):
        yield x[begin : begin + rows], targets[begin : begin + rows]
