"""Weights in 8 or 16 bits: what a product may be off by, and that a step with them is as good as a step."""

import subprocess
import sys
from importlib.util import find_spec
from itertools import islice

import numpy as np
import pytest
import torch

from rnngen.builtins.filters.options import TemperatureOptions
from rnngen.builtins.filters.truncation import temperature
from rnngen.decoding.sampler import sample, sample_many
from rnngen.errors import PluginError, UnknownName, UsageError
from rnngen.inference.build import identity, numpy_layers
from rnngen.inference.numpy_model import NumpyStep
from rnngen.inference.quantized import QuantizedStep, quantize, quantized_step
from rnngen.matrices import FORMATS, BFloat16Matrix, Int8Matrix
from rnngen.nn.network import RecurrentNetwork
from rnngen.numerics import log_softmax
from rnngen.options.model import NetworkOptions
from rnngen.registry import Registry
from rnngen.registry.components import choose

V = 17
PLAIN_CELLS = [("lstm", {}), ("gru", {}), ("rnn", {}), ("rnn", {"activation": "relu"})]
CELLS = [
    *PLAIN_CELLS,
    ("lstm", {"layer_norm": "true", "zoneout_c": "0.1"}),
    ("lstm", {"mogrifier": "2"}),
    ("gru", {"layer_norm": "true", "zoneout_h": "0.1"}),
    ("rnn", {"activation": "sigmoid", "layer_norm": "true"}),
]
needs_numba = pytest.mark.skipif(
    find_spec("numba") is None,
    reason="Numba is not there (rnngen[fast])",
)


@pytest.fixture(params=[*FORMATS])
def form(request):
    """The name of a format."""
    return request.param


