"""Parts of compiled steps: tanh to its last bits, NaN kept, and machine code that follows all its sources."""

import sys
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

if find_spec("numba") is None:
    pytest.skip("Numba is not there (rnngen[fast])", allow_module_level=True)

from rnngen import compiled
from rnngen.matrices import FORMATS


@compiled.compiled
def _tanh(a, out):
    for j in range(len(a)):
        out[j] = compiled.tanh(a[j])


def tanh(numbers):
    a = np.array(numbers, np.float32)
    out = np.empty_like(a)
    _tanh(a, out)
    return out


@pytest.mark.slow
def test_tanh_is_off_by_three_ten_millionths_at_most():
    a = np.concatenate([np.linspace(-12, 12, 100_001), np.geomspace(1e-30, 1, 1000)]).astype(np.float32)
    exact = np.tanh(a.astype(np.float64))
    assert (np.abs(tanh(a) - exact) <= 3e-7 * np.abs(exact)).all()


def test_tanh_of_what_is_no_number_is_none_and_that_of_infinity_is_one():
    assert np.isnan(tanh([np.nan] * 20)).all()
    np.testing.assert_allclose(tanh([np.inf, -np.inf]), [1, -1], atol=3e-7)


@pytest.mark.slow
@pytest.mark.parametrize("form", [*FORMATS])
def test_a_compiled_function_multiplies_by_any_matrix(form):
    rng = np.random.default_rng(0)
    held, x = FORMATS[form](rng.normal(size=(70, 90)).astype(np.float32)), rng.normal(size=(9, 70))
    product = np.empty((9, 90), np.float32)
    _multiply(x.astype(np.float32), held.arrays, product)
    np.testing.assert_allclose(product, x @ held.weights, atol=0.01)


@compiled.compiled
def _multiply(x, matrix, product):
    compiled.multiply(x, matrix, product)


def test_a_function_is_compiled_anew_where_the_source_of_one_that_it_calls_changed(monkeypatch, tmp_path):
    """Numba itself looks at the function's own file alone, and would take the old machine code from disk."""
    head = "from rnngen.compiled import compiled\n"
    (tmp_path / "outer.py").write_text(
        head + "from inner import inner\n@compiled\ndef outer():\n    return inner()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for number in (1, 22):
        (tmp_path / "inner.py").write_text(head + f"@compiled\ndef inner():\n    return {number}\n")
        compiled._read.cache_clear()
        assert import_module("outer").outer() == number
        for name in ("outer", "inner"):
            monkeypatch.delitem(sys.modules, name)


def test_a_function_without_a_file_is_compiled_too():
    found = {"compiled": compiled.compiled}
    exec(compile("@compiled\ndef typed(a):\n    return a + 1\n", "<prompt>", "exec"), found)
    assert found["typed"](1) == 2
