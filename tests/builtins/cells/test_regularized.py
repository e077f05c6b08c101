"""Zoneout, layer normalisation and Mogrifier do what their papers say, and nothing where they are off."""

import numpy as np
import pytest
import torch

from rnngen.builtins import rnngen_cells
from rnngen.builtins.cells.gru.torch import GRU, RegularizedGRU, gru
from rnngen.builtins.cells.lstm.numpy import LSTMStep
from rnngen.builtins.cells.lstm.torch import LSTM, RegularizedLSTM, lstm
from rnngen.builtins.cells.options import GRUOptions, LSTMOptions, RNNOptions
from rnngen.builtins.cells.rnn.torch import RNN, RegularizedRNN, rnn
from rnngen.contracts import NetworkSpec
from rnngen.nn.regularizers import WeightDrop, recurrent
from rnngen.options import construct
from rnngen.testing import check_cell
from rnngen.training.optimizers import block_rows

SPECS = {spec.name: spec for spec in rnngen_cells() if not isinstance(spec, NetworkSpec)}
B, T, E, H = 3, 6, 5, 4
EVERYTHING = {"zoneout_h": 0.1, "zoneout_c": 0.3, "layer_norm": True, "mogrifier": 5, "mogrifier_rank": 2}


def made(seed=1, **options):
    """A layer in float64 whose every parameter is drawn anew, and an input with a state."""
    torch.manual_seed(seed)
    layer = lstm(E, H, LSTMOptions(**options)).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x, h, c = torch.randn(B, T, E), torch.randn(B, H), torch.randn(B, H)
    return layer.eval(), x.double(), (h.double(), c.double())


def numpy_step(layer, options):
    return LSTMStep({n: p.detach().numpy() for n, p in layer.state_dict().items()}, options)


# ── the contract ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("lstm", {"zoneout_h": 0.2}),
        ("lstm", {"zoneout_c": 0.2}),
        ("lstm", {"layer_norm": "true"}),
        ("lstm", {"mogrifier": 1}),
        ("lstm", {"mogrifier": 4}),
        ("lstm", {"mogrifier": 5, "mogrifier_rank": 2}),
        ("lstm", {"mogrifier": 12, "forget_bias": 0}),
        ("lstm", EVERYTHING),
        ("gru", {"zoneout_h": 0.2}),
        ("gru", {"layer_norm": "true"}),
        ("gru", {"zoneout_h": 0.2, "layer_norm": "true"}),
        *(("rnn", {"zoneout_h": 0.2, "layer_norm": "true", "activation": a}) for a in ("tanh", "sigmoid")),
        ("rnn", {"layer_norm": "true", "activation": "relu"}),
    ],
)
def test_variants_whole_sequence_equals_step_by_step_equals_numpy_step(name, options):
    check_cell(SPECS[name], **{key: str(value).lower() for key, value in options.items()})


def test_numpy_step_follows_torch_from_any_weights_in_any_order():
    """The suite's layers are as they are drawn, with gains of 1 and biases of 0; trained ones are not."""
    layer, x, state = made(**EVERYTHING)
    weights = {n: p.numpy().astype(np.float32) for n, p in reversed(layer.state_dict().items())}
    step = LSTMStep(weights, LSTMOptions(**EVERYTHING))
    expected, _ = layer(x, state)
    state = tuple(array.numpy().astype(np.float32) for array in state)
    for t in range(T):
        y, state = step.advance(step.project(x[:, t].numpy().astype(np.float32)), state)
        np.testing.assert_allclose(y, expected[:, t].detach().numpy(), atol=2e-4)


# ── what is off ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("make", "fused", "options"),
    [(lstm, LSTM, LSTMOptions()), (gru, GRU, GRUOptions()), (rnn, RNN, RNNOptions())],
)
def test_without_options_a_cell_is_the_fused_one_with_its_draws(make, fused, options):
    torch.manual_seed(7)
    ours = make(E, H, options)
    torch.manual_seed(7)
    theirs = fused(E, H, options)
    assert type(ours) is fused
    assert ours.state_dict().keys() == {
        f"rnn.{kind}_{side}_l0" for kind in ("weight", "bias") for side in ("ih", "hh")
    }
    assert all(torch.equal(p, theirs.state_dict()[name]) for name, p in ours.state_dict().items())


def test_options_of_a_model_made_before_these_mean_the_fused_cell():
    made_then = construct(LSTMOptions, {"forget_bias": 2.0}, owner="cell 'lstm'")
    assert type(lstm(E, H, made_then)) is LSTM
    assert not made_then.has_extras