def matrix(rows, columns, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


def step_of(cell="lstm", settings=None, layers=2, hidden=37):
    """A step of a network whose weights are those that training begins with."""
    part = choose(Registry(), {"cell": cell}, settings or {})["cell"]
    torch.manual_seed(3)
    network = RecurrentNetwork(V, NetworkOptions(hidden=hidden, layers=layers), part.build)
    weights = {name: array.numpy().copy() for name, array in network.state_dict().items()}
    return NumpyStep(weights, numpy_layers(part, weights, layers))


def held_in(form, *arguments, **sizes):
    step = step_of(*arguments, **sizes)
    quantize(step, form)
    return QuantizedStep(step)


def read(step, count=40):
    """The logits (T,B,V) after each of some tokens in three streams."""
    tokens = np.random.default_rng(5).integers(V, size=(count, 3))
    state, found = step.start(3), []
    for column in tokens:
        logits, state = step(column, state)
        found.append(logits)
    return np.stack(found)


def filters():
    return [temperature(TemperatureOptions(0.8))]


# ── a product ──────────────────────────────────────────────────────────────────────────────────────────────


@needs_numba
@pytest.mark.parametrize("sizes", [(1, 1), (7, 3), (8, 5), (9, 64), (64, 65), (100, 400)], ids=str)
@pytest.mark.parametrize("batch", [1, 2, 9, 40])
def test_a_product_is_off_by_half_a_level_of_each_number_at_most(sizes, batch):
    weights, x = matrix(*sizes), matrix(batch, sizes[0], seed=1)
    exact = x.astype(np.float64) @ weights
    scales = np.abs(weights).max(axis=0) / 127
    bound = 0.5 * scales * np.abs(x).sum(axis=1, keepdims=True)
    error = np.abs(np.dot(x, Int8Matrix(weights)) - exact)
    assert (error <= bound * 1.001 + 1e-5).all()


@needs_numba
@pytest.mark.parametrize("size", [7, 61, 700])
def test_levels_are_multiplied_to_the_rounding_of_x(size):
    """X is rounded to 15 bits of its largest number, or less where sums in 32 bits would overflow."""
    weights, x = matrix(size, 45), matrix(5, size, seed=1)
    held = Int8Matrix(weights)
    unit = np.abs(x).max(axis=1, keepdims=True) / min(32767, (2**31 - 1) // (127 * size))
    bound = 0.5 * unit * np.abs(held.weights).sum(axis=0)
    assert (np.abs(np.dot(x, held) - x.astype(np.float64) @ held.weights) <= bound * 1.001 + 1e-5).all()


@needs_numba
@pytest.mark.parametrize("sizes", [(1, 1), (7, 3), (8, 5), (9, 64), (64, 65), (101, 400)], ids=str)
@pytest.mark.parametrize("batch", [1, 5])
def test_bf16_has_the_nearest_numbers_and_multiplies_them_to_the_rounding_of_float32(sizes, batch):
    weights, x = matrix(*sizes), matrix(batch, sizes[0], seed=1)
    held = BFloat16Matrix(weights)
    np.testing.assert_array_equal(held.weights, torch.from_numpy(weights).bfloat16().float().numpy())
    np.testing.assert_allclose(np.dot(x, held), x.astype(np.float64) @ held.weights, rtol=1e-4, atol=1e-5)


@needs_numba
def test_not_a_bit_of_a_row_depends_on_the_rows_beside_it(form):
    held, x = FORMATS[form](matrix(50, 33)), matrix(70, 50, seed=1)
    together = np.dot(x, held)
    for row in range(len(x)):
        np.testing.assert_array_equal(np.dot(x[row : row + 1], held)[0], together[row])


@needs_numba
def test_any_array_of_rows_is_multiplied_by_either_sign(form):
    held, x = FORMATS[form](matrix(12, 6)), matrix(8, 12, seed=1)
    expected = np.dot(x, held)
    frozen = x.copy()
    frozen.flags.writeable = False
    for other in (frozen, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], x.astype(np.float64)):
        np.testing.assert_array_equal(np.dot(other, held), expected)
        np.testing.assert_array_equal(other @ held, expected)
    np.testing.assert_array_equal(x[3] @ held, expected[3])
    np.testing.assert_array_equal(x.reshape(2, 4, 12) @ held, expected.reshape(2, 4, 6))


@needs_numba
@pytest.mark.filterwarnings("error")
def test_columns_of_zeros_give_zeros_and_what_is_no_number_gives_none(form):
    weights = matrix(9, 5)
    weights[:, 0], weights[:, 1], weights[3, 2], weights[3, 3] = 0, 1e-44, np.nan, np.inf
    product = np.dot(np.ones((1, 9), np.float32), FORMATS[form](weights))[0]
    assert product[0] == 0
    assert abs(product[1]) < 1e-40
    assert not np.isfinite(product[2:4]).any()
    assert np.isfinite(product[4])


@needs_numba
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_in_a_row_leaves_none_in_its_product(form, number):
    x = matrix(2, 9)
    x[1, 4] = number
    product = np.dot(x, FORMATS[form](matrix(9, 5)))
    assert np.isfinite(product[0]).all()
    assert not np.isfinite(product[1]).any()


@needs_numba
def test_a_row_of_zeros_gives_zeros(form):
    assert not np.dot(np.zeros((1, 9), np.float32), FORMATS[form](matrix(9, 5))).any()


@needs_numba
def test_it_has_the_shape_of_its_array_and_takes_no_other_product(form):
    held = FORMATS[form](matrix(4, 6))
    assert (held.shape, len(held)) == ((4, 6), 4)
    with pytest.raises(ValueError, match="rows of 5 do not fit"):
        np.dot(matrix(1, 5), held)
    for other in (lambda: np.dot(held, matrix(6, 1)), lambda: np.transpose(held), lambda: np.dot(held, held)):
        with pytest.raises(TypeError):
            other()


# ── a step ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@needs_numba
@pytest.mark.parametrize(("cell", "settings"), CELLS, ids=str)
@pytest.mark.parametrize("layers", [1, 3])
def test_a_compiled_step_computes_what_one_of_the_same_rounded_weights_does_in_fp32(
    cell, settings, layers, form
):
    """In 8 bits the input is rounded too, and layer normalisation makes the most of it, step after step."""
    rounded = step_of(cell, settings, layers)
    made = []

    def rounding(weights):
        held = FORMATS[form](weights)
        made.append(held.shape)
        return held.weights

    rounded.quantize(rounding)
    rounds = int(settings.get("mogrifier", 0))
    assert len(made) == (2 + rounds) * layers + 1
    atol = {"int8": 3e-3, "bf16": 1e-4}[form]
    np.testing.assert_allclose(read(held_in(form, cell, settings, layers)), read(rounded), atol=atol)


@needs_numba
@pytest.mark.parametrize(("cell", "settings"), PLAIN_CELLS, ids=str)
def test_logits_are_off_by_a_fortieth_of_their_spread_and_the_loss_by_a_two_hundredth(cell, settings):
    """Over three layers, the mean error; of the loss, that on the network's own text, logits times ten."""
    full, held = read(step_of(cell, settings, 3)), read(held_in("int8", cell, settings, 3))
    assert np.sqrt(np.square(held - full).mean()) < full.std() / 40
    true, guess = log_softmax(10 * full), log_softmax(10 * held)
    loss, more = -(np.exp(true) * true).sum(), (np.exp(true) * (true - guess)).sum()
    assert 0 < more < loss / 200


@needs_numba
def test_without_the_table_the_projection_is_quantised_too(monkeypatch, form):
    with_table = read(held_in(form))
    monkeypatch.setattr(NumpyStep, "TABLE_LIMIT", 0)
    np.testing.assert_allclose(read(held_in(form)), with_table, atol=0.02)


@needs_numba
def test_same_seed_same_text_and_texts_side_by_side_are_those_made_alone(form):
    step = held_in(form, layers=3)
    alone = [
        list(islice(sample(step, step.start(1), [0], filters(), np.random.default_rng(seed)), 60))
        for seed in range(20)
    ]
    rngs = [np.random.default_rng(seed) for seed in range(20)]
    other = held_in(form, layers=3)
    together = sample_many(
        other, other.start(20), [[0]] * 20, filters(), rngs, eos_id=None, lengths=[60] * 20
    )
    assert [list(text) for text in together] == alone
    assert len({tuple(text) for text in alone}) == 20


# ── what is refused ────────────────────────────────────────────────────────────────────────────────────────


def test_without_numba_the_command_that_installs_it_is_told(monkeypatch, form):
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delitem(sys.modules, "rnngen.compiled", raising=False)
    with pytest.raises(PluginError, match=r"pip install 'rnngen\[fast\]'"):
        quantize(step_of(), form)


def test_a_step_without_the_method_is_refused_by_its_name(monkeypatch):
    class Stubborn:
        initial_state, advance = None, None

    step = step_of()
    step.layers = (step.first, Stubborn())
    with pytest.raises(UsageError, match=r"Stubborn .* leave --quantize out"):
        quantize(step, "int8")
    with pytest.raises(UsageError, match="Stubborn"):
        quantize(Stubborn(), "int8")
    assert isinstance(step.first.recurrent.matrix, np.ndarray)


def test_an_unknown_format_is_named_with_the_closest():
    with pytest.raises(UnknownName, match="did you mean 'int8'"):
        quantize(step_of(), "int9")


def test_nothing_imports_numba_before_it_is_needed():
    code = (
        "import sys, rnngen.generation.loading, rnngen.inference.quantized; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@needs_numba
def test_states_of_each_format_are_told_apart_and_those_of_int8_are_what_they_were():
    steps = [step_of() for _ in range(3)]
    for step, form in zip(steps[1:], ("int8", "bf16"), strict=True):
        quantize(step, form)
    names = [identity(steps[0]), *map(identity, map(quantized_step, steps[1:], ("int8", "bf16")))]
    assert len({*names}) == 3
    assert names[1] == "QuantizedStep"
