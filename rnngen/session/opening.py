"""From a stored model to one that writes: without torch wherever the cell has a NumPy step."""

from typing import TYPE_CHECKING, Any

from rnngen.contracts import StreamStep
from rnngen.decode.step import NumpyStep, TorchStep
from rnngen.engine.models import SEEN, StoredModel
from rnngen.registry import Registry
from rnngen.session.parts import Part, load_tokenizer, make_task, numpy_layers, restore
from rnngen.session.writing import Writer

if TYPE_CHECKING:
    from rnngen.engine.network import RecurrentNetwork


def open_writer(registry: Registry, model: StoredModel, device: str = "cpu") -> Writer:
    """Get a model ready to write.

    Args:
        registry: where its parts are looked up.
        model: as read from disk.
        device: ``cpu``, which uses NumPy if the cell can, or any device of torch's.

    Raises:
        PluginError: if a part is not installed.
        ModelError: if something does not fit.
    """
    config = model.config
    task = make_task(restore(registry, "task", config.task))
    tokenizer = load_tokenizer(
        restore(registry, "tokenizer", config.tokenizer), model.tokenizer_json, model.path
    )
    step = _step(registry, model, device)
    return Writer(step, tokenizer, ends=task.ends, opening=config.opening, seen=model.weights.get(SEEN))


def _step(registry: Registry, model: StoredModel, device: str) -> StreamStep:
    cell = restore(registry, "cell", model.config.cell)
    if device == "cpu":
        layers = numpy_layers(cell, model.weights, model.config.network.layers)
        if layers:
            return NumpyStep(model.weights, layers)
    return TorchStep(open_network(cell, model, device))


def open_network(cell: Part, model: StoredModel, device: str) -> "RecurrentNetwork":
    """Build the network with its weights, on a device.

    Raises:
        DeviceError: if the device is not there.
        ModelError: if the weights do not fit.
    """
    from rnngen.engine.devices import choose_device
    from rnngen.session.fitting import build_network, load_weights

    network: Any = build_network(cell, model.config)
    load_weights(network, model.weights)
    opened: RecurrentNetwork = network.to(choose_device(device)).eval()
    return opened