@pytest.mark.parametrize(
    ("gated", "fused", "options"),
    [
        (RegularizedLSTM, LSTM, LSTMOptions(zoneout_h=0.0)),
        (RegularizedGRU, GRU, GRUOptions()),
        (RegularizedRNN, RNN, RNNOptions(activation="relu")),
    ],
)
def test_loop_without_variants_equals_the_fused_cell_with_its_gradients(gated, fused, options):
    torch.manual_seed(3)
    one, other = fused(E, H, options).double(), gated(E, H, options).double()
    for parameter in one.parameters():
        torch.nn.init.normal_(parameter)
    other.load_state_dict(one.state_dict())
    x, state = torch.randn(B, T, E).double(), one.initial_state(B)
    ys = [layer(x, state)[0] for layer in (one, other)]
    torch.testing.assert_close(ys[0], ys[1])
    for y in ys:
        y.square().sum().backward()
    for name, parameter in one.named_parameters():
        torch.testing.assert_close(parameter.grad, other.get_parameter(name).grad)


# ── zoneout ────────────────────────────────────────────────────────────────────────────────────────────────


def test_zoneout_takes_the_expectation_after_training():
    layer, x, (h, c) = made(zoneout_h=0.25, zoneout_c=0.5)
    plain = LSTM(E, H, LSTMOptions()).double()
    plain.load_state_dict(layer.state_dict())
    _, (new_h, new_c) = plain(x[:, :1], (h, c))
    _, (mixed_h, mixed_c) = layer(x[:, :1], (h, c))
    torch.testing.assert_close(mixed_h, 0.25 * h + 0.75 * new_h)
    torch.testing.assert_close(mixed_c, 0.5 * c + 0.5 * new_c)


def test_zoneout_in_training_keeps_whole_units_as_often_as_asked():
    torch.manual_seed(0)
    options = LSTMOptions(zoneout_h=0.1, zoneout_c=0.4)
    layer, plain = RegularizedLSTM(E, 50, options), LSTM(E, 50, LSTMOptions())
    plain.load_state_dict(layer.state_dict())
    x, state = torch.randn(400, 1, E), (torch.randn(400, 50), torch.randn(400, 50))
    for old, new, got, chance in zip(state, plain(x, state)[1], layer(x, state)[1], (0.1, 0.4), strict=True):
        kept, taken = torch.isclose(got, old), torch.isclose(got, new, atol=1e-5)
        assert (kept | taken).all()
        assert kept.float().mean().item() == pytest.approx(chance, abs=0.02)


def test_zoneout_draws_anew_at_every_step():
    torch.manual_seed(0)
    layer = RegularizedRNN(E, 64, RNNOptions(zoneout_h=0.5))
    y, _ = layer(torch.randn(1, 3, E), layer.initial_state(1))
    kept = (y.diff(dim=1) == 0)[0]
    assert not torch.equal(kept[0], kept[1])


# ── layer normalisation ────────────────────────────────────────────────────────────────────────────────────


def test_layer_norm_follows_the_papers_equations():
    layer, x, (h, c) = made(layer_norm=True)
    p = {name.removeprefix("rnn."): value for name, value in layer.state_dict().items()}

    def normalised(a, gain, bias):
        centred = a - a.mean(1, keepdim=True)
        return gain * centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt() + bias

    a = normalised(x[:, 0] @ p["weight_ih_l0"].T, p["gain_ih_l0"], p["bias_ih_l0"])
    a = a + normalised(h @ p["weight_hh_l0"].T, p["gain_hh_l0"], p["bias_hh_l0"])
    i, f, g, o = a.chunk(4, 1)
    expected_c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    expected_h = o.sigmoid() * normalised(expected_c, p["memory.weight"], p["memory.bias"]).tanh()
    _, (h, c) = layer(x[:, :1], (h, c))
    torch.testing.assert_close(c, expected_c)
    torch.testing.assert_close(h, expected_h)


@pytest.mark.parametrize("cell", [gru, rnn])
def test_layer_norm_makes_a_cell_blind_to_the_scale_of_its_matrices(cell):
    torch.manual_seed(0)
    options = {gru: GRUOptions, rnn: RNNOptions}[cell](layer_norm=True)
    layer = cell(E, H, options).double()
    x, state = torch.randn(B, T, E).double() * 100, (torch.randn(B, H).double() * 100,)
    before, _ = layer(x, state)
    with torch.no_grad():
        layer.rnn.weight_ih_l0 *= 3
    torch.testing.assert_close(layer(x, state)[0], before, atol=1e-4, rtol=0)


# ── Mogrifier ──────────────────────────────────────────────────────────────────────────────────────────────


