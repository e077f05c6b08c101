"""Texts in the making, kept in files: written whole or not at all, and tied to the model that made them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from rnngen.contracts import AnyFilter
from rnngen.errors import ModelError, NotFoundError, UsageError
from rnngen.generation.resumable import Passage
from rnngen.generation.snapshot import Arrays, take_down, take_up
from rnngen.generation.writing import Writer
from rnngen.inference.build import identity
from rnngen.store import checkpoint
from rnngen.store.model_folder import StoredModel

VERSION = 1
FilterChain = Sequence[tuple[str, str]]
"""Filters by name, each with the text of its options."""


def fingerprint(models: Sequence[StoredModel], step: Any) -> str:
    """A hash of all that a state depends on: configurations, tokenizers, weights, and what computes it."""
    digest = hashlib.sha256(identity(step).encode())
    for model in models:
        digest.update(f"{model.config.identity}\0{model.tokenizer_json}\0".encode())
        for name in sorted(model.weights):
            array = np.ascontiguousarray(model.weights[name])
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def save(path: Path, passage: Passage, model: str, chain: FilterChain) -> None:
    """Keep a text in the making: a few KiB, most of it the network's state.

    Args:
        path: the file, replaced at once or not at all.
        passage: between two tokens.
        model: the fingerprint of what writes it.
        chain: the filters that it is written with.
    """
    arrays, record = take_down(passage.sampler)
    told = {"kind": "state", "version": VERSION, "model": model, "chain": [list(pair) for pair in chain]}
    checkpoint.write_tensors(
        path,
        arrays,
        {**told, **record, "given": passage.given, "shown": passage.shown, "over": not passage.cut},
    )


@dataclass(frozen=True)
class Kept:
    """What such a file holds."""

    path: Path
    arrays: Arrays
    record: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that ``save`` wrote.

        Raises:
            NotFoundError: if there is none.
            ModelError: if it is damaged, was changed, or is something else.
        """
        if not path.exists():
            raise NotFoundError(f"{path}: no such file; write one with --save-state")
        try:
            arrays, record = checkpoint.read_tensors(path)
        except ModelError as error:
            told = str(error).partition("; ")[0]
            raise ModelError(f"{told}; write the state again with --save-state") from error
        if (record.get("kind"), record.get("version")) != ("state", VERSION):
            raise ModelError(f"{path} holds no state that this rnngen can go on from; use --save-state")
        return cls(path, arrays, record)

    @property
    def chain(self) -> list[tuple[str, str]]:
        """The filters that the text was written with."""
        try:
            return [(str(name), str(value)) for name, value in self.record["chain"]]
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error

    def passage(
        self, writer: Writer, model: str, filters: Sequence[AnyFilter], chain: FilterChain
    ) -> Passage:
        """Go on with the text.

        Args:
            writer: of the model that it began with.
            model: its fingerprint.
            filters: of the same chain…
            chain: …which this is.

        Raises:
            UsageError: if the model or the chain is another.
            ModelError: if the file holds something else than it says.
        """
        if self.record.get("model") != model:
            raise UsageError(f"{self.path} was saved by another model; give that one with -m")
        if self.chain != [*chain]:
            raise UsageError(
                f"{self.path} was saved with other filters; leave yours out, or give "
                f"--filters {_told(self.chain)}"
            )
        try:
            sampler = take_up(writer.step, self.arrays, self.record, filters, forbidden=writer.forbidden)
            given, shown = int(self.record["given"]), int(self.record["shown"])
            over = bool(self.record["over"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._damaged(error) from error
        sampler = writer.hasten(sampler) if writer.hasten else sampler
        return Passage(sampler, writer.tokenizer, given, shown, over=over)

    def _damaged(self, error: Exception) -> ModelError:
        return ModelError(f"{self.path} is damaged ({error}); write the state again with --save-state")


def _told(chain: FilterChain) -> str:
    return '"' + ",".join(f"{name}={value}" if value else name for name, value in chain) + '"'
