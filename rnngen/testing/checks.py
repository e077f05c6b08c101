"""Shared by the suites for cells, attentions and networks: comparisons of arrays of torch and NumPy."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import wraps
from typing import Any, ParamSpec

import numpy as np

from rnngen.contracts import Quantizable, State, Weights
from rnngen.discovery import LOCAL
from rnngen.errors import RnngenError, UsageError
from rnngen.matrices import FORMATS, has_numba

TOLERANCE = 1e-5
"""Absolute and relative, in fp32; outputs of the suites' small modules are of the order of 1."""
QUANTIZED_TOLERANCE = 1e-3
"""The same between compiled products and those of the same weights in fp32: an 8-bit one rounds its input."""
INF = float("inf")
P = ParamSpec("P")


def suite(check: Callable[P, None]) -> Callable[P, None]:
    """Decorate a suite: whatever the thing that is checked raises is a broken promise too.

    A ``RnngenError`` passes: an option may be refused.
    """

    @wraps(check)
    def whole(*arguments: P.args, **options: P.kwargs) -> None:
        try:
            check(*arguments, **options)
        except (AssertionError, RnngenError):
            raise
        except Exception as error:
            raise AssertionError(f"it fails with {type(error).__name__}: {error}") from error

    return whole


def close(one: Any, other: Any, message: str, tolerance: float = TOLERANCE) -> None:
    """Check that two arrays are equal up to a tolerance; infinities must be equal."""
    shapes = tuple(one.shape), tuple(other.shape)
    assert shapes[0] == shapes[1], f"{message}, by its shape: {shapes[0]}, not {shapes[1]}"
    if 0 in other.shape:
        return
    with np.errstate(invalid="ignore"):  # infinities
        difference, size = abs(one * 1.0 - other * 1.0), abs(other * 1.0)
    difference[one == other] = 0.0  # infinities too
    worst, scale = float(difference.max()), max(1.0, float(size[size < INF].max()))
    assert worst <= tolerance * scale, f"{message} by {worst:.2g} (allowed: {tolerance * scale:.2g})"


def states_close(one: State, other: State, message: str) -> None:
    """Check that two states are equal, array by array."""
    for here, there in zip(one, other, strict=True):
        close(here, there, message)


def quantized(build: Callable[[], Any]) -> Iterator[tuple[str, Any, Any]]:
    """Quantize a step in each format → its name, the step, and one of the same weights in fp32.

    There are none for a step that is not ``Quantizable``, or has a part that is not, or where Numba is not
    installed.
    """
    if not has_numba() or not isinstance(build(), Quantizable):
        return
    for name, form in FORMATS.items():
        held, plain = build(), build()
        try:
            held.quantize(form)
        except UsageError:  # a part of it is not
            return
        except Exception as error:
            raise AssertionError(f"quantize() fails in {name}: {type(error).__name__}: {error}") from error
        plain.quantize(lambda matrix, form=form: form(matrix).weights)
        yield name, held, plain


def state(arrays: State, batch: int, what: str = "a state") -> None:
    """Check that a state is a flat tuple of arrays with the batch on axis 0."""
    assert isinstance(arrays, tuple), f"{what} is a flat tuple of arrays, not {type(arrays).__name__}"
    for array in arrays:
        assert len(array) == batch, f"{what} has an array of shape {tuple(array.shape)}: no batch on axis 0"


def copies(arrays: Iterable[Any]) -> list[Any]:
    """Copy arrays of either library, to compare them afterwards."""
    return [deepcopy(array) for array in arrays]


def unchanged(before: Iterable[Any], after: Iterable[Any], what: str) -> None:
    """Check that arrays still are what they were; NaN counts as equal to NaN."""
    for kept, array in zip(before, after, strict=True):
        assert kept.shape == array.shape, f"{what} changed shape"
        same = (kept == array) | ((kept != kept) & (array != array))  # noqa: PLR0124 - NaN, in either library
        assert same.all(), f"a call writes into {what}; return new arrays"


def read_only(arrays: State) -> State:
    """Let nobody write to NumPy arrays, and return them."""
    for array in arrays:
        array.flags.writeable = False
    return arrays


def called(work: Callable[..., Any], *arguments: Any) -> Any:
    """Call a step of NumPy with arrays that may not be written to."""
    try:
        return work(*arguments)
    except ValueError as error:
        if "read-only" in str(error):
            raise AssertionError(f"{work.__qualname__} writes to an argument; return new arrays") from error
        raise


def light(module: str) -> None:
    """Check, in a process of its own, that a plugin's module of hooks imports neither torch nor NumPy.

    Listings import it, and a second there is a second for everybody.
    """
    code = f"import sys, {module}; print(*sorted({{'torch', 'numpy', 'tokenizers'}} & set(sys.modules)))"
    heavy = in_process(code).split()
    assert not heavy, f"{module} imports {' and '.join(heavy)} at its top; move that where `load` points to"


def importing(module: str) -> str:
    """Return code that makes a module known in another process, where it is a plugin of one file."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if not (module.startswith(f"{LOCAL.name}.") and file):
        return ""
    return f"from rnngen.discovery import *; SingleFile(Path({file!r})).load()"


def in_process(code: str, **environment: str) -> str:
    """Run Python in a process of its own, with this one's path → its standard output."""
    path = os.pathsep.join(one for one in sys.path if one)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"it fails in a process of its own: {done.stderr.strip().splitlines()[-1:]}"
    return done.stdout


def module(made: Any, load: str) -> None:
    """Check that a spec's ``load`` makes a module of torch."""
    assert hasattr(made, "named_parameters"), f"{load} makes no torch.nn.Module"


def gradients(made: Any) -> None:
    """Check that a backward pass reached every parameter with finite gradients."""
    import torch

    named = dict(made.named_parameters())
    unreached = [name for name, p in named.items() if p.grad is None]
    assert not unreached, f"no gradient reaches {', '.join(unreached)}"
    broken = [name for name, p in named.items() if not torch.isfinite(p.grad).all()]
    assert not broken, f"the gradients of {', '.join(broken)} are not finite"


def weights_of(made: Any) -> Weights:
    """The parameters and buffers of a module, as a NumPy implementation receives them."""
    return {name: array.detach().numpy() for name, array in made.state_dict().items()}