def test_mogrifier_follows_the_papers_equations():
    layer, x, (h, c) = made(mogrifier=3)
    q1, r2, q3 = (layer.mogrifier.rounds[turn][0].weight for turn in range(3))
    plain = LSTM(E, H, LSTMOptions()).double()
    plain.load_state_dict({n: p for n, p in layer.state_dict().items() if n.startswith("rnn.")})
    gated_x = 2 * torch.sigmoid(h @ q1.T) * x[:, 0]
    gated_h = 2 * torch.sigmoid(gated_x @ r2.T) * h
    gated_x = 2 * torch.sigmoid(gated_h @ q3.T) * gated_x
    expected, _ = plain(gated_x[:, None], (gated_h, c))
    torch.testing.assert_close(layer(x[:, :1], (h, c))[0], expected)


def test_mogrifier_of_zeros_changes_nothing():
    layer, x, state = made(mogrifier=4)
    plain = LSTM(E, H, LSTMOptions()).double()
    plain.load_state_dict({n: p for n, p in layer.state_dict().items() if n.startswith("rnn.")})
    for parameter in layer.mogrifier.parameters():
        torch.nn.init.zeros_(parameter)
    torch.testing.assert_close(layer(x, state)[0], plain(x, state)[0])


def test_mogrifier_rank_makes_matrices_thin():
    layer, *_ = made(mogrifier=2, mogrifier_rank=1)
    shapes = [[tuple(factor.weight.shape) for factor in factors] for factors in layer.mogrifier.rounds]
    assert shapes == [[(1, H), (E, 1)], [(1, E), (H, 1)]]


# ── what others rely on ────────────────────────────────────────────────────────────────────────────────────


def test_bf16_autocast_takes_float32_states_and_stays_near():
    torch.manual_seed(0)
    layer = RegularizedLSTM(E, H, LSTMOptions(**EVERYTHING)).eval()
    x, state = torch.randn(B, T, E), layer.initial_state(B)
    exact, _ = layer(x, state)
    with torch.autocast("cpu", torch.bfloat16):
        y, after = layer(x, state)
        again, _ = layer.train()(x, tuple(array.detach() for array in after))
    again.float().sum().backward()
    assert after[1].dtype == torch.float32
    torch.testing.assert_close(y.float(), exact, atol=0.05, rtol=0)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in layer.parameters())


@pytest.mark.parametrize(
    "layer",
    [
        RegularizedLSTM(E, H, LSTMOptions(**EVERYTHING)),
        RegularizedGRU(E, H, GRUOptions(layer_norm=True)),
        RegularizedRNN(E, H, RNNOptions(zoneout_h=0.1)),
    ],
    ids=["lstm", "gru", "rnn"],
)
def test_weight_drop_and_muon_find_the_recurrent_matrix(layer):
    past = layer.rnn.weight_hh_l0
    assert list(recurrent(layer)) == ["rnn.weight_hh_l0"]
    assert block_rows(layer)[past] == H
    drop = WeightDrop(0.99)
    torch.manual_seed(0)
    x, state = torch.randn(B, T, E), tuple(torch.randn(B, H) for _ in layer.initial_state(B))
    layer.eval()
    assert not torch.allclose(drop(layer, x, state)[0], layer(x, state)[0])
    for gate in past.detach().split(H):
        torch.testing.assert_close(gate @ gate.T, torch.eye(H), atol=1e-5, rtol=0)


def test_quantise_replaces_every_matrix():
    options = LSTMOptions(**EVERYTHING)
    step = numpy_step(RegularizedLSTM(E, H, options), options)
    seen = []
    x, state = np.ones((B, E), np.float32), step.initial_state(B)
    expected, _ = step.advance(step.project(x), state)
    step.quantize(lambda matrix: seen.append(matrix) or np.zeros_like(matrix))
    assert len(seen) == 2 + 2 * 5
    assert {matrix.shape for matrix in seen} == {(E, 4 * H), (H, 4 * H), (H, 2), (2, E), (E, 2), (2, H)}
    assert not np.allclose(step.advance(step.project(x), state)[0], expected)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"zoneout_h": 1.0}, "zoneout_h=1: a number from 0 to below 1"),
        ({"zoneout_c": -0.1}, "zoneout_c=-0.1: a number from 0 to below 1"),
        ({"zoneout_c": float("nan")}, "zoneout_c=nan"),
        ({"mogrifier": -1}, "mogrifier=-1: 0 or more"),
        ({"mogrifier_rank": -1, "mogrifier": 1}, "mogrifier_rank=-1: 0 or more"),
        ({"mogrifier_rank": 8}, "give mogrifier=5 too"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_mend(options, says):
    with pytest.raises(ValueError, match=says):
        LSTMOptions(**options)
