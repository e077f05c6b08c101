"""What a network made of long prompts, kept in the cache: the second time it goes on from there at once.

The key is a hash of the model and of the tokens, so that what is found is what reading would give, to the
bit. Whatever is wrong with a file, or with the folder, only costs the time of reading the prompt.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from rnngen.contracts import State, StreamStep
from rnngen.decoding.generation_state import Moment, read_up
from rnngen.errors import ModelError
from rnngen.generation.saved_state import fingerprint
from rnngen.generation.snapshot import freeze, thaw
from rnngen.generation.writing import Writer
from rnngen.paths import cache
from rnngen.store import checkpoint
from rnngen.store.model_folder import StoredModel


def remember(writer: Writer, models: Sequence[StoredModel]) -> None:
    """Let a writer keep what it made of long prompts in the user's cache."""
    writer.prefixes = Prefixes(cache() / "prefixes", partial(fingerprint, models, writer.step))


@dataclass
class Prefixes:
    """The states of one model after long prompts.

    Args:
        folder: where they are kept.
        identify: the model's fingerprint; asked for when there is a prompt long enough.
        least: tokens of a prompt from which on it is kept.
        files: how many are kept; those not used for the longest time go first.
        size: bytes that all of them may have together; a state larger than a quarter of that is not kept.
    """

    folder: Path
    identify: Callable[[], str]
    least: int = 512
    files: int = 64
    size: int = 1 << 26

    @cached_property
    def model(self) -> str:
        """The model's fingerprint."""
        return self.identify()

    def read(self, step: StreamStep, tokens: Sequence[int]) -> Moment:
        """What ``read_up`` gives of a prompt, from the cache if it is there."""
        if len(tokens) < self.least:
            return read_up(step, step.start(1), tokens)
        path = self._path(tokens)
        try:
            arrays, _ = checkpoint.read_tensors(path)
            moment = Moment(tuple(tokens), thaw(arrays, step.start(1)))
        except (ModelError, KeyError, ValueError):
            moment = read_up(step, step.start(1), tokens)
            self._keep(path, moment.state)
        else:
            with contextlib.suppress(OSError):
                os.utime(path)
        return moment

    def _path(self, tokens: Sequence[int]) -> Path:
        """Where the state before the last token would be."""
        read = hashlib.sha256(self.model.encode())
        read.update(np.array(tokens[:-1], np.int64).tobytes())
        return self.folder / f"{read.hexdigest()[:40]}.safetensors"

    def _keep(self, path: Path, state: State) -> None:
        with contextlib.suppress(OSError, TypeError):  # NumPy has no bfloat16
            arrays = freeze(state)
            if sum(array.nbytes for array in arrays.values()) > self.size // 4:
                return
            checkpoint.write_tensors(path, arrays, {"kind": "prefix"})
            self._tidy()

    def _tidy(self) -> None:
        """Remove those that are too many, or too much."""
        kept = [(found.stat(), found) for found in self.folder.glob("*.safetensors")]
        room = self.size
        for place, (stat, found) in enumerate(sorted(kept, key=lambda one: -one[0].st_mtime_ns)):
            room -= stat.st_size
            if place >= self.files or room < 0:
                found.unlink(missing_ok=True)
