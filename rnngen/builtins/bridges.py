"""From what an encoder has read to the state in which a decoder begins."""

from typing import Any

import torch
from torch import Tensor, nn

from rnngen.builtins.encoder import Encoder, Reading
from rnngen.contracts import State
from rnngen.errors import UsageError


def make_bridge(kind: str, encoder: Encoder, layers: nn.ModuleList) -> nn.Module:
    """Build a bridge from an encoder to the layers of a decoder: ``dense``, ``copy`` or ``none``.

    Raises:
        UsageError: if the states do not fit.
    """
    made: nn.Module = {"dense": Dense, "copy": Copy, "none": Nothing}[kind](encoder, layers)
    return made


class Nothing(nn.Module):
    """The decoder begins in its cell's own state, whatever was read."""

    def __init__(self, encoder: Encoder, layers: nn.ModuleList) -> None:  # noqa: ARG002
        super().__init__()
        self._layers = _listed(layers)  # a list hides them from torch: they are the decoder's

    def forward(self, reading: Reading) -> State:
        """The initial states of all layers, one after another."""
        return tuple(array for layer in self._layers for array in layer.initial_state(len(reading.last)))


class Dense(nn.Module):
    """``tanh(W·last + b)`` for every vector of the state (Bahdanau et al. 2015, A.2.2).

    What of a state is no vector, such as a matrix memory, begins as its cell says.
    """

    def __init__(self, encoder: Encoder, layers: nn.ModuleList) -> None:
        super().__init__()
        self.own = Nothing(encoder, layers)
        zeros = [array for layer in _listed(layers) for array in layer.initial_state(1)]
        self.maps = nn.ModuleList(
            nn.Linear(encoder.size, array.shape[1]) if array.ndim == 2 else nn.Identity() for array in zeros
        )

    def forward(self, reading: Reading) -> State:
        """The states in which all layers begin, one after another."""
        last: Tensor = reading.last
        return tuple(
            torch.tanh(made(last)) if isinstance(made, nn.Linear) else array
            for made, array in zip(self.maps, self.own(reading), strict=True)
        )


class Copy(nn.Module):
    """Layer by layer the encoder's own states after the last token (Sutskever et al. 2014)."""

    def __init__(self, encoder: Encoder, layers: nn.ModuleList) -> None:
        super().__init__()
        made, wanted = (
            [array.shape for layer in _listed(stack) for array in layer.initial_state(1)]
            for stack in (encoder.forth, layers)
        )
        if made != wanted:
            raise UsageError(
                "-o bridge=copy needs an encoder and a decoder of the same cell with as many layers; "
                "say bridge=dense"
            )

    def forward(self, reading: Reading) -> State:
        """The states in which all layers begin, one after another."""
        return tuple(array for state in reading.states for array in state)


def _listed(layers: nn.ModuleList) -> list[Any]:
    """The layers, which keep a contract that ``nn.Module`` does not know."""
    return list(layers)
