"""Faults planted in a good cell, each of which its conformance suite finds."""

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.contracts import CellSpec
from rnngen.testing import check_cell


class Good(nn.Module):
    """A plain recurrent layer."""

    def __init__(self, input_size, hidden_size, options):
        super().__init__()
        self.x, self.h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def initial_state(self, batch):
        return (self.h.weight.new_zeros(batch, self.h.in_features),)

    def step(self, xt, h):
        return torch.tanh(xt + self.h(h))

    def forward(self, x, state):
        (h,), outputs = state, []
        for xt in self.x(x).unbind(1):
            h = self.step(xt, h)
            outputs.append(h)
        return torch.stack(outputs, 1), (h,)


class GoodStep:
    def __init__(self, weights, options):
        self.w = weights

    def initial_state(self, batch):
        return (np.zeros((batch, len(self.w["h.weight"])), np.float32),)

    def project(self, x):
        return x @ self.w["x.weight"].T + self.w["x.bias"]

    def advance(self, projected, state):
        h = np.tanh(projected + state[0] @ self.w["h.weight"].T + self.w["h.bias"])
        return h, (h,)


class OnSelf(Good):
    def forward(self, x, state):
        kept = getattr(self, "kept", state)
        y, self.kept = super().forward(x, kept if len(kept[0]) == len(x) else state)
        return y, self.kept


class Swapped(Good):
    def forward(self, x, state):
        outputs, h = [], state[0]
        for xt in self.x(x).unbind(1):
            h = torch.tanh(xt + self.h(h)) + 0.1 * h.mean(0)
            outputs.append(h)
        return torch.stack(outputs, 1), (h,)


class Unequal(Good):
    def forward(self, x, state):
        return super().forward(x - x.mean(1, keepdim=True), state)


class Awake(Good):
    def step(self, xt, h):
        return super().step(xt, nn.functional.dropout(h, 0.2))


class Writes(Good):
    def forward(self, x, state):
        y, (h,) = super().forward(x, state)
        state[0].copy_(h)
        return y, (h,)


class Grows(Good):
    def initial_state(self, batch):
        return (*super().initial_state(batch), self.h.weight.new_zeros(batch, 0, 2))

    def forward(self, x, state):
        y, (h,) = super().forward(x, state[:1])
        return y, (h, torch.cat([state[1], x[:, :, :2]], 1))


class GrowsForEver(Grows):
    def carry(self, state, reset):
        h, cache = state
        return torch.where(reset[:, None], 0, h), cache


class CutsByReset(Grows):
    def carry(self, state, reset):
        h, cache = state
        return torch.where(reset[:, None], 0, h), cache[:, :0] if reset.any() else cache[:, -3:]


class Remembers(Grows):
    def carry(self, state, reset):
        return state[0], state[1][:, -3:]


class Rounds(Good):
    def initial_state(self, batch):
        return (*super().initial_state(batch), torch.zeros(batch, 1, dtype=torch.int64))

    def forward(self, x, state):
        y, (h,) = super().forward(x, state[:1])
        return y, (h, state[1] + 1.0 * x.shape[1])


class AlwaysOnCPU(Good):
    def initial_state(self, batch):
        return (torch.zeros(batch, self.h.in_features),)


class NoAutocast(Good):
    def forward(self, x, state):
        if self.x(x).dtype != torch.float32:
            raise RuntimeError("autocast is not supported")
        return super().forward(x, state)


class Unreached(Good):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.idle = nn.Parameter(torch.zeros(3))


TORCH = [
    (OnSelf, "step by step, output 0 differs"),
    (Swapped, "streams of one batch disturb one another"),
    (Unequal, "step by step, output 0 differs"),
    (Awake, "in evaluation the same call gives another result"),
    (Writes, "a call writes into the state that the layer was given"),
    (Grows, r"array 1 of the state grows .* without a carry\(\)"),
    (GrowsForEver, "grow for ever"),
    (CutsByReset, "depend on `reset`"),
    (Remembers, "a row that begins anew differs from a fresh one"),
    (Rounds, "array 1 of the state is torch.int64, then torch.float32"),
    (AlwaysOnCPU, "is on cpu, not with the parameters"),
    (NoAutocast, "RuntimeError: autocast is not supported"),
    (Unreached, "no gradient reaches idle"),
]


class StepOnSelf(GoodStep):
    def advance(self, projected, state):
        if len(projected) == 3:
            state = getattr(self, "kept", state)
        y, after = super().advance(projected, state)
        self.kept = after
        return y, after


class SharedOnSelf(GoodStep):
    def advance(self, projected, state):
        h, _ = super().advance(projected, state)
        self.count = getattr(self, "count", 0) + 1
        return (h if self.count < 9 else 1.01 * h), (h,)


class WritesProjected(GoodStep):
    def advance(self, projected, state):
        projected += state[0] @ self.w["h.weight"].T + self.w["h.bias"]
        h = np.tanh(projected)
        return h, (h,)


class WritesState(GoodStep):
    def advance(self, projected, state):
        h, _ = super().advance(projected, state)
        state[0][:] = h
        return h, state


class Reuses(GoodStep):
    def advance(self, projected, state):
        h, _ = super().advance(projected, state)
        self.buffers = getattr(self, "buffers", {})
        buffer = self.buffers.setdefault(
            (h.shape, id(state[0]) % 2 * 0), [np.empty_like(h), np.empty_like(h)]
        )
        buffer.reverse()
        buffer[0][:] = h
        return buffer[0].copy(), (buffer[0],)


class Doubles(GoodStep):
    def advance(self, projected, state):
        h, _ = super().advance(projected, state)
        return h.astype(np.float64), (h,)


class WrongAlone(GoodStep):
    def advance(self, projected, state):
        h, _ = super().advance(projected, state)
        h = h if len(h) > 1 else h * 0.5
        return h, (h,)


class Unquantizable(GoodStep):
    def quantize(self, make):
        self.w = {name: make(w) for name, w in self.w.items()}


NUMPY = [
    (StepOnSelf, "go on otherwise|differs from torch's"),
    (SharedOnSelf, "go on otherwise|differs from torch's"),
    (WritesProjected, "writes to an argument"),
    (WritesState, "writes to an argument"),
    (Reuses, "arrays that an earlier step returned|writes"),
    (Doubles, "outputs are float64"),
    (WrongAlone, "go on otherwise"),
]


def spec(torch_class, numpy_class=None):
    numpy = f"{__name__}:{numpy_class.__name__}" if numpy_class else None
    return CellSpec(name="planted", summary="x", load=f"{__name__}:{torch_class.__name__}", numpy=numpy)


def test_the_good_cell_passes():
    check_cell(spec(Good, GoodStep))


@pytest.mark.parametrize(("planted", "says"), TORCH, ids=lambda one: getattr(one, "__name__", ""))
def test_a_fault_of_the_torch_implementation_is_found(planted, says):
    with pytest.raises(AssertionError, match=says):
        check_cell(spec(planted))


@pytest.mark.parametrize(("planted", "says"), NUMPY, ids=lambda one: getattr(one, "__name__", ""))
def test_a_fault_of_the_numpy_implementation_is_found(planted, says):
    with pytest.raises(AssertionError, match=says):
        check_cell(spec(Good, planted))


def test_a_quantize_that_fails_is_found():
    pytest.importorskip("numba")
    with pytest.raises(AssertionError, match="quantize"):
        check_cell(spec(Good, Unquantizable))
