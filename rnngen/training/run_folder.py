"""A training run on disk, in a folder that takes the model's place once it holds a model."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnngen.errors import ModelError
from rnngen.events import Event, Saved
from rnngen.store import checkpoint, folders
from rnngen.store.checkpoint import Tensors
from rnngen.store.config import ModelConfig
from rnngen.store.model_folder import (
    CARD,
    CONFIG,
    METRICS,
    SPEED,
    TOKENIZER,
    TRAINING,
    WEIGHTS,
    read_metrics,
    read_model,
    read_speed,
    staged,
    write_config,
    write_weights,
)
from rnngen.training.trainer import MetricsRow, Trainer


@dataclass
class RunFolder:
    """Saves a run.

    A new run is written beside its place and moved there with its first save, so that a model of the same
    name is there, whole, until the new one is.
    """

    target: Path
    """The model's folder."""
    config: ModelConfig
    tokenizer_json: str
    extra: Tensors
    """Tensors that belong to the model beside the network's."""

    begun: Path | None = None
    """The folder that a new run has begun in already; it stays, whatever happens."""

    def __post_init__(self) -> None:
        self._settle(self.begun or self.target)

    def _settle(self, folder: Path) -> None:
        self.folder, self._identity = folder, folders.identity(folder)

    @property
    def _new(self) -> Path:
        """The place of a new run before its first save, and then of what it has replaced."""
        return self.target.with_name(f".{self.target.name}.new-{os.getpid()}")

    def begin(self) -> None:
        """Prepare a new run, leaving what is in the target's place alone."""
        if not self.begun:
            self.folder = self._new
            folders.discard(self.folder)
        for left in (METRICS, SPEED, WEIGHTS, TRAINING):  # by a run that died before it had saved all
            (self.folder / left).unlink(missing_ok=True)
        self.write_config()
        checkpoint.write_text(self.folder / TOKENIZER, self.tokenizer_json)
        self._settle(self.folder)

    def write_config(self) -> None:
        """Write ``config.json``, and the places of the text beside it."""
        write_config(self.folder, self.config)

    def abandon(self) -> None:
        """Remove what a run that saved nothing has written, and what is left of a model that it replaced."""
        folders.discard(self._new)

    def check(self) -> None:
        """Raise ``ModelError`` if the folder was removed, or another took its place, since the run began."""
        if folders.identity(self.folder) != self._identity or not (self.folder / CONFIG).exists():
            self._remove_half()
            raise ModelError(
                f"{self.target} was removed or replaced by another program in training; the run ends "
                "here, and saves nothing more"
            )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Write into the folder; where that fails since it was removed just then, say so."""
        self.check()
        try:
            yield
        except (OSError, ModelError):
            self.check()
            raise

    def _remove_half(self) -> None:
        """Remove what a save has written into the place of a folder that was removed meanwhile."""
        if (self.folder / CONFIG).exists():
            return
        for name in (METRICS, WEIGHTS, TRAINING):
            (self.folder / name).unlink(missing_ok=True)
        for folder in ((self.folder / TRAINING).parent, self.folder):
            with suppress(OSError):
                folder.rmdir()

    def save(self, trainer: Trainer, row: MetricsRow | None) -> Iterator[Event]:
        """Save the weights if they are the best, and always what resuming needs."""
        with self._watched():
            if row:
                self._append(METRICS, row.as_line())
                clock = {"step": row.step, "seconds": round(trainer.progress.seconds, 3)}
                self._append(
                    SPEED, json.dumps(clock | {"tokens_per_second": round(trainer.tokens_per_second)}) + "\n"
                )
            if (row and row.best) or not (self.folder / WEIGHTS).exists():
                weights = {**trainer.weights(), **trainer.beside(), **self.extra}
                self.write_weights(weights)
                yield Saved(trainer.progress.step, str(self.target / WEIGHTS))
            tensors, record = trainer.snapshot()
            checkpoint.write_tensors(self.folder / TRAINING, tensors, record)
            if self.folder != self.target:  # a new run moves to its place
                if not self.begun:
                    folders.discard(staged(self.target))  # an ensemble's run of that name, or it would go on
                folders.replace_folder(self.folder, self.target)
                self._settle(self.target)
            yield Saved(trainer.progress.step, str(self.target / TRAINING))

    def _append(self, name: str, line: str) -> None:
        path = self.folder / name
        before = path.read_text(encoding="utf-8") if path.exists() else ""
        checkpoint.write_text(path, before + line)

    def write_weights(self, weights: Tensors) -> None:
        """Replace the weights of the model, with all that belongs to them."""
        with self._watched():
            write_weights(self.folder, weights, self.config, self.tokenizer_json)

    def load(self) -> tuple[Tensors, dict[str, Any]]:
        """Read what ``save`` saved for resuming; metrics after it are forgotten.

        Raises:
            ModelError: if any file of the model is missing or damaged.
        """
        model = read_model(self.folder)  # the best weights so far are kept, so they must be sound
        if model.config.identity != self.config.identity:
            raise ModelError(f"{self.folder} was replaced by another model just now; resume again")
        self.extra = {name: model.weights.get(name, array) for name, array in self.extra.items()}
        tensors, record = checkpoint.read_tensors(self.folder / TRAINING)
        self._forget_after(record["progress"]["step"])
        return tensors, record

    def write_card(self, text: str) -> None:
        """Write the model card."""
        with self._watched():
            checkpoint.write_text(self.folder / CARD, text)

    def _forget_after(self, step: int) -> None:
        for name, rows in ((METRICS, read_metrics(self.folder)), (SPEED, read_speed(self.folder))):
            kept = [row for row in rows if row["step"] <= step]
            checkpoint.write_text(self.folder / name, "".join(json.dumps(row) + "\n" for row in kept))


class ReadOnlyRun(RunFolder):
    """The run's folder for a process that only reads it, since another one writes."""

    def begin(self) -> None:
        """Leave it to the other process."""

    def abandon(self) -> None:
        """Nothing was written."""

    def write_config(self) -> None:
        """Leave it to the other process."""

    def save(self, trainer: Trainer, row: MetricsRow | None) -> Iterator[Event]:  # noqa: ARG002
        """Only hand over the state that this process's streams carry."""
        trainer.whole_state()
        return iter(())

    def check(self) -> None:
        """Leave it to the other process."""

    def _forget_after(self, step: int) -> None:
        """Leave it to the other process."""
