"""A running mean of the weights, often a better model than the last ones (Polyak and Juditsky 1992)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor


class RunningMean:
    """An exponential mean of parameters; it forgets faster at first, so that the beginning leaves no trace.

    Args:
        parameters: those of the network.
        keep: how much of the mean is kept at a step, from 0 to below 1; 0 is no mean at all.
    """

    def __init__(self, parameters: Sequence[Tensor], keep: float) -> None:
        self.parameters, self.keep = parameters, keep
        self.mean = [p.detach().clone() for p in parameters] if keep else []

    def update(self, step: int) -> None:
        """Take in the weights after update number ``step``."""
        if self.mean:
            keep = min(self.keep, (1 + step) / (10 + step))
            new = [p.detach() for p in self.parameters]
            torch._foreach_lerp_(self.mean, new, 1 - keep)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within this, the network has the mean for its weights."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        with torch.no_grad():
            for parameter, mean in zip(self.parameters, self.mean, strict=bool(self.mean)):
                kept = parameter.clone()
                parameter.copy_(mean)
                mean.copy_(kept)
