"""Random changes of bytes, of JSON values and of tensors."""

import copy
import random
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

JUNK: list[Any] = [
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        2,
        7,
        63,
        255,
        256,
        257,
        65536,
        200000,
        2**31,
        2**32,
        2**53,
        2**63,
        2**64,
        10**30,
    ),
    *(
        0.5,
        -0.0,
        1e-30,
        1e300,
        -1e300,
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        " ",
        "\n",
        "none",
        "0",
        "nan",
    ),
    *(
        "lstm",
        "rnn",
        "gru",
        "os:system",
        "../../etc/passwd",
        "/etc/passwd",
        "a" * 5000,
        "\ud800",
        "\0",
        "\x1b]0;x\x07",
    ),
    *([], {}, [[]], [1, 2], {"": 1}, [None], {"name": "lstm"}, [0] * 300, "天", "\U0010ffff"),
]
SIGNS = [
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b",",
    b'"',
    b"{",
    b"[",
    b"]",
    b"}",
]
SIGNS += [
    b"\\",
    b"\\ud800",
    b"\x1b",
    b"\x9b",
    b"999999999999999999999",
    b"-1",
    b"1e999",
    b"NaN",
    b"[" * 600,
    b"{" * 600,
]
SIGNS += [
    "\u202e".encode(),
    "é".encode(),
    "é".encode(),
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"(" * 300,
    b"|",
    b"*",
    b"{9999}",
]


TYPES = ("float16", "float64", "int64", "uint8", "int32", "bool", "uint64", "complex64")


def bytes_changed(rng: random.Random, data: bytes) -> bytes:
    """Cut, flip, repeat or insert, once or several times."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        place = rng.randrange(len(found) + 1)
        end = min(len(found), place + rng.choice((1, 1, 2, 8, 64, 1000)))
        match rng.randrange(6):
            case 0:
                del found[place:end]
            case 1:
                found[place:place] = rng.choice(SIGNS)
            case 2:
                found[place:place] = found[place:end] * rng.choice((1, 2, 50))
            case 3 if place < len(found):
                found[place] ^= 1 << rng.randrange(8)
            case 4:
                found[place:end] = rng.randbytes(end - place)
            case 5 if rng.random() < 0.2:
                del found[place:]
    return bytes(found[:1_000_000])


def values_changed(rng: random.Random, value: Any) -> Any:
    """Replace, drop, add, swap or nest parts of a JSON value."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = [*_places(value)]
        if not places:
            return rng.choice(JUNK)
        holder, key = rng.choice(places)
        match rng.randrange(7):
            case 0 | 1:
                holder[key] = copy.deepcopy(rng.choice(JUNK))
            case 2:
                del holder[key]
            case 3 if isinstance(holder[key], int | float):
                holder[key] = rng.choice(
                    (holder[key] + 1, -holder[key], holder[key] * 1000, str(holder[key]))
                )
            case 4:
                other, place = rng.choice(places)
                with suppress(KeyError, IndexError):
                    holder[key], other[place] = other[place], holder[key]
            case 5:
                for _ in range(rng.choice((1, 3, 900))):
                    holder[key] = [holder[key]] if rng.random() < 0.5 else {"a": holder[key]}
            case 6 if isinstance(holder, dict):
                holder[str(rng.choice(JUNK))] = rng.choice(JUNK)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting and (one := waiting.pop()) is not None:
        items = one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ()
        for key, inner in [*items][:400]:
            yield one, key
            if isinstance(inner, dict | list):
                waiting.append(inner)


def tensors_changed(rng: random.Random, tensors: dict[str, Any]) -> dict[str, Any]:  # noqa: C901 - likewise
    """Change shapes, types, values and names."""
    found = dict(tensors)
    for _ in range(rng.choice((1, 1, 2, 3))):
        name = rng.choice([*found])
        array = np.array(found[name])
        match rng.randrange(9):
            case 0:
                del found[name]
                if not found:
                    return {"x": np.zeros(1, np.float32)}
            case 1:
                found[name] = array.astype(
                    rng.choice(
                        ["float16", "float64", "int64", "uint8", "int32", "bool", "uint64", "complex64"]
                    )
                )
            case 2:
                found[name] = array.T.copy()
            case 3:
                found[name] = array.reshape(rng.choice(((-1,), (1, -1), (-1, 1))))
            case 4:
                found[name] = array[: rng.randrange(len(array) + 1)] if array.ndim else array
            case 5:
                found[name] = np.concatenate([array] * 2) if array.ndim else array
            case 6 if array.size:
                flat = array.reshape(-1)
                values = (
                    (np.nan, np.inf, -np.inf, 3e38, 1e-40) if array.dtype.kind == "f" else (0, 1, 2, 200, 255)
                )
                flat[rng.randrange(flat.size) if rng.random() < 0.5 else slice(None)] = rng.choice(values)
                found[name] = flat.reshape(array.shape)
            case 7:
                found[
                    rng.choice((name + "x", rng.choice([*found]), "layers.9.weight", "seen", "ngram.shape"))
                ] = array
            case 8:
                found[name] = rng.choice((np.zeros((0,), array.dtype), np.zeros((), array.dtype), array * 0))
    return found
