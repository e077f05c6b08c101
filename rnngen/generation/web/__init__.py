"""A model as one page that generates in the browser: no server, no network, the same draws.

::

    index.html = page.html + model.js + the cell's JavaScript + weights, n-gram and pieces in base64
"""

import json
from base64 import b64encode
from html import escape
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnngen.contracts import imported
from rnngen.errors import UsageError
from rnngen.generation.generator import Generator
from rnngen.inference.numpy_model import FullHead, NumpyStep
from rnngen.inference.unwrapped import unwrapped
from rnngen.printable import shown
from rnngen.registry.components import Component
from rnngen.store.model_folder import StoredModel

TYPES = {"f4": np.float32, "i4": np.int32, "f8": np.float64}
"""Types of numbers, as the page names them."""


def page(generator: Generator, stored: StoredModel, cell: Component, name: str) -> str:
    """Write the page of a model.

    Raises:
        UsageError: naming what of the model has no implementation in JavaScript.
    """
    network, mixture = unwrapped(generator.model)
    source = cell.registered.spec.web
    if source is None or not isinstance(network, NumpyStep):
        raise UsageError(
            f"{name}: its cell {cell.registered.spec.name!r} has no implementation in JavaScript; "
            "leave --web out"
        )
    if any(key.startswith("mogrifier.") for layer in _layers(stored) for key in layer):
        raise UsageError(f"{name}: a Mogrifier has no implementation in JavaScript; leave --web out")
    if not isinstance(network.head, FullHead):
        raise UsageError(f"{name}: its output layer has no implementation in JavaScript; leave --web out")
    weights, form = _layers(stored), stored.config.corpus.normalize
    data: dict[str, Any] = {
        "embedding": _tensor(network.embedding),
        "matrix": _tensor(network.head.matrix.T),
        "bias": _tensor(network.head.bias),
        "layers": [{key: _tensor(array) for key, array in layer.items()} for layer in weights],
        "initial": [_tensor(array[0]) for array in network.initial],
        "options": cell.component.options,
        "pieces": [b64encode(piece).decode() for piece in generator.tokenizers.target.pieces],
        "characters": _characters(generator, name),
        "form": form and form.upper(),  # as JavaScript names them
        "end": generator.eos_id,
        "ends": generator.has_eos,
        "begin": list(generator.prefix_tokens("")),
        "forbidden": list(generator.forbidden),
        "ngram": None,
    }
    if mixture is not None:
        ngram = mixture.ngram
        arrays = {"tokens": ngram.tokens, "counts": ngram.counts, "successors": ngram.successors}
        data["ngram"] = {
            "vocabulary": ngram.vocabulary,
            "order": ngram.order,
            "arrays": {key: _tensor(array, "i4") for key, array in arrays.items()}
            | {"weights": _tensor(mixture.weights, "f8")},
        }
    return _filled(data, str(imported(source)), name, stored)


def _layers(stored: StoredModel) -> list[dict[str, NDArray[Any]]]:
    """The parameters of each layer by name."""
    count = stored.config.network.layers
    return [
        {
            name.removeprefix(f"layers.{at}."): w
            for name, w in stored.weights.items()
            if name.startswith(f"layers.{at}.")
        }
        for at in range(count)
    ]


def _tensor(array: NDArray[Any], kind: str = "f4") -> dict[str, Any]:
    made = np.ascontiguousarray(array, TYPES[kind])
    return {"shape": list(array.shape), "type": kind, "data": b64encode(made.tobytes()).decode()}


def _characters(generator: Generator, name: str) -> list[tuple[str, list[int]]]:
    """The ids of each character with a token of its own; all others are spelt in bytes, whose ids they are.

    Raises:
        UsageError: if texts are split otherwise.
    """
    tokenizer = generator.tokenizers.target
    found = []
    for token, piece in enumerate(tokenizer.pieces):
        char = piece.decode(errors="replace")
        if len(char) > 1 or (token < 256 and piece != bytes([token])):
            raise UsageError(
                f"{name}: its tokenizer splits texts in a way that has no implementation in JavaScript; only "
                "one of characters or bytes has; leave --web out"
            )
        if piece and char != "\ufffd" and tokenizer.encode(char).tolist() == [token]:
            found.append((char, [token]))
    if generator.encoding != "utf-8":
        raise UsageError(f"{name} reads bytes that are no UTF-8, which a page cannot show; leave --web out")
    return found


def _filled(data: dict[str, Any], cell: str, name: str, stored: StoredModel) -> str:
    here = files(__package__)
    sizes = f"{stored.config.network.layers} × {stored.config.network.hidden} units"
    about = (
        f"Generated in this page by a recurrent network of {sizes}, made with rnngen {stored.config.rnngen}. "
        "Nothing is sent anywhere; the same seed and settings give the same text as rnngen sample."
    )
    text = here.joinpath("page.html").read_text(encoding="utf-8")
    parts = {
        "/*model*/": here.joinpath("model.js").read_text(encoding="utf-8"),
        "/*cell*/": cell,
        "/*data*/": json.dumps(data, separators=(",", ":")).replace("<", "\\u003c"),
        "<!--title-->": escape(shown(name)),
        "<!--about-->": escape(about),
    }
    for mark, part in parts.items():
        text = text.replace(mark, part)
    return text
