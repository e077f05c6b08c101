"""A mean of the weights, often a better model than the last ones (Polyak and Juditsky 1992).

::

    none       the weights themselves
    running    an exponential mean, from the first update (--average)
    triggered  the plain mean of all weights since validation stopped improving (--optimizer nt-asgd)
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from rnngen.options.model import TrainingOptions


class Mean:
    """No mean at all, and what all have in common."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.parameters = parameters
        self.mean: list[Tensor] = []
        """One for each parameter; none as long as the weights themselves are evaluated."""

    def update(self, step: int) -> None:
        """Take in the weights after update number ``step``."""

    def observe(self, step: int, loss: float) -> None:
        """Take in the result of an evaluation, the lower the better."""

    def record(self) -> dict[str, Any]:
        """Return what ``restore`` needs beside the mean, for JSON."""
        return {}

    def restore(self, _: Mapping[str, Any], mean: Sequence[Tensor]) -> None:
        """Go on from a snapshot: its record, and the mean."""
        for kept, stored in zip(self.mean, mean, strict=True):
            kept.copy_(stored)

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

    def _here(self) -> list[Tensor]:
        return [p.detach() for p in self.parameters]


class RunningMean(Mean):
    """An exponential mean of parameters; it forgets faster at first, so that the beginning leaves no trace.

    ``keep`` is the share of the mean that is kept at a step, from 0 to below 1; 0 is no mean at all.
    """

    def __init__(self, parameters: Sequence[Tensor], keep: float) -> None:
        super().__init__(parameters)
        self.keep = keep
        self.mean = [p.clone() for p in self._here()] if keep else []

    def update(self, step: int) -> None:
        """Take in the weights after update number ``step``."""
        if self.mean:
            keep = min(self.keep, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.mean, self._here(), 1 - keep)


class TriggeredMean(Mean):
    """The mean of all weights since validation stopped improving (NT-ASGD: Merity et al. 2017, 1708.02182).

    It begins after an evaluation that is worse than the best of those more than ``INTERVAL`` before it.
    """

    INTERVAL = 5
    """The non-monotone interval n, in evaluations."""

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__(parameters)
        self.losses: list[float] = []
        """Losses of all evaluations before the mean began."""
        self.since: int | None = None
        """The update after which it began."""

    def update(self, step: int) -> None:
        """Take in the weights after update number ``step``."""
        if self.since is not None:
            torch._foreach_lerp_(self.mean, self._here(), 1 / (step - self.since))

    def observe(self, step: int, loss: float) -> None:
        """Begin where it no longer gets better."""
        if self.since is None:
            if loss > min(self.losses[: -self.INTERVAL], default=loss):
                self._begin(step)
            self.losses.append(loss)

    def _begin(self, step: int) -> None:
        self.since, self.mean = step, [p.clone() for p in self._here()]

    def record(self) -> dict[str, Any]:
        """Return the losses, and when the mean began."""
        return {"losses": list(self.losses), "since": self.since}

    def restore(self, record: Mapping[str, Any], mean: Sequence[Tensor]) -> None:
        """Go on from a snapshot."""
        self.losses = list(record["losses"])
        if record["since"] is not None:
            self._begin(record["since"])
        super().restore(record, mean)


def make_mean(parameters: Sequence[Tensor], options: TrainingOptions) -> Mean:
    """Build the mean that the options ask for."""
    if options.optimizer == "nt-asgd":
        return TriggeredMean(parameters)
    return RunningMean(parameters, options.average)
