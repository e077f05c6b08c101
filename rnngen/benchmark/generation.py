"""Generation by turns: rnngen's own path, a plain PyTorch loop, and a matrix-vector product."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice

import numpy as np
import torch

from rnngen.benchmark import GATES, Generation, Work, plain_sizes, rates, require_layer
from rnngen.benchmark.plain import PlainNetwork, generate
from rnngen.contracts import AnyFilter, StreamStep, Weights
from rnngen.decoding.sampler import sample, sample_many
from rnngen.errors import OptionError
from rnngen.inference.build import numpy_layers
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.quantized import quantize, quantized_step
from rnngen.inference.torch_model import torch_step
from rnngen.nn.build import load_network
from rnngen.nn.devices import choose_device
from rnngen.nn.network import RecurrentNetwork
from rnngen.registry import Registry
from rnngen.registry.components import Component, choose, choose_filters, restore
from rnngen.requests.bench import BenchNetwork, SampleBenchRequest
from rnngen.store.model_folder import StoredModel

TEMPERATURE = 0.8


def bench_sample(
    registry: Registry, request: SampleBenchRequest, model: StoredModel | None = None
) -> Generation:
    """Measure how fast one stream is generated, on the CPU on one thread, and many side by side.

    Each is measured in the request's format of weights, too.

    NumPy takes its number of threads from ``OMP_NUM_THREADS`` and the like when it is first imported; who
    wants one thread sets them before that.

    With the request's ``model`` its network is measured, and a plain one of its sizes beside it.

    Raises:
        UnknownName: if there is no such cell.
        UsageError: if the cell is a whole network, or a format is for the CPU alone.
        PluginError: if what a format of weights needs is not installed.
        DeviceError: if the device is not there.
    """
    options, network, device = request.bench, request.network.options, choose_device(request.bench.device)
    if options.quantize and not by_numpy(device):
        raise OptionError(f"`quantize={options.quantize}` is for NumPy on the CPU; leave it or `device` out")
    sizes, make, weights = _opened(registry, model, device) if model else _made(registry, network, device)
    step = make()
    filters = [part.build() for part in choose_filters(registry, [("temp", str(TEMPERATURE))])]
    numbers = numbers_read(sizes) if sizes.cell in GATES else _numbers_of(weights)
    works: dict[str, Work] = {"rnngen": one_stream(step, filters)}
    if by_numpy(device):
        works["product"] = _product(numbers, sizes.hidden)
    if options.count:
        works["batched"] = many_streams(step, filters, options.count)
    if options.quantize:
        quantized = make()
        quantize(quantized, options.quantize)
        works["quantized"] = one_stream(quantized_step(quantized), filters)
        if options.count:
            works["both"] = many_streams(quantized_step(quantized), filters, options.count)
    with _one_thread():
        plain = PlainNetwork(plain_sizes(sizes)).to(device)
        works["plain"] = lambda length: len(generate(plain, length, TEMPERATURE))
        found = rates(works, options.seconds)
    return Generation(
        sizes,
        found["rnngen"],
        found["plain"],
        str(device),
        4 * numbers,
        found.get("product"),
        options.count,
        found.get("batched"),
        options.quantize,
        found.get("quantized"),
        found.get("both"),
    )


def one_stream(step: StreamStep, filters: Sequence[AnyFilter]) -> Work:
    """Generate a text of N tokens."""

    def work(length: int) -> int:
        tokens = sample(step, step.start(1), [0], filters, np.random.default_rng(0))
        return len(list(islice(tokens, length)))

    return work


def many_streams(step: StreamStep, filters: Sequence[AnyFilter], count: int) -> Work:
    """Generate texts side by side, N tokens in all or a few more, so that all have one length."""

    def work(tokens: int) -> int:
        rngs = [np.random.default_rng(seed) for seed in range(count)]
        prompts, lengths = [[0]] * count, [-(-tokens // count)] * count
        texts = sample_many(step, step.start(count), prompts, filters, rngs, eos_id=None, lengths=lengths)
        return sum(map(len, texts))

    return work


def _product(numbers: int, width: int) -> Work:
    """Multiply one fp32 matrix of ``numbers`` numbers with a vector of ``width``, N times."""
    rng = np.random.default_rng(0)
    matrix = rng.random((numbers // width, width), np.float32)
    vector, product = rng.random(width, np.float32), np.empty(len(matrix), np.float32)

    def work(times: int) -> int:
        for _ in range(times):
            np.dot(matrix, vector, out=product)
        return times

    return work


def numbers_read(sizes: BenchNetwork) -> int:
    """Return the number of weights that a step reads: all but the first layer's input matrix, a look-up."""
    matrices = 2 * sizes.layers - 1  # a recurrent one each, an input one each but the first
    return sizes.hidden * (matrices * GATES[sizes.cell] * sizes.hidden + sizes.vocab)


def _numbers_of(weights: Weights) -> int:
    """Return the number of weights of a network but the embedding, of which a step reads a row."""
    own = sum(array.size for name, array in weights.items() if name.startswith(("layers.", "projection.")))
    head = weights.get("head.weight", weights["embedding.weight"])
    return own + head.size


Making = Callable[[], StreamStep]
"""Builds a new step at each call."""


def by_numpy(device: torch.device) -> bool:
    """Return whether NumPy generates on a device."""
    return device.type == "cpu"


def _made(
    registry: Registry, sizes: BenchNetwork, device: torch.device
) -> tuple[BenchNetwork, Making, Weights]:
    """A network of random weights."""
    cell = choose(registry, {"cell": sizes.cell}, {})["cell"]
    require_layer(sizes.cell, whole=cell.whole)
    network = RecurrentNetwork(sizes.vocab, sizes.sizes(), cell.build)
    weights = {name: tensor.detach().numpy().copy() for name, tensor in network.state_dict().items()}
    if not (by_numpy(device) and cell.has_numpy):
        return sizes, lambda: torch_step(network.to(device)), weights
    return sizes, partial(_step, cell, weights, sizes), weights


def _opened(
    registry: Registry, model: StoredModel, device: torch.device
) -> tuple[BenchNetwork, Making, Weights]:
    config, cell = model.config, restore(registry, "cell", model.config.cell)
    require_layer(config.cell.name, whole=cell.whole)
    network, vocabulary = config.network, config.vocabulary
    embed = network.embedding(vocabulary)
    sizes = BenchNetwork(config.cell.name, network.layers, network.hidden, embed, vocabulary)
    if not (by_numpy(device) and cell.has_numpy):
        return sizes, lambda: torch_step(load_network(cell, model, str(device))), model.weights
    return sizes, partial(_step, cell, model.weights, sizes), model.weights


def _step(cell: Component, weights: Weights, sizes: BenchNetwork) -> NumpyStep:
    return NumpyStep(weights, numpy_layers(cell, weights, sizes.layers) or [])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Hold torch to one thread; afterwards as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
