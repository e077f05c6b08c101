"""One process among several that train one model with torch's own collectives; alone, all of it does nothing.

::

    the batch (B,T) of one process   ├ process 0 ┤├ process 1 ┤├ process 2 ┤      its rows, without overlap
                                       gradient  +  gradient  +  gradient          of summed surprisals
                                      ───────────── / targets of all ───────      = that of one process

Every process goes through the same batches in the same order, learns its own rows of each, and makes the same
update. Process 0 alone saves and reports; what only it can know (its clock, a score) it broadcasts.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
from torch import Tensor, distributed

from rnngen.contracts import IGNORE, State
from rnngen.data.batches import Batch
from rnngen.errors import DeviceError, OptionError, RnngenError
from rnngen.nn.devices import choose_device
from rnngen.training.launching import launched

PATIENCE = timedelta(minutes=30)
"""Time that a process waits for the others, which may be encoding a large corpus, before it fails."""


class PeerLost(RnngenError):  # noqa: N818 - reads as the sentence that it is
    """Another process of the training is gone, or has not answered for long."""


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a training, seen from one of them.

    A collective returns the same to all, and all must call it, in the same order.
    """

    rank: int = 0
    """The number of this process."""
    size: int = 1
    """The number of processes."""

    def total(self, *numbers: float) -> list[float]:
        """Collective: the sums of all processes' numbers."""
        return self._sum(torch.tensor(numbers, dtype=torch.float64)).tolist() if self.size > 1 else [*numbers]

    def broadcast(self, number: float) -> float:
        """Collective: process 0's number."""
        return self.total(0.0 if self.rank else number)[0]

    def any(self, wish: bool) -> bool:
        """Collective: whether that of any process is true."""
        return self.total(wish)[0] > 0

    def first(self, ask: Callable[[], float]) -> float:
        """Collective: the answer of process 0 to a question that takes long; the others wait."""
        return self.broadcast(0.0 if self.rank else ask())

    def sum_gradients(self, parameters: Sequence[Tensor], loss: Tensor) -> Tensor:
        """Collective: add up all processes' gradients, in place → the sum of the losses.

        One that no process has remains ``None``, so that the optimizer leaves its parameter alone.
        """
        if self.size == 1:
            return loss
        used = self.total(*(p.grad is not None for p in parameters))
        shared = [p for p, count in zip(parameters, used, strict=True) if count]
        own = [torch.zeros_like(p) if p.grad is None else p.grad for p in shared]
        flat = self._sum(torch.cat([*(grad.flatten() for grad in own), loss.detach().reshape(1)]))
        *sums, total = torch.split(flat, [*(p.numel() for p in shared), 1])
        for parameter, gradient in zip(shared, sums, strict=True):
            parameter.grad = gradient.view_as(parameter)
        summed: Tensor = total[0]
        return summed

    def whole(self, state: State, rows: int) -> State:
        """Collective: the state of all rows, put together from all processes'."""
        if self.size == 1:
            return state
        own, made = self._own(rows), []
        for array in state:
            whole = array.new_zeros(rows, *array.shape[1:])
            whole[own] = array[: own.stop - own.start]
            made.append(self._sum(whole))
        return tuple(made)

    def _sum(self, tensor: Tensor) -> Tensor:
        """Add up all processes', in place."""
        try:
            distributed.all_reduce(tensor)
        except RuntimeError as error:
            raise PeerLost(
                f"process {self.rank} of {self.size} has lost the others; the last saved state is kept, and "
                "--resume goes on from it"
            ) from error
        return tensor

    def _own(self, rows: int) -> slice:
        """Return which of ``rows`` rows are this process's; none, where there are fewer than processes."""
        return slice(rows * self.rank // self.size, rows * (self.rank + 1) // self.size)

    def rows(self, rows: int) -> slice:
        """Return the same, but the first one where there are none: every process has something to do."""
        own = self._own(rows)
        return own if own.stop > own.start else slice(0, 1)

    def share(self, batch: Batch) -> Batch:
        """Return this process's rows of a batch; without any, a row whose targets do not count."""
        if self.size == 1:
            return batch
        rows, own = len(batch.reset_state), self._own(len(batch.reset_state))
        share = batch.rows(self.rows(rows))
        if own.stop > own.start:
            return share
        return share._replace(targets=np.full_like(share.targets, IGNORE))

    @contextmanager
    def own_draws(self, seed: int, step: int, device: torch.device) -> Iterator[None]:
        """Within this, torch's random numbers are this process's own, as for dropout; else all draw the same.

        They follow from the seed, the step and the process's number alone, so that nothing need be saved.
        """
        if self.size == 1:
            yield
            return
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            drawn = np.random.SeedSequence([seed, step, self.rank]).generate_state(2)
            torch.manual_seed(int(drawn[0]) << 31 | int(drawn[1]) >> 1)
            yield

    def device(self, name: str) -> torch.device:
        """Return where this process computes: on a GPU of its own, or on the processor.

        Raises:
            DeviceError: if there are fewer GPUs than processes on this machine.
            OptionError: if a single GPU is named.
        """
        if self.size == 1:
            return choose_device(name)
        there, local = torch.cuda.device_count(), int(os.environ.get("LOCAL_RANK", "0"))
        if name == "cpu" or (name == "auto" and not there):
            return torch.device("cpu")
        if name not in ("auto", "cuda"):
            raise OptionError(f"`device={name}`: each process takes a GPU of its own; give cuda, or cpu")
        if local >= there:
            raise DeviceError(f"process {local} of this machine has no GPU, there are {there}; start fewer")
        torch.cuda.set_device(local)
        return choose_device(f"cuda:{local}")


def current() -> ProcessGroup:
    """Return the group that this process has joined; itself alone, if none."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return ProcessGroup()
    return ProcessGroup(distributed.get_rank(), distributed.get_world_size())


@contextmanager
def joined() -> Iterator[ProcessGroup]:
    """Within this, the process is one of those that torch's launcher started together, if it did.

    Tensors on GPUs travel by NCCL, and those of the processor, so also whatever decides, by gloo.

    Raises:
        PeerLost: if the others do not come.
    """
    if not launched():
        yield ProcessGroup()
        return
    gpus = torch.cuda.is_available() and distributed.is_nccl_available()
    try:
        distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=PATIENCE)
    except RuntimeError as error:
        raise PeerLost(f"the other processes cannot be reached: {error}") from error
    try:
        yield current()
    finally:
        distributed.destroy_process_group()
