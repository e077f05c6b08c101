"""Models on disk: a folder each, listed by name, opened by name or path.

::

    NAME/
      config.json          its parts, its options and its corpus
      tokenizer.json       text ↔ ids
      model.safetensors    the best weights so far, in fp32
      metrics.jsonl        one line an evaluation
      README.md            the model card
      last/training.safetensors    the state of training, for resuming
      last/corpus.json             the places of the text on this machine, likewise
      last/teachers.json           those of the models that it learns from, if any
      last/members/                these, where they are an ensemble's, until it is done

A model in one file (``rnngen export``) is a model.safetensors whose record holds the first two files too.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnngen.errors import ModelError, NotFoundError, UnknownName, UsageError
from rnngen.store import checkpoint, folders
from rnngen.store.checkpoint import Tensors

if TYPE_CHECKING:
    from rnngen.store.config import CorpusRecord, ModelConfig, TeacherRecord

CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
METRICS, CARD = "metrics.jsonl", "README.md"
TRAINING, PLACES, TEACHERS = "last/training.safetensors", "last/corpus.json", "last/teachers.json"
MEMBERS = "last/members"
SPEED = "last/speed.jsonl"
"""One line an evaluation that depends on the clock: step, seconds so far, tokens a second."""

DEFAULT = ".default"
"""The file that names the default model, beside the models' folders."""
TRAINED_TOKENS = "seen"
"""A tensor beside the network's: (V,) 1 for tokens that occurred in training; no others are generated."""
ALPHABET, SOURCE_ALPHABET = "alphabet", "source_alphabet"
"""Tensors beside the network's: (C,) code points of the characters that occurred in training, and in its
sources. Models of earlier versions have none."""
EXAMPLES = "examples"
"""A tensor beside the network's: (N,2) sorted hashes of the examples of the text, each in two halves of 32
bits. Models of earlier versions, of free text and of pairs have none."""
TARGET_LENGTHS, OCTAVES = "target_lengths", 32
"""A tensor beside the network's: (32,) the most tokens of a target, its end included, among the pairs of
training whose sources have 2^i to 2^(i+1) − 1 tokens, their end included; 0 where there are none. Models of
earlier versions, and those that read no source, have none."""
NGRAM = "ngram."
"""The beginning of the names of the n-gram's tensors."""


def is_fact(name: str) -> bool:
    """Return whether a tensor of a model is no parameter of its network."""
    return name in {TRAINED_TOKENS, ALPHABET, SOURCE_ALPHABET, EXAMPLES, TARGET_LENGTHS} or name.startswith(
        NGRAM
    )


@dataclass(frozen=True)
class StoredModel:
    """A whole model, as read from disk and verified."""

    path: Path
    config: "ModelConfig"
    tokenizer_json: str
    weights: Tensors


def read_model(path: Path) -> StoredModel:
    """Read a model from its folder or from its one file, and compare what it holds.

    Raises:
        ModelError: if a file is missing, cut short, changed, of another model, from a newer rnngen, or lies
            outside the folder; or if tensors do not fit the configuration, or are not numbers.
    """
    return folders.settled(path, partial(_read_model, path))


def _read_model(path: Path) -> StoredModel:
    from rnngen.store.config import ModelConfig

    if path.is_dir():
        require_own(path)
        config = read_config(path)
        tokenizer = read_tokenizer(path)
        weights, record = checkpoint.read_tensors(path / WEIGHTS)
    else:
        weights, record = checkpoint.read_tensors(path)
        try:
            found, tokenizer = record["config"], str(record["tokenizer"])
        except KeyError:
            raise ModelError(f"{path} holds weights alone; give the model's folder or export it") from None
        config = ModelConfig.from_json(found, str(path))
    if record.get("config_sha256") != checkpoint.fingerprint(config.identity):
        raise ModelError(f"{path}: {CONFIG} does not belong to {WEIGHTS}; restore the one that does")
    if record.get("tokenizer_sha256") != checkpoint.fingerprint(tokenizer):
        raise ModelError(f"{path}: {TOKENIZER} does not belong to {WEIGHTS}; restore the one that does")
    _check_tensors(path, config, weights)
    return StoredModel(path, config, tokenizer, weights)


FILES = (CONFIG, TOKENIZER, WEIGHTS, METRICS, CARD, TRAINING, PLACES, TEACHERS, MEMBERS, SPEED)
"""The files of a model's folder that are read."""


