from importlib import import_module

import pytest
import torch

from rnngen.builtins import rnngen_cells
from rnngen.contracts import NetworkSpec
from rnngen.testing import check_cell

SPECS = {spec.name: spec for spec in rnngen_cells() if not isinstance(spec, NetworkSpec)}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm", {}),
        ("lstm", {"forget_bias": "0"}),
        ("gru", {}),
        ("rnn", {}),
        ("rnn", {"activation": "relu"}),
        ("rnn", {"activation": "sigmoid"}),
    ],
)
def test_whole_sequence_equals_step_by_step_equals_numpy_step(name, options):
    check_cell(SPECS[name], **options)


def test_lstm_step_follows_the_papers_equations():
    """An independent reading of the equations, gate by gate in float64."""
    from rnngen.builtins.cells.lstm.torch import LSTM
    from rnngen.builtins.cells.options import LSTMOptions

    torch.manual_seed(1)
    layer = LSTM(3, 4, LSTMOptions()).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x, h, c = torch.randn(1, 3).double(), torch.randn(1, 4).double(), torch.randn(1, 4).double()
    p = dict(layer.rnn.named_parameters())
    a = x @ p["weight_ih_l0"].T + p["bias_ih_l0"] + h @ p["weight_hh_l0"].T + p["bias_hh_l0"]
    i, f, g, o = a[:, :4].sigmoid(), a[:, 4:8].sigmoid(), a[:, 8:12].tanh(), a[:, 12:].sigmoid()
    expected_c = f * c + i * g
    expected_h = o * expected_c.tanh()
    y, (h, c) = layer(x[:, None], (h, c))
    torch.testing.assert_close(y[:, 0], expected_h)
    torch.testing.assert_close(c, expected_c)


@pytest.mark.parametrize("name", SPECS)
def test_recurrent_matrices_start_orthogonal_gate_by_gate(name):
    hidden = 16
    module = import_module(f"rnngen.builtins.cells.{name}.torch")
    layer = getattr(module, name.upper())(4, hidden, SPECS[name].options())
    for gate in layer.rnn.weight_hh_l0.split(hidden):
        torch.testing.assert_close(gate @ gate.T, torch.eye(hidden), atol=1e-5, rtol=0)


def test_forget_gate_starts_open():
    from rnngen.builtins.cells.lstm.torch import LSTM
    from rnngen.builtins.cells.options import LSTMOptions

    layer = LSTM(4, 8, LSTMOptions(forget_bias=2.0))
    bias = layer.rnn.bias_ih_l0 + layer.rnn.bias_hh_l0
    assert bias[8:16].tolist() == [2.0] * 8
    assert bias[:8].abs().sum() == 0
    assert bias[16:].abs().sum() == 0


def test_conformance_suite_catches_a_step_that_differs():
    from dataclasses import replace

    wrong = replace(SPECS["lstm"], numpy="rnngen.builtins.cells.gru.numpy:GRUStep")
    with pytest.raises((AssertionError, ValueError)):
        check_cell(wrong)
