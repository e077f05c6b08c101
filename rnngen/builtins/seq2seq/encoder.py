"""The encoder in torch: layers of any cell over the source, in one direction or in both; and the bridge.

::

    source (B,S) ─▸ embedding ─▸ forth ─▸ ⎤
                                  ◂─ back ⎦ ─▸ … ─▸ memory (B,S,M), last outputs (B,M), last states
                                                                      └─ bridge ─▸ the decoder's first state

Rows may be padded at their end, and no result depends on the padding: the way back begins at each row's own
last token.
"""

from itertools import zip_longest
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from rnngen.contracts import NO_TOKEN, ComponentFactory, ModuleFactory, State
from rnngen.errors import UsageError


class Encoded(NamedTuple):
    """The encoder's output for its sources."""

    memory: Tensor
    """(B,S,M), one vector a token."""
    mask: Tensor
    """(B,S), true where there is a token."""
    last: Tensor
    """(B,M): each direction's output at its own last token."""
    states: list[State]
    """Each layer's states after its row's own last token, the directions added; empty if not needed."""


class Encoder(nn.Module):
    """Reads sources.

    Args:
        cell: makes the layers.
        embed: E, of the embeddings that it is given.
        hidden: H, of each direction.
        layers: L.
        bidirectional: whether there is a way back.
        modules: where dropout comes from.
        keep_states: whether the states after each row's last token are needed.
    """

    def __init__(
        self,
        cell: ComponentFactory,
        embed: int,
        hidden: int,
        layers: int,
        *,
        bidirectional: bool,
        modules: ModuleFactory,
        keep_states: bool = False,
    ) -> None:
        super().__init__()
        self.size = 2 * hidden if bidirectional else hidden
        inputs = [embed] + [self.size] * (layers - 1)
        self.forth = nn.ModuleList(cell.build(size, hidden) for size in inputs)
        self.back = nn.ModuleList(cell.build(size, hidden) for size in inputs if bidirectional)
        self.dropout = modules.dropout()
        self.keep_states = keep_states

    def forward(self, x: Tensor, source: Tensor) -> Encoded:
        """Read embeddings (B,S,E) of sources (B,S)."""
        mask = source != NO_TOKEN
        lengths = mask.sum(dim=1)
        flip = _flipped(lengths, source.shape[1])
        states: list[State] = []
        outputs: list[Tensor] = []
        for forth, back in zip_longest(self.forth, self.back):
            y, state = self._read(forth, x, lengths)
            outputs = [y]
            if back is not None:
                z, other = self._read(back, _reordered(x, flip), lengths)
                outputs.append(z)
                state = tuple(a + b for a, b in zip(state, other, strict=True))
            states.append(state)
            x = self.dropout(torch.cat([y, *(_reordered(z, flip) for z in outputs[1:])], dim=-1))
        rows = torch.arange(len(source), device=source.device)
        last = torch.cat([y[rows, lengths - 1] for y in outputs], dim=-1)
        return Encoded(x, mask, last, states)

    def _read(self, layer: nn.Module, x: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """Run a layer over rows of these lengths → outputs, and each row's state after its last token."""
        start = layer.initial_state(len(x))  # type: ignore[operator]
        if not self.keep_states:
            return layer(x, start)[0], ()
        outputs, at, state, final = [], 0, start, start
        borders = torch.cat([lengths, lengths.new_tensor([x.shape[1]])])  # padding may follow the longest row
        for stop in torch.unique(borders).tolist():  # in rising order: where some row ends
            y, state = layer(x[:, at:stop], full(state))
            outputs.append(y)
            final, at = _where(lengths >= stop, state, final), stop
        return torch.cat(outputs, dim=1), final


def full(state: State) -> State:
    """Return a layer's state in float32, as its contract requires; under autocast it may be less."""
    return tuple(array.float() if array.is_floating_point() else array for array in state)


def _flipped(lengths: Tensor, size: int) -> Tensor:
    """For each row, the positions of its tokens from last to first, then those of its padding: (B,S)."""
    places = torch.arange(size, device=lengths.device).expand(len(lengths), size)
    return torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)


def _reordered(x: Tensor, places: Tensor) -> Tensor:
    """``x`` (B,S,·) with its tokens at other positions, (B,S)."""
    return x.gather(1, places[:, :, None].expand_as(x))


def _where(rows: Tensor, new: State, old: State) -> State:
    """The new state in some rows (B,), the old one in the others."""
    return tuple(torch.where(rows.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(new, old, strict=True))


# ── The bridge: from the encoder's output to the states in which the decoder's layers begin ───────────────


def make_bridge(kind: str, encoder: Encoder, layers: nn.ModuleList) -> nn.Module:
    """Build a bridge from an encoder to the layers of a decoder: ``dense``, ``copy`` or ``none``.

    Raises:
        UsageError: if the states do not fit.
    """
    made: nn.Module = {"dense": DenseBridge, "copy": CopyBridge, "none": NoBridge}[kind](encoder, layers)
    return made


class NoBridge(nn.Module):
    """The decoder begins in its cell's own state, whatever the source."""

    def __init__(self, encoder: Encoder, layers: nn.ModuleList) -> None:  # noqa: ARG002
        super().__init__()
        self._layers = _listed(layers)  # a list hides them from torch: they are the decoder's

    def forward(self, encoded: Encoded) -> State:
        """Return the initial states of all layers, one after another."""
        return tuple(array for layer in self._layers for array in layer.initial_state(len(encoded.last)))


class DenseBridge(nn.Module):
    """``tanh(W·last + b)`` for every vector of the state (Bahdanau et al. 2015, A.2.2).

    Other arrays of a state, such as a matrix memory, begin as their cell defines.
    """

    def __init__(self, encoder: Encoder, layers: nn.ModuleList) -> None:
        super().__init__()
        self.own = NoBridge(encoder, layers)
        zeros = [array for layer in _listed(layers) for array in layer.initial_state(1)]
        self.maps = nn.ModuleList(
            nn.Linear(encoder.size, array.shape[1]) if array.ndim == 2 else nn.Identity() for array in zeros
        )

    def forward(self, encoded: Encoded) -> State:
        """Return the states in which all layers begin, one after another."""
        return tuple(
            torch.tanh(made(encoded.last)) if isinstance(made, nn.Linear) else array
            for made, array in zip(self.maps, self.own(encoded), strict=True)
        )


class CopyBridge(nn.Module):
    """Layer by layer the encoder's own states after the last token (Sutskever et al. 2014)."""

    def __init__(self, encoder: Encoder, layers: nn.ModuleList) -> None:
        super().__init__()
        made, needed = (
            [array.shape for layer in _listed(stack) for array in layer.initial_state(1)]
            for stack in (encoder.forth, layers)
        )
        if made != needed:
            raise UsageError(
                "-o bridge=copy needs an encoder and a decoder of the same cell with as many layers; "
                "use bridge=dense"
            )

    def forward(self, encoded: Encoded) -> State:
        """Return the states in which all layers begin, one after another."""
        return tuple(array for state in encoded.states for array in state)


def _listed(layers: nn.ModuleList) -> list[Any]:
    """The layers, whose contract ``nn.Module`` does not know."""
    return list(layers)
