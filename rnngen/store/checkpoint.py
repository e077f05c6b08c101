"""Tensors and texts on disk: atomic writes, and reads that notice any damage.

Every file is written beside its place, flushed to the disk and renamed over it, so that a crash at any
instant leaves either the old file or the new. Tensors go into one safetensors file together with a JSON
record and a SHA-256 of both. This module needs no torch, and is the one place that writes a model.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

from rnngen.errors import ModelError, os_reason
from rnngen.options.typed import deeper
from rnngen.paths import read_regular, require_regular

if TYPE_CHECKING:
    from numpy.typing import NDArray

Tensors: TypeAlias = "Mapping[str, NDArray[Any]]"

RECORD = "rnngen"
"""The one metadata key: safetensors writes several in no fixed order; the same model is the same bytes."""
LARGEST_JSON = 1 << 28
"""Bytes of a JSON file, at most: a tokenizer of some million tokens."""
DEEPEST = 64
"""Levels of JSON, at most."""


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes ``path``'s place once it is complete on disk, or never."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        # A full disk is reported by the file that the person knows, not by its temporary name.
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename durable; not every file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Replace a text file, in UTF-8."""
    with atomic(path) as file:
        file.write(text.encode())


def write_tensors(path: Path, tensors: Tensors, record: Mapping[str, Any]) -> None:
    """Replace a tensor file; the same tensors and record give the same bytes."""
    import numpy as np
    from safetensors.numpy import save

    whole = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    sealed = json.dumps({**record, "sha256": _digest(whole, record)}, sort_keys=True)
    content = save(whole, metadata={RECORD: sealed})
    with atomic(path) as file:
        file.write(content)


def read_tensors(path: Path) -> "tuple[dict[str, NDArray[Any]], dict[str, Any]]":
    """Read a tensor file and its record.

    Raises:
        ModelError: if it is missing, cut short, changed since it was written, or not ours.
    """
    from safetensors import SafetensorError, safe_open

    try:
        require_regular(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if RECORD not in metadata:
                raise ModelError(f"{path} is a safetensors file, but no rnngen model")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; restore it, or train the model again") from None
    except OSError as error:
        raise ModelError(f"{os_reason(error)}; restore it, or train the model again") from error
    except (
        SafetensorError,
        TypeError,
        ValueError,
        AttributeError,
    ) as error:  # NumPy lacks types
        raise ModelError(f"{path} is damaged ({error}); restore it, or train the model again") from error
    record: dict[str, Any] = parse(path, metadata[RECORD])
    if record.pop("sha256", None) != _digest(tensors, record):
        raise ModelError(f"{path} was changed after it was written; restore it, or train the model again")
    return tensors, record


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; ``ModelError`` names the file if it is missing, or is none."""
    return parse(path, read_bytes(path))


def read_bytes(path: Path) -> bytes:
    """Return what a file beside the tensors holds; ``ModelError`` names it if that cannot be read."""
    try:
        return read_regular(path, LARGEST_JSON)
    except FileNotFoundError:
        raise ModelError(f"{path} is missing; restore it, or train the model again") from None
    except OSError as error:
        raise ModelError(f"{os_reason(error)}; restore it, or train the model again") from error


def write_sealed(path: Path, record: Mapping[str, Any]) -> None:
    """Replace a JSON file by a record and its digest."""
    write_text(path, json.dumps({**record, "sha256": _seal(record)}))


def read_sealed(path: Path) -> dict[str, Any]:
    """Read what ``write_sealed`` wrote; ``ModelError`` if it is missing, or anything in it has changed."""
    record = read_json(path)
    if record.pop("sha256", None) != _seal(record):
        raise ModelError(f"{path} was changed after it was written")
    return record


def _seal(record: Mapping[str, Any]) -> str:
    return fingerprint(json.dumps(dict(record), sort_keys=True))


def parse(path: Path, text: str | bytes) -> dict[str, Any]:
    """Read a JSON object that a file holds; ``ModelError`` names the file if it is none."""
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is damaged ({error}); restore it, or train the model again") from error
    if not isinstance(value, dict) or deeper(value, DEEPEST):
        reason = f"no JSON object, or one of more than {DEEPEST} levels"
        raise ModelError(f"{path} is damaged ({reason}); restore it, or train the model again")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a key that is there twice would be read otherwise by other programs."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice")
    return found


def fingerprint(text: str) -> str:
    """Return the SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _digest(tensors: Tensors, record: Mapping[str, Any]) -> str:
    """Return the SHA-256 of the record and of every tensor with its name, type and shape."""
    import numpy as np

    digest = hashlib.sha256(json.dumps(dict(record), sort_keys=True).encode())
    for name in sorted(tensors):
        array = tensors[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()
