"""A text in the making as plain arrays and a record, to be kept somewhere and gone on from.

::

    arrays    state.0 … │ memory.0 … (the filters') │ history │ surprise? │ logits?
    record    the random generator's state
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import AnyFilter, State
from rnngen.decoding.generation_state import Moment
from rnngen.decoding.sampler import Sampler

Arrays = dict[str, NDArray[Any]]


def freeze(state: State, name: str = "state") -> Arrays:
    """A state's arrays, NumPy's or torch's, by name."""
    return {f"{name}.{place}": _numpy(array) for place, array in enumerate(state)}


def thaw(arrays: Mapping[str, NDArray[Any]], like: State, name: str = "state") -> State:
    """The state again, on the backend and the device of one like it.

    Raises:
        ValueError: if it has another number of arrays, or of another kind, or is not of as many streams.
    """
    found = [key for key in arrays if key.startswith(f"{name}.")]
    if len(found) != len(like):
        raise ValueError(f"{len(found)} arrays of the {name}, and {len(like)} expected")
    return tuple(_as(arrays[f"{name}.{place}"], model) for place, model in enumerate(like))


def take_down(sampler: Sampler) -> tuple[Arrays, dict[str, Any]]:
    """All that the next tokens of a text depend on, beside the network and the filters."""
    arrays = {**freeze(sampler.state), **freeze(sampler.memory, "memory")}
    arrays["history"] = np.array(sampler.history[0], np.int32)
    for name, key in (("surprisal", "surprise"), ("logits", "logits")):
        if (value := getattr(sampler, name)) is not None:
            arrays[key] = value
    return arrays, {"rng": sampler.rng.bit_generator.state}


def take_up(
    step: Any,
    arrays: Mapping[str, NDArray[Any]],
    record: Mapping[str, Any],
    filters: Sequence[AnyFilter],
    *,
    forbidden: Sequence[int] = (),
) -> Sampler:
    """Go on with a text where it was taken down; the same tokens come as if it had never been.

    Args:
        step: the network, with ``start``.
        arrays: as ``take_down`` gave them.
        record: likewise.
        filters: the same chain.
        forbidden: tokens that never come.

    Raises:
        KeyError, TypeError, ValueError: if the arrays or the record are not what ``take_down`` gives for
            such a network and such a chain.
    """
    history = tuple(arrays["history"].tolist())
    if not history:
        raise ValueError("no tokens at all")
    moment = Moment(history, thaw(arrays, step.start(1)), arrays.get("logits"))
    rng = np.random.default_rng(0)
    sampler = Sampler(step, moment, filters, rng, forbidden=forbidden)
    sampler.memory = thaw(arrays, sampler.memory, "memory")
    sampler.surprisal = arrays.get("surprise")
    rng.bit_generator.state = record["rng"]  # after the sampler drew the seed of its filters
    return sampler


def _numpy(array: Any) -> NDArray[Any]:
    found: NDArray[Any] = array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()
    return found


def _as(array: NDArray[Any], like: Any) -> Any:
    """An array of one stream, where another one is kept."""
    same = array.dtype.kind == _numpy(like).dtype.kind and array.ndim == like.ndim and len(array) == len(like)
    if not same:
        raise ValueError(f"an array {array.dtype}{array.shape} does not fit")
    if isinstance(like, np.ndarray):
        return array
    import torch

    return torch.from_numpy(array.copy()).to(like.device)
