"""From a configuration and stored weights to a network in torch."""

import torch
from torch import nn

from rnngen.errors import ModelError
from rnngen.inference.build import blueprint
from rnngen.nn.devices import choose_device
from rnngen.nn.heads import TorchModuleFactory
from rnngen.nn.network import RecurrentNetwork
from rnngen.nn.regularizers import TrainingSetup
from rnngen.registry.components import Component
from rnngen.store.checkpoint import Tensors
from rnngen.store.config import ModelConfig
from rnngen.store.model_folder import StoredModel, is_fact


def build_network(cell: Component, config: ModelConfig, setup: TrainingSetup | None = None) -> nn.Module:
    """Build the network that a configuration describes, initialised from torch's global generator.

    There is a ``setup`` where it is to be trained; a whole network takes the head's part of it.
    """
    if not cell.whole:
        return RecurrentNetwork(config.vocabulary, config.network, cell.build, setup, config.grown)
    modules = TorchModuleFactory(config.vocabulary, config.network.dropout or 0.0, setup)
    made: nn.Module = cell.build(blueprint(cell, config), modules)
    return made


def load_weights(network: nn.Module, weights: Tensors) -> None:
    """Put stored weights into a network, leaving what else a model stores aside.

    Raises:
        ModelError: if they do not fit it.
    """
    tensors = {name: torch.tensor(array) for name, array in weights.items() if not is_fact(name)}
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelError(f"the weights do not fit the model's configuration: {error}") from error


def load_network(cell: Component, model: StoredModel, device: str) -> nn.Module:
    """Build a stored model's network with its weights, on a device, in evaluation mode.

    Raises:
        DeviceError: if the device is not there.
        ModelError: if the weights do not fit.
    """
    network = build_network(cell, model.config)
    load_weights(network, model.weights)
    return network.to(choose_device(device)).eval()
