"""From a configuration and stored weights to a network in torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.overrides import TorchFunctionMode

from rnngen.errors import ModelError, RnngenError
from rnngen.inference.build import blueprint
from rnngen.nn.devices import choose_device
from rnngen.nn.heads import TorchModuleFactory
from rnngen.nn.network import RecurrentNetwork
from rnngen.nn.regularizers import TrainingSetup
from rnngen.registry.components import Component
from rnngen.store.checkpoint import Tensors
from rnngen.store.config import ModelConfig
from rnngen.store.model_folder import StoredModel, is_fact

REPEATED, SPARE = 4, 10_000
"""Factor, and number of parameters, by which more may be registered than are stored: a tied matrix counts
several times, and replaces others."""
FILLS: tuple[Any, ...] = (torch.Tensor.normal_, nn.init.normal_)
"""Functions that fill a tensor with random numbers, and are slow to do so where it has no memory."""


def build_network(cell: Component, config: ModelConfig, setup: TrainingSetup | None = None) -> nn.Module:
    """Build the network that a configuration describes, initialised from torch's global generator.

    There is a ``setup`` where it is to be trained; a whole network takes the head's part of it.
    """
    if not cell.whole:
        return RecurrentNetwork(config.vocabulary, config.network, cell.build, setup, config.grown)
    modules = TorchModuleFactory(config.vocabulary, config.network.dropout or 0.0, setup)
    made: nn.Module = cell.build(blueprint(cell, config), modules)
    return made


class _NotFilled(TorchFunctionMode):
    """Leaves tensors without memory as they are where they would be filled with random numbers.

    Torch does so itself, but looks the way up in its compiler, whose import takes more than a second.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func in FILLS and (tensor := args[0] if args else given["tensor"]).is_meta:
            return tensor
        return func(*args, **given)


@contextmanager
def without_memory() -> Iterator[None]:
    """Build networks on the device ``meta``, where arrays have sizes and no memory; draws are undone."""
    with torch.random.fork_rng(devices=[]), torch.device("meta"), _NotFilled():
        yield


def check_weights(cell: Component, config: ModelConfig, weights: Tensors) -> None:
    """Compare names and shapes of stored weights with what a configuration describes.

    The network is built without memory: so a configuration that lies costs nothing. A plugin's cell that
    looks at values cannot be built there, and is compared when it is built.

    Raises:
        ModelError: naming the first tensor that does not fit.
    """
    stored = {name: tuple(array.shape) for name, array in weights.items() if not is_fact(name)}
    try:
        with without_memory():
            network = _build_bounded(cell, config, weights)
    except ModelError:
        raise
    except Exception:  # as above
        return
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    for name in (*wanted, *stored):
        if wanted.get(name) != stored.get(name):
            raise _misfit(
                f"{name} is {stored.get(name, 'missing')}, and {wanted.get(name, 'nothing')} expected"
            )


def check_stored(cell: Component, model: StoredModel) -> Tensors:
    """Return the weights of a model, as its cell's version takes them, once they are compared.

    Raises:
        ModelError: as ``check_weights`` does.
    """
    weights = cell.upgraded(model.weights, model.config.network.layers)
    try:
        check_weights(cell, model.config, weights)
    except ModelError as error:
        for part in cell.upgraded_parts:
            raise ModelError(
                f"the {part.name} of this model is from {part.distribution} {part.version}, and the one "
                f"installed names its weights otherwise; install {part.distribution}=={part.version} for this"
            ) from error
        raise
    return weights


def _build_bounded(cell: Component, config: ModelConfig, weights: Tensors) -> nn.Module:
    """Build a network whose weights are stored; ``ModelError`` at parameters beyond those."""
    left = SPARE + REPEATED * sum(array.size for name, array in weights.items() if not is_fact(name))

    def count(_: nn.Module, __: str, parameter: nn.Parameter | None) -> None:
        nonlocal left
        left -= 1 if parameter is None else parameter.numel() + 1
        if left < 0:
            raise _misfit("it describes more parameters than are stored")

    hook = register_module_parameter_registration_hook(count)
    try:
        return build_network(cell, config)
    finally:
        hook.remove()


def _misfit(reason: str) -> ModelError:
    return ModelError(f"the weights do not fit the model's configuration: {reason}; restore the model")


def load_weights(network: nn.Module, weights: Tensors) -> None:
    """Put stored weights into a network, leaving what else a model stores aside.

    Raises:
        ModelError: if they do not fit it.
    """
    tensors = {name: torch.tensor(array) for name, array in weights.items() if not is_fact(name)}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise _misfit(str(error)) from error


def load_network(cell: Component, model: StoredModel, device: str) -> nn.Module:
    """Build a stored model's network with its weights, on a device, in evaluation mode.

    Raises:
        DeviceError: if the device is not there.
        ModelError: if the weights do not fit.
    """
    weights = check_stored(cell, model)
    try:
        network = _build_bounded(cell, model.config, weights)
    except RnngenError:
        raise
    except Exception as error:  # options that a cell only refuses by failing
        raise _misfit(f"{type(error).__name__}: {error}") from error
    load_weights(network, weights)
    return network.to(choose_device(device)).eval()
