"""States as plain NumPy arrays by name, and back, on the backend and the device of one like them."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import State

Arrays: TypeAlias = dict[str, NDArray[Any]]


def arrays_of(state: State, name: str = "state") -> Arrays:
    """Return a state's arrays, NumPy's or torch's, by name: ``state.0`` and so on."""
    return {f"{name}.{place}": _numpy(array) for place, array in enumerate(state)}


def state_from(arrays: Mapping[str, NDArray[Any]], like: State, name: str = "state") -> State:
    """Return the state again, on the backend and the device of one like it.

    Raises:
        KeyError, ValueError: if it has another number of arrays, or of another kind, or of other streams.
    """
    found = [key for key in arrays if key.startswith(f"{name}.")]
    if len(found) != len(like):
        raise ValueError(f"{len(found)} arrays of the {name}, and {len(like)} expected")
    return tuple(_as(arrays[f"{name}.{place}"], model) for place, model in enumerate(like))


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
