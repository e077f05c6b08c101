"""One step of a network as an ONNX graph, for programs that know no Python.

::

    token (batch) ─────────────┐           ┌─▸ logits (batch, vocabulary)
    state.0 (batch, …) … ──────┴─▸ step ───┴─▸ next_state.0 (batch, …) …

The graph is what torch's own exporter makes of the network in torch, so that any cell has one, a plugin's
too, as long as its operations are known there: of any number of streams or, of a cell that takes this for a
constant, of one. An n-gram beside the network is no part of it.
"""

import base64
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any

from rnngen.errors import PluginError, RnngenError, UsageError
from rnngen.generation.generator import Generator
from rnngen.registry.components import Component
from rnngen.store.model_folder import StoredModel

RECORD = "rnngen"
"""The key, in the graph's metadata, of what it takes to generate."""


def graph(generator: Generator, stored: StoredModel, cell: Component, name: str) -> bytes:
    """Write the step of a model.

    Raises:
        PluginError: if what writes ONNX is not installed.
        UsageError: if the model reads sources, or its state grows with the text.
        RnngenError: naming the operation that has no equal in ONNX.
    """
    if stored.config.reads_source:
        raise UsageError(f"{name} reads sources, and one step of it is no graph of its own; leave --onnx out")
    if find_spec("onnx") is None or find_spec("onnxscript") is None:
        raise PluginError("--onnx needs onnx and onnxscript: pip install 'rnngen[onnx]'")
    from rnngen.nn.build import load_network

    network: Any = load_network(cell, stored, "cpu")
    initial = network.start(1)
    sizes = [tuple(array.shape) for array in initial]
    if [tuple(array.shape) for array in _after(network)] != sizes:
        raise UsageError(
            f"{name}: the state of its cell grows with the text, and a graph's does not; leave --onnx out"
        )
    proto = _exported(network, name)
    record = {
        "model": name,
        "rnngen": stored.config.rnngen,
        "initial": {f"state.{at}": _values(array) for at, array in enumerate(initial)},
        "begin": list(generator.prefix_tokens("")),
        "end": generator.eos_id if generator.has_eos else None,
        "forbidden": list(generator.forbidden),
        "pieces": [base64.b64encode(piece).decode() for piece in generator.tokenizers.target.pieces],
    }
    entry = proto.metadata_props.add()
    entry.key, entry.value = RECORD, json.dumps(record, separators=(",", ":"))
    content: bytes = proto.SerializeToString()
    return content


def _after(network: Any) -> Any:
    """Return the state of one stream after a token."""
    import torch

    with torch.inference_mode():
        return network(torch.zeros(1, 1, dtype=torch.int64), network.start(1))[1]


def _values(array: Any) -> Any:
    """Return the numbers of a state's array, one if they are all the same."""
    values = array.detach().flatten().tolist()
    return values[0] if len(set(values)) == 1 else values


def _exported(network: Any, name: str) -> Any:
    """Return the graph as onnx has it: of any number of streams or, of a cell that fixes that, of one.

    Raises:
        RnngenError: if there is none.
    """
    from torch.onnx.errors import OnnxExporterError

    with suppress(OnnxExporterError):
        proto = _program(network, streams=2, flexible=True)
        if all(given.type.tensor_type.shape.dim[0].dim_param for given in proto.graph.input):
            return proto
    try:
        return _program(network, streams=1, flexible=False)
    except OnnxExporterError as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = " ".join(str(cause).split("\n")[0].split())
        raise RnngenError(f"{name} has no graph in ONNX ({reason}); leave --onnx out") from error


def _program(network: Any, *, streams: int, flexible: bool) -> Any:
    """Let torch write the graph of a step of some streams, or with ``flexible`` of any number."""
    import torch

    class Step(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, token: Any, *state: Any) -> Any:
            logits, after = self.network(token[:, None], state)
            return logits[:, 0], *after

    example = [array.clone() for array in network.start(streams)]
    names, batch = [f"state.{at}" for at in range(len(example))], {0: torch.export.Dim("batch")}
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            Step().eval(),
            (torch.zeros(streams, dtype=torch.int64), *example),
            dynamo=True,
            verbose=False,
            input_names=["token", *names],
            output_names=["logits", *(f"next_{name}" for name in names)],
            dynamic_shapes={"token": batch, "state": (batch,) * len(example)} if flexible else None,
        )
    assert program is not None
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's warnings, which are about torch's own code, from the user."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
