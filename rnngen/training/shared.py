"""What differs where several processes train together: how the held-out text is tried, and who writes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rnngen.data.batches import Batch
from rnngen.evaluation.perplexity import LossEvaluator
from rnngen.events import Event
from rnngen.training.distributed import Team
from rnngen.training.run_folder import RunFolder
from rnngen.training.trainer import Evaluation, Trainer


@dataclass(frozen=True)
class SharedLossEvaluator(LossEvaluator):
    """Tries a network on a text together with the other processes: each reads its rows, and all sum up."""

    team: Team = field(default_factory=Team)

    def total(self, batches: Iterable[Batch]) -> tuple[float, int]:
        """Return the summed nats of all targets and their number, over all processes."""
        nats, tokens = self.team.total(*super().total(map(self.team.share, batches)))
        return nats, int(tokens)


class Onlooker(RunFolder):
    """The run's folder for a process that only reads it, since another one writes."""

    def begin(self) -> None:
        """Leave it to the other."""

    def abandon(self) -> None:
        """There is nothing to forget."""

    def write_config(self) -> None:
        """Leave it to the other."""

    def save(self, trainer: Trainer, evaluation: Evaluation | None) -> Iterator[Event]:  # noqa: ARG002
        """Only hand over what this process's streams remember."""
        trainer.remembered()
        return iter(())

    def _forget_after(self, step: int) -> None:
        """Leave it to the other."""


def run_folder(team: Team, *arguments: Any) -> RunFolder:
    """The folder of a run, for the process that writes or for one that only reads."""
    return Onlooker(*arguments) if team.rank else RunFolder(*arguments)