def require_own(folder: Path, files: Iterable[Path] | None = None) -> None:
    """Raise ``ModelError`` if a file of a model, by default one of ``FILES``, is a link out of its folder."""
    root = folder.resolve()
    for file in [folder / name for name in FILES] if files is None else files:
        if not file.resolve().is_relative_to(root):
            raise ModelError(f"{file} is a link to what is not in the model; put the file there")


def _check_tensors(path: Path, config: "ModelConfig", weights: Tensors) -> None:
    """Compare tensors with the configuration, as far as no component is needed for it.

    Raises:
        ModelError: if a number is none, or what is beside the network's weights has another shape or type.
    """
    import numpy as np

    for name, array in weights.items():
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            raise ModelError(
                f"{path}: {name} holds NaN or infinity; restore it, or train the model again with a smaller "
                "--lr"
            )
    shapes = {
        TRAINED_TOKENS: (config.vocabulary,),
        ALPHABET: (-1,),
        SOURCE_ALPHABET: (-1,),
        EXAMPLES: (-1, 2),
        TARGET_LENGTHS: (OCTAVES,),
    }
    for name, shape in shapes.items():
        if name in weights and not _is_fact(weights[name], shape):
            raise ModelError(f"{path}: {name} does not fit {CONFIG}; restore it, or train the model again")
    if EXAMPLES in weights and weights[EXAMPLES].dtype.itemsize != 4:  # two make a hash of 64 bits
        raise ModelError(f"{path}: {EXAMPLES} does not fit {CONFIG}; restore it, or train the model again")
    for name in (ALPHABET, SOURCE_ALPHABET):
        if name in weights and (weights[name] > sys.maxunicode).any():
            raise ModelError(f"{path}: {name} holds no characters; restore it, or train the model again")


def _is_fact(array: Any, shape: tuple[int, ...]) -> bool:
    """Return whether an array holds whole numbers from 0 on, in a shape of which -1 is any size."""
    like = len(shape) == array.ndim and all(
        want in (-1, size) for want, size in zip(shape, array.shape, strict=True)
    )
    return like and array.dtype.kind in "bui" and not (array < 0).any()


def read_config(folder: Path) -> "ModelConfig":
    """Read the configuration alone."""
    from rnngen.store.config import ModelConfig

    place = folder / CONFIG
    return ModelConfig.from_json(checkpoint.read_json(place), str(place))


def located(path: Path, record: "CorpusRecord") -> "CorpusRecord":
    """Return a model's record with the places of its text, where its folder holds those of the same names.

    Raises:
        ModelError: if they are damaged.
    """
    from rnngen.store.config import PATHS

    place = path / PLACES
    if not place.is_file():
        return record
    places = checkpoint.read_json(place)
    if not all(isinstance(paths, list) for paths in places.values()) or not places.keys() <= {*PATHS}:
        raise ModelError(f"{place} is damaged; delete it, and name the text when it is needed")
    found = record.at(places)
    return found if found.named() == record.named() else record


def located_teachers(path: Path, config: "ModelConfig") -> "tuple[TeacherRecord, ...]":
    """Return a model's teachers with their places, where its folder holds those of the same names.

    Raises:
        ModelError: if they are damaged.
    """
    from rnngen.store.config import TeacherRecord

    place = path / TEACHERS
    if not config.teachers or not place.is_file():
        return config.teachers
    try:
        found = tuple(TeacherRecord(**one) for one in checkpoint.read_json(place)["teachers"])
    except (KeyError, TypeError):
        raise ModelError(f"{place} is damaged; delete it, or train the model again") from None
    known = [(one.name, one.sha256) for one in config.teachers]
    return found if [(one.name, one.sha256) for one in found] == known else config.teachers


def write_config(folder: Path, config: "ModelConfig") -> None:
    """Write ``config.json`` and, apart from it, the places of the text and of the teachers."""
    checkpoint.write_text(folder / CONFIG, config.shared().to_json())
    places = json.dumps(config.corpus.places, indent=2, ensure_ascii=False)
    checkpoint.write_text(folder / PLACES, places + "\n")
    if config.teachers:
        record = json.dumps({"teachers": [asdict(one) for one in config.teachers]}, indent=2)
        checkpoint.write_text(folder / TEACHERS, record + "\n")


