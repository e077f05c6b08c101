"""Gates are those of the equations; a cell without any is refused by name."""

import numpy as np
import pytest

from rnngen.api import load
from rnngen.contracts import GatedStep
from rnngen.errors import UsageError
from rnngen.inference.unwrapped import unwrapped
from rnngen.numerics import sigmoid
from rnngen.observation.gates import gate_map, observe_gates
from rnngen.observation.reading import Text
from rnngen.registry import Registry
from rnngen.registry.components import choose

NAMES = {"lstm": {"input": 0, "forget": 1, "output": 3}, "gru": {"reset": 0, "update": 1}}
"""The gates, and their places among torch's."""


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_gates_are_sigmoids_of_both_products(cell):
    part = choose(Registry(), {"cell": cell}, {"layer_norm": "false"})["cell"]
    layer, rng = part.build(3, 5), np.random.default_rng(1)
    weights = {
        name: rng.normal(size=array.shape).astype(np.float32) for name, array in layer.state_dict().items()
    }
    step = part.numpy(weights)
    state = tuple(rng.normal(size=(2, 5)).astype(np.float32) for _ in step.initial_state(1))
    x = rng.normal(size=(2, 3)).astype(np.float32)
    assert isinstance(step, GatedStep)
    w, u, b, d = (weights[f"rnn.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    expected = sigmoid(x @ w.T + b + state[0] @ u.T + d).reshape(2, -1, 5)
    found = step.gates(step.project(x), state)
    for name, place in NAMES[cell].items():
        np.testing.assert_allclose(found[name], expected[:, place], atol=1e-5)


def test_a_map_has_a_row_for_each_gate_of_each_layer(shelf):
    pieces, gates = observe_gates(load("tale").generator, Text("the cat"), "tale")
    grid = gate_map(pieces, gates)
    assert grid.source == tuple("the cat")
    assert grid.target == ("1 input", "1 forget", "1 output")
    assert ((grid.weights > 0) & (grid.weights < 1)).all()


def test_cells_without_gates_and_networks_without_layers_are_refused(shelf, models, monkeypatch):
    with pytest.raises(UsageError, match="stack of layers"):
        observe_gates(load("pairs").generator, Text("ab", "BA"), "pairs")
    generator = load("tale").generator
    monkeypatch.setattr(unwrapped(generator.model)[0], "layers", ("no cell",))
    with pytest.raises(UsageError, match=r"layer 1, a str, has none"):
        observe_gates(generator, Text("the"), "tale")


def test_a_cell_whose_gates_leave_their_range_fails_the_conformance_suite(monkeypatch):
    from rnngen.builtins.cells.gru.numpy import GRUStep
    from rnngen.testing import check_cell

    monkeypatch.setattr(GRUStep, "gates", lambda self, projected, state: {"z": projected * 9})
    with pytest.raises(AssertionError, match="gate 'z' leaves the range"):
        check_cell(Registry().find("cell", "gru").spec)
