"""The models that a new one learns from: found, held to their word, and found again when a run is resumed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnngen.errors import ModelError, NotFoundError, OptionError
from rnngen.generation.loading import check_same_vocabulary
from rnngen.registry import Registry
from rnngen.registry.components import Component, restore
from rnngen.store.config import TeacherRecord
from rnngen.store.model_folder import MEMBERS, WEIGHTS, ModelStore, StoredModel, read_model

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Teacher:
    """A model that another one learns from."""

    record: TeacherRecord
    model: StoredModel
    cell: Component

    def network(self, device: str) -> "nn.Module":
        """Build its network in torch, in evaluation mode."""
        from rnngen.nn.build import load_network

        return load_network(self.cell, self.model, device)


def open_teachers(registry: Registry, models: ModelStore, names: Sequence[str]) -> tuple[Teacher, ...]:
    """Read models that are to teach one student.

    Raises:
        NotFoundError, ModelError, PluginError: if one cannot be read.
        OptionError: if one is named twice.
        UsageError: if their tasks or vocabularies differ.
    """
    paths = [models.find(name) for name in names]
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise OptionError(f"`teacher={names[number]}` is given twice; name each teacher once")
    taught = [_opened(registry, path, place_of(models, path)) for path in paths]
    for other in taught[1:]:
        check_same_vocabulary(taught[0].model, other.model, "teach one model")
    return tuple(taught)


def reopen_teachers(
    registry: Registry, models: ModelStore, folder: Path, records: Sequence[TeacherRecord]
) -> tuple[Teacher, ...]:
    """Read the teachers of a run that goes on in a folder.

    Raises:
        ModelError: if one is gone, or is not what it was.
    """
    made = []
    for record in records:
        learns = f"{folder.name} learns from the model {record.name}"
        mend = f"restore it, or train {folder.name} anew"
        if (path := _found(models, folder, record)) is None:
            raise ModelError(f"{learns}, which is not there any more; {mend}")
        made.append(_opened(registry, path, record.model))
        if made[-1].record != record:
            raise ModelError(f"{learns}, which has changed since; {mend}")
    return tuple(made)


def place_of(models: ModelStore, path: Path) -> str:
    """Return how a teacher is found again: by its name among the models, else by its path."""
    return path.name if path.parent == models.root else str(path.resolve())


def teacher(model: StoredModel, place: str, cell: Component) -> Teacher:
    """Return a model as a teacher that is found again at ``place``."""
    with (model.path / WEIGHTS if model.path.is_dir() else model.path).open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Teacher(TeacherRecord(place, digest), model, cell)


def _opened(registry: Registry, path: Path, place: str) -> Teacher:
    model = read_model(path)
    return teacher(model, place, restore(registry, "cell", model.config.cell))


def _found(models: ModelStore, folder: Path, record: TeacherRecord) -> Path | None:
    """Return the place of a teacher, if it is there; that of an ensemble is within the run's folder.

    Raises:
        ModelError: if the ensemble is done.
    """
    if record.model.startswith(f"{MEMBERS}/"):
        if not (folder / MEMBERS).is_dir():
            raise ModelError(
                f"{folder.name} has learnt from an ensemble, whose networks are gone since it is done: it "
                "cannot go on; train another"
            )
        return folder / record.model if (folder / record.model).is_dir() else None
    try:
        return models.find(record.model)
    except NotFoundError:
        return None