def read_outline(folder: Path) -> dict[str, str]:
    """Return the names of a model's task, cell and tokenizer, and its size, for listings of many models.

    The rest of the configuration is not looked at; ``ModelError`` if these are not there.
    """
    values = checkpoint.read_json(folder / CONFIG)
    try:
        names = {kind: str(values[kind]["name"]) for kind in ("task", "cell", "tokenizer")}
        return names | {"size": f"{values['network']['layers']}×{values['network']['hidden']}"}
    except (KeyError, TypeError) as error:
        raise ModelError(f"{folder / CONFIG} is damaged ({error}); restore it, or train again") from error


def last_evaluation(folder: Path) -> float | None:
    """Return the validation loss of the weights that are kept, in nats per character.

    None before the first evaluation, or where the record of them is damaged.
    """
    try:
        best = [row["val_nats_per_char"] for row in read_metrics(folder) if row["best"]]
        return float(best[-1]) if best else None
    except (ModelError, KeyError, TypeError, ValueError):
        return None


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """Return the evaluations so far, a row each; ``ModelError`` if the record of them is damaged."""
    return _rows(folder / METRICS)


def read_speed(folder: Path) -> list[dict[str, Any]]:
    """Return what is known of the time that a run took; errors as in ``read_metrics``."""
    return _rows(folder / SPEED)


def _rows(path: Path) -> list[dict[str, Any]]:
    text = _read_text(path) if path.exists() else ""
    rows = [checkpoint.parse(path, line) for line in text.split("\n") if line.strip()]
    if not all(isinstance(row.get("step"), int) for row in rows):
        raise ModelError(f"{path} is damaged (a line without its step); restore it, or train the model again")
    return rows


def read_card(path: Path) -> str:
    """Return the card in a model's folder; nothing where there is none, as of a model in one file."""
    card = path / CARD
    return _read_text(card) if card.is_file() else ""


def read_tokenizer(folder: Path) -> str:
    """Read the tokenizer alone, as text."""
    return _read_text(folder / TOKENIZER)


def _read_text(path: Path) -> str:
    try:
        return checkpoint.read_bytes(path).decode()  # as it is: in text mode line ends would change
    except UnicodeDecodeError as error:
        raise ModelError(f"{path} is damaged ({error}); restore it, or train the model again") from error


def staged(path: Path) -> Path:
    """Return the folder in which an ensemble's run lies before its model, in ``path``, is saved first."""
    return path.with_name(f".{path.name}.ensemble")


def write_weights(folder: Path, weights: Tensors, config: "ModelConfig", tokenizer_json: str) -> Path:
    """Replace the weights of a model; returns the file."""
    path = folder / WEIGHTS
    checkpoint.write_tensors(path, weights, _seal(config, tokenizer_json))
    return path


def export(model: StoredModel, target: Path) -> None:
    """Write a model as one file that ``-m`` takes."""
    folders.sweep_files(target.parent, target.name)
    record = {"config": model.config.shared().as_json(), "tokenizer": model.tokenizer_json}
    checkpoint.write_tensors(target, model.weights, _seal(model.config, model.tokenizer_json) | record)


def _seal(config: "ModelConfig", tokenizer_json: str) -> dict[str, str]:
    """Return the digests that tie weights to their configuration and tokenizer."""
    return {
        "config_sha256": checkpoint.fingerprint(config.identity),
        "tokenizer_sha256": checkpoint.fingerprint(tokenizer_json),
    }


