"""The half of ``seq2seq`` that reads: layers of any cell over the source, in one direction or in both.

::

    source (B,S) ─▸ embedding ─▸ forth ─▸ ⎤
                                  ◂─ back ⎦ ─▸ … ─▸ memory (B,S,M), last outputs (B,M), last states

Rows may be padded at their end, and nothing that is given depends on the padding: the way back begins at
each row's own last token.
"""

from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rnngen.contracts import NO_TOKEN, ComponentFactory, ModuleFactory, State


class Reading(NamedTuple):
    """What the encoder made of its sources."""

    memory: Tensor
    """(B,S,M), one vector a token."""
    mask: Tensor
    """(B,S), true where there is a token."""
    last: Tensor
    """(B,M): each direction's output at its own last token."""
    states: list[State]
    """Each layer's states after its row's own last token, the directions added; empty if not asked for."""


class Encoder(nn.Module):
    """Reads sources.

    Args:
        cell: makes the layers.
        embed: E, of the embeddings that it is given.
        hidden: H, of each direction.
        layers: L.
        bidirectional: whether there is a way back.
        kit: where dropout comes from.
        keep_states: whether the states after each row's last token are wanted.
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

    def forward(self, x: Tensor, source: Tensor) -> Reading:
        """Embeddings (B,S,E) of sources (B,S) → what is made of them."""
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
        return Reading(x, mask, last, states)

    def _read(self, layer: nn.Module, x: Tensor, lengths: Tensor) -> tuple[Tensor, State]:
        """Run a layer over rows of these lengths → outputs, and each row's state after its last token."""
        start = layer.initial_state(len(x))  # type: ignore[operator]
        if not self.keep_states:
            return layer(x, start)[0], ()
        outputs, at, state, final = [], 0, start, start
        borders = torch.cat(
            [lengths, lengths.new_tensor([x.shape[1]])]
        )  # padding may go on after the longest
        for stop in torch.unique(borders).tolist():  # in rising order: where some row ends
            y, state = layer(x[:, at:stop], full(state))
            outputs.append(y)
            final, at = _where(lengths >= stop, state, final), stop
        return torch.cat(outputs, dim=1), final


def full(state: State) -> State:
    """A layer's state in float32, as its contract says that it is given; autocast makes less of it."""
    return tuple(array.float() if array.is_floating_point() else array for array in state)


def _flipped(lengths: Tensor, size: int) -> Tensor:
    """For each row, the places of its tokens from last to first, then those of its padding: (B,S)."""
    places = torch.arange(size, device=lengths.device).expand(len(lengths), size)
    return torch.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)


def _reordered(x: Tensor, places: Tensor) -> Tensor:
    """``x`` (B,S,·) with its tokens at other places, (B,S)."""
    return x.gather(1, places[:, :, None].expand_as(x))


def _where(rows: Tensor, new: State, old: State) -> State:
    """The new state in some rows (B,), the old one in the others."""
    return tuple(torch.where(rows.view(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(new, old, strict=True))
