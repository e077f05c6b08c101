"""What becomes of the events of a training.

::

    Step         train/loss  train/learning_rate  train/gradient_norm  train/tokens_per_second
    Evaluated    validation/loss  validation/nats_per_char  validation/score
    Sampled      sample
"""

from pathlib import Path
from typing import Any

from rnngen.events import Evaluated, Event, Sampled, Started, Step
from torch.utils.tensorboard import SummaryWriter

from rnngen_tensorboard import TensorBoardOptions

SUMMARIES: Any = SummaryWriter
"""Without types, as in some versions of torch."""


class Writer:
    """A ``rnngen.contracts.ClosingListener``; the run's folder is made when the training starts."""

    def __init__(self, options: TensorBoardOptions) -> None:
        self.folder = Path(options.folder)
        self.writer: Any = None

    def __call__(self, event: Event) -> None:
        """Write what there is to write of an event."""
        if isinstance(event, Started):
            self.close()
            place = str(self.folder / event.model)
            # a run that goes on hides what was written of later steps
            self.writer = SUMMARIES(place, purge_step=event.step and event.step + 1)
        elif isinstance(event, Step):
            self._write("train/loss", event.loss, event.step)
            self._write("train/learning_rate", event.lr, event.step)
            self._write("train/gradient_norm", event.grad_norm, event.step)
            self._write("train/tokens_per_second", event.tokens_per_second, event.step)
        elif isinstance(event, Evaluated):
            self._write("validation/loss", event.loss, event.step)
            self._write("validation/nats_per_char", event.nats_per_char, event.step)
            self._write("validation/score", event.score, event.step)
        elif isinstance(event, Sampled) and self.writer is not None:
            self.writer.add_text("sample", event.text, event.step)

    def close(self) -> None:
        """Write what is still held, and close the file."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _write(self, name: str, value: float | None, step: int) -> None:
        if self.writer is not None and value is not None:
            self.writer.add_scalar(name, value, step)