@dataclass(frozen=True)
class ModelStore:
    """The folder of all models, in which each has a folder of its own."""

    root: Path

    def names(self) -> list[str]:
        """Return the names of all models, sorted."""
        for cut_short in folders.set_aside(self.root):
            folders.mend(cut_short)
        return sorted(path.parent.name for path in self.root.glob(f"[!.]*/{CONFIG}"))

    def path(self, name: str) -> Path:
        """Return the folder for a model's name; it need not exist. ``UsageError`` if none can have it."""
        if not name or name.startswith(".") or any(c in name for c in "/\\\0"):
            raise UsageError(f"model name {name!r}: letters, digits and signs but no slash, no dot first")
        if name.endswith(".safetensors"):
            raise UsageError(f"model name {name!r}: that is the ending of a model in one file; leave it out")
        folders.mend(self.root / name)
        return self.root / name

    def find(self, name: str | None) -> Path:
        """Return the folder or file of a model, from its name or path; without either, the default one.

        It always has a name: ``.`` is the working folder by its own.

        Raises:
            NotFoundError: if there is none; the closest name is given.
        """
        if name is None:
            return self.default() or self.latest()
        if os.sep in name or name.endswith(".safetensors") or name.startswith("."):
            if not Path(name).exists():
                raise NotFoundError(f"model {name}: no such file or folder")
            return Path(name) if Path(name).name not in ("", "..") else Path(name).resolve()
        if not self.path(name).is_dir():
            raise NotFoundError(f"{UnknownName('model', name, self.names())} (see rnngen models list)")
        return self.path(name)

    def open(self, name: str | None) -> StoredModel:
        """Read a model by name or path; errors as in ``find`` and ``read_model``."""
        return read_model(self.find(name))

    def default(self) -> Path | None:
        """Return the folder of the model that was made the default; None if there is none, or no longer."""
        try:
            path = self.path((self.root / DEFAULT).read_text(encoding="utf-8").strip())
        except (OSError, ValueError, UsageError):
            return None
        return path if (path / CONFIG).is_file() else None

    def set_default(self, name: str | None) -> None:
        """Make a model the default one; None for the one trained last, as it is at first.

        Raises:
            NotFoundError: if there is no such model.
            UsageError: for a path.
        """
        if name is None:
            (self.root / DEFAULT).unlink(missing_ok=True)
            return
        if not self._has(self.find(name), name):
            raise UsageError(f"{name} is a path, and the default is a named model (see rnngen models list)")
        checkpoint.write_text(self.root / DEFAULT, f"{name}\n")

    def latest(self) -> Path:
        """Return the folder of the model trained last; ``NotFoundError`` if there is none at all."""
        trained: dict[Path, int] = {}
        for folder in (self.root / name for name in self.names()):
            with suppress(OSError):
                trained[folder] = (folder / WEIGHTS).stat().st_mtime_ns
        if not trained:
            raise NotFoundError("there is no model yet; make one with rnngen train CORPUS")
        return max(trained, key=trained.__getitem__)

    def remove(self, name: str) -> None:
        """Delete a model, which vanishes at once, and the run of an ensemble of its name.

        Of a model that is a link, the link goes.

        Raises:
            UsageError: for a path, which may lead anywhere.
            RnngenError: if it is being trained.
        """
        found, doomed = self.check_removable(name), self.root / f".{name}.removed-{os.getpid()}"
        with folders.claimed(found, "removing"):
            if os.path.lexists(found):
                found.rename(doomed)
            folders.discard(doomed)
            folders.discard(staged(found))

    def check_removable(self, name: str) -> Path:
        """Return the folder of what ``remove`` would delete; errors as there, and ``NotFoundError``."""
        begun = os.sep not in name and staged(self.root / name).is_dir()
        found = self.path(name) if begun else self.find(name)
        if not self._has(found, name):
            raise UsageError(f"{name} is a path; only named models are removed (see rnngen models list)")
        return found

    def rename(self, name: str, target: str) -> Path:
        """Give a model another name.

        Raises:
            UsageError: if that is taken, or the model is given by a path.
            RnngenError: if one of them is being trained.
        """
        found, was_default = self.find(name), self.default()
        if not self._has(found, name):
            raise UsageError(f"{name} is a path; only named models are renamed (see rnngen models list)")
        with folders.claimed(found, "renaming"), folders.claimed(self._free(target), "making"):
            renamed = found.rename(self._free(target))
        if was_default == found:
            self.set_default(target)
        return renamed

    def _has(self, found: Path, name: str) -> bool:
        """Return whether a model was found by its name, and not by a path, be it one into this folder."""
        return (found.parent, found.name) == (self.root, name)

    def _free(self, name: str) -> Path:
        """Return the folder for a name; ``UsageError`` if it is taken."""
        path = self.path(name)
        if path.exists():
            mend = f"remove it first: rnngen models rm {name}"
            raise UsageError(f"there is a model {name!r} already; {mend}")
        return path

    def copy(self, name: str, target: str) -> Path:
        """Copy a model under another name.

        Raises:
            UsageError: if that is taken.
            ModelError: if a file in it is a link to one outside, which a copy would bring in.
        """
        destination, source = self._free(target), self.find(name)
        require_own(source, source.rglob("*"))
        copied = self.root / f".{target}.copy-{os.getpid()}"

        def copy() -> None:
            folders.discard(copied)
            shutil.copytree(source, copied, ignore=shutil.ignore_patterns(".*.tmp"))

        with folders.claimed(destination, "making"):
            try:
                folders.settled(source, copy)
                copied.rename(self._free(target))
            finally:
                folders.discard(copied)
        return destination
