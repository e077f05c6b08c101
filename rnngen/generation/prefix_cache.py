"""The states after long prompts, kept in the cache: the second time generation goes on from there at once.

The key is a hash of the model, the source and the tokens, so that what is found is what reading would give,
to the bit. Whatever is wrong with a file, or with the folder, only costs the time of reading the prompt.
"""

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import GenerationState, NetworkStep, State
from rnngen.decoding.prefill import prefill
from rnngen.errors import ModelError
from rnngen.store import checkpoint

Arrays: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class PrefixCache:
    """The states of one model after long prompts.

    Args:
        folder: where they are kept.
        identify: returns the model's fingerprint; called when there is a prompt long enough.
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

    def prefill(
        self,
        model: NetworkStep,
        start: Callable[[], State],
        tokens: Sequence[int],
        source: Sequence[int] = (),
    ) -> GenerationState:
        """Return what ``prefill`` makes of a prompt's tokens, from the cache if it is there.

        ``start`` returns the state of one stream before the prompt, what is in ``source`` read.
        """
        if len(tokens) < self.least:
            return prefill(model, start(), [tokens])
        path = self._path(tokens, source)
        try:
            arrays, _ = checkpoint.read_tensors(path)
            found = GenerationState((tuple(tokens),), state_from(arrays, start()))
        except (ModelError, KeyError, ValueError):
            found = prefill(model, start(), [tokens])
            self._keep(path, found.state)
        else:
            with contextlib.suppress(OSError):
                os.utime(path)
        return found

    def _path(self, tokens: Sequence[int], source: Sequence[int]) -> Path:
        read = hashlib.sha256(self.model.encode())
        read.update(np.array(tokens[:-1], np.int64).tobytes())
        if source:
            read.update(b"source" + np.array(source, np.int64).tobytes())
        return self.folder / f"{read.hexdigest()[:40]}.safetensors"

    def _keep(self, path: Path, state: State) -> None:
        with contextlib.suppress(OSError, TypeError):  # NumPy has no bfloat16
            arrays = arrays_of(state)
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


# ── States as arrays ───────────────────────────────────────────────────────────────────────────────────────


def arrays_of(state: State, name: str = "state") -> Arrays:
    """Return a state's arrays, NumPy's or torch's, by name: ``state.0`` and so on."""
    return {f"{name}.{place}": as_numpy(array) for place, array in enumerate(state)}


def state_from(arrays: Mapping[str, NDArray[Any]], like: State, name: str = "state") -> State:
    """Return the state again, on the backend and the device of one like it.

    Raises:
        KeyError, ValueError: if it has another number of arrays, or of another kind, or of other streams.
    """
    found = [key for key in arrays if key.startswith(f"{name}.")]
    if len(found) != len(like):
        raise ValueError(f"{len(found)} arrays of the {name}, and {len(like)} expected")
    return tuple(_as(arrays[f"{name}.{place}"], model) for place, model in enumerate(like))


def as_numpy(array: Any) -> NDArray[Any]:
    """Return an array of a state, NumPy's or torch's, as NumPy's."""
    if not isinstance(array, np.ndarray):
        array = array.detach().cpu()
        array = (array.float() if str(array.dtype) == "torch.bfloat16" else array).numpy()
    found: NDArray[Any] = array
    return found


def _as(array: NDArray[Any], like: Any) -> Any:
    """An array of one stream, where another one is kept."""
    same = (
        array.dtype.kind == as_numpy(like).dtype.kind and array.ndim == like.ndim and len(array) == len(like)
    )
    if not same:
        raise ValueError(f"an array {array.dtype}{array.shape} does not fit")
    if isinstance(like, np.ndarray):
        return array
    import torch

    return torch.from_numpy(array.copy()).to(like.device)
