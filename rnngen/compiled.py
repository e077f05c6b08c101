"""Parts of steps that Numba compiles, for cells of rnngen and of plugins: import it when they are needed.

A compiled function is written like any other and decorated with ``compiled``; it may call those that are
here. Sums are taken in the order that is written, so that a machine gives the same bits every time.

Raises:
    PluginError: on import, if Numba is not installed.
"""

from collections.abc import Callable
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnngen.errors import PluginError

try:
    numba: Any = import_module("numba")
    Dispatcher: Any = import_module("numba.core.dispatcher").Dispatcher
    cgutils: Any = import_module("numba.core.cgutils")
    ir: Any = import_module("llvmlite.ir")
except ImportError:
    raise PluginError(
        "quantized weights are multiplied by code that Numba compiles, and it is not installed; "
        "pip install 'rnngen[fast]'"
    ) from None

overload, intrinsic = numba.extending.overload, numba.extending.intrinsic
Function = TypeVar("Function", bound=Callable[..., Any])
SETTINGS = {"nogil": True, "error_model": "numpy"}
Vector: TypeAlias = NDArray[np.float32]
Matrix: TypeAlias = NDArray[np.float32]
real, word = np.float32, np.uint32


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, and keep the machine code on disk where that can be.

    Contraction lets it multiply and add at once; the order of sums stays, so that the bits do. A division by
    zero gives what it gives in NumPy: a check would keep loops from becoming vectors.
    """
    made: Function = _cached(numba.njit, function, fastmath={"contract"}, **SETTINGS)
    return made


def reordered(function: Function) -> Function:
    """Compile a function whose sums may be taken in the order that is fastest on this kind of processor."""
    made: Function = _cached(numba.njit, function, fastmath={"contract", "reassoc", "nsz"}, **SETTINGS)
    return made


def native(function: Callable[[Any], None], argument: Any) -> Any:
    """Compile a function of one argument of a type of Numba's, which C can call: a ``numba.cfunc``."""
    made = FunctionType(function.__code__, function.__globals__, function.__name__)
    made.__qualname__ = function.__qualname__.partition("-")[0]
    return _cached(numba.cfunc, made, numba.types.void(argument), fastmath={"contract"}, **SETTINGS)


def _cached(decorator: Callable[..., Any], function: Any, *signature: Any, **settings: Any) -> Any:
    function.__qualname__ += f"-{_version(function)}"  # a part of the file's name
    try:
        return decorator(*signature, cache=True, **settings)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return decorator(*signature, **settings)(function)


def _version(function: Any) -> str:
    """A digest of all sources of a function's machine code; Numba by itself watches its own file alone."""
    return sha256(b"".join(map(_read, sorted(_sources(function))))).hexdigest()[:16]


def _sources(function: Any) -> set[str]:
    """The files of a function, and of the compiled ones that it calls."""
    named = (function.__globals__.get(name) for name in function.__code__.co_names)
    called = [one.py_func for one in named if isinstance(one, Dispatcher)]
    return {__file__, function.__code__.co_filename}.union(*map(_sources, called))


@cache
def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:  # typed at a prompt: Numba keeps such machine code by itself, or not at all
        return b""


# ── Products ───────────────────────────────────────────────────────────────────────────────────────────────


LANES = 64
"""Columns that are summed side by side: in 512 bits they lie in four registers."""
ROWS = 4
"""Rows that are multiplied by one reading of the weights."""


def _products(rows: int) -> Any:
    """Return the function ``add_products`` for that many rows (R)."""
    lane = ir.IntType(32)
    columns, pairs = ir.VectorType(lane, LANES), ir.VectorType(lane, 2 * LANES)
    halves, octets = ir.VectorType(ir.IntType(16), 2 * LANES), ir.VectorType(ir.IntType(8), 2 * LANES)

    def constant(numbers: Any) -> Any:
        return ir.Constant(columns, list(numbers))

    nothing = constant([0] * LANES)
    even, odd = constant(range(0, 2 * LANES, 2)), constant(range(1, 2 * LANES, 2))

    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        kinds = zip(signature.args, given, strict=True)
        x, levels, sums = (context.make_array(kind)(context, builder, one) for kind, one in kinds)
        size = builder.extract_value(x.shape, 1)

        def vector(array: Any, offset: Any, kind: Any) -> Any:
            return builder.bitcast(builder.gep(array.data, [offset]), kind.as_pointer())

        def number(count: int) -> Any:
            return ir.Constant(size.type, count)

        totals = [cgutils.alloca_once_value(builder, nothing) for _ in range(rows)]
        with cgutils.for_range(builder, size) as loop:
            weights = builder.load(
                vector(levels, builder.mul(loop.index, number(2 * LANES)), octets), align=1
            )
            wide = builder.sext(weights, pairs)
            for row, total in enumerate(totals):
                place = builder.add(loop.index, builder.mul(size, number(row)))
                pair = builder.insert_element(nothing, builder.load(builder.gep(x.data, [place])), lane(0))
                spread = builder.bitcast(builder.shuffle_vector(pair, pair, nothing), halves)
                products = builder.mul(builder.sext(spread, pairs), wide)
                evens, odds = (builder.shuffle_vector(products, products, half) for half in (even, odd))
                builder.store(builder.add(builder.load(total), builder.add(evens, odds)), total)
        for row, total in enumerate(totals):
            builder.store(builder.load(total), vector(sums, number(row * LANES), columns), align=4)
        return context.get_dummy_value()

    @intrinsic
    def add_products(typing, x, levels, sums):  # type: ignore[no-untyped-def]  # noqa: ARG001
        """Set ``sums`` (R,LANES) in int32 to x times a block of ``levels``; exact, so that no order matters.

        A number of ``x`` (R,P) holds two of int16, and a row of ``levels`` (P,2·LANES) those that they are
        multiplied by, column after column. Numba has no vectors, and would not find the instructions of a
        processor that multiply and add 16-bit pairs (on x86, ``vpdpwssd`` or ``vpmaddwd``); LLVM does::

            sums[r,g] += even(x[r,p]) · levels[p,2g] + odd(x[r,p]) · levels[p,2g+1]
        """
        return numba.void(x, levels, sums), code

    return add_products


add_products, add_products_of_rows = _products(1), _products(ROWS)
TINY = real(1e-30)


@compiled
def round_row(x: Vector, most: int, rounded: NDArray[np.int16]) -> Any:
    """Round ``x`` (I,) to multiples of a unit, ``most`` at most, and return the unit.

    Where one number is none, so is the unit.
    """
    bits, highest = x.view(np.int32), np.int32(0)
    for i in range(len(x)):
        highest = max(highest, np.int32(bits[i] & np.int32(0x7FFFFFFF)))  # the larger, the larger is |x|
    largest = np.int32(highest).view(real)
    if not TINY < largest < np.inf:
        return real(0) if largest <= TINY else real(np.nan)
    factor = real(most) / largest
    for i in range(len(x)):
        rounded[i] = np.int16(np.rint(x[i] * factor))
    return largest / real(most)


@compiled
def multiply_bytes(x: Matrix, levels: NDArray[np.int8], scales: Vector, product: Matrix) -> None:
    """``x`` (B,I) times a matrix (I,G) into ``product`` (B,G), each column times its scale (G,).

    ``levels`` (⌈G/LANES⌉,⌈I/2⌉,2·LANES) are its blocks for ``add_products``, filled up with zeros. So is x,
    rounded to as many levels, 2¹⁵ at most, as sums in int32 allow.
    """
    batch, size = x.shape
    most = min(32767, 0x7FFFFFFF // (127 * max(size, 1)))
    rounded, units = np.zeros((batch, 2 * levels.shape[1]), np.int16), np.empty(batch, real)
    for b in range(batch):
        units[b] = round_row(x[b], most, rounded[b])
    pairs, sums = rounded.view(np.int32), np.empty((ROWS, LANES), np.int32)
    for block in range(len(levels)):
        begin = block * LANES
        end = min(begin + LANES, len(scales))
        for first in range(0, batch, ROWS):
            count = min(ROWS, batch - first)
            if count == ROWS:
                add_products_of_rows(pairs[first : first + ROWS], levels[block], sums)
            else:
                for row in range(count):
                    add_products(pairs[first + row : first + row + 1], levels[block], sums[row : row + 1])
            for row in range(count):
                out, unit, total = product[first + row, begin:end], units[first + row], sums[row]
                for g in range(end - begin):
                    out[g] = real(total[g]) * (scales[begin + g] * unit)


@compiled
def even(pair: Any) -> Any:
    """Return the lower bf16 number of a word."""
    return word(pair << word(16)).view(real)


@compiled
def odd(pair: Any) -> Any:
    """Return the upper bf16 number of a word."""
    return word(pair & word(0xFFFF0000)).view(real)


@compiled
def multiply_pairs(x: Matrix, pairs: NDArray[np.uint32], product: Matrix) -> None:
    """``x`` (B,I) times a matrix (I,G) into ``product`` (B,G).

    A word of ``pairs`` (⌈I/2⌉,G) holds the bf16 numbers of two rows: the even one in its lower half. Eight
    rows at a time: the sums, which lie in the nearest cache, are then read and written once for them.
    """
    (batch, size), width = x.shape, pairs.shape[1]
    whole = size - size % 8
    for n in range(batch):
        row, sums = x[n], product[n]
        sums[:] = 0
        for i in range(0, whole, 8):
            x0, x1, x2, x3 = row[i], row[i + 1], row[i + 2], row[i + 3]
            x4, x5, x6, x7 = row[i + 4], row[i + 5], row[i + 6], row[i + 7]
            a, b, c, d = pairs[i // 2], pairs[i // 2 + 1], pairs[i // 2 + 2], pairs[i // 2 + 3]
            for g in range(width):
                low = x0 * even(a[g]) + x1 * odd(a[g])
                low += x2 * even(b[g]) + x3 * odd(b[g])
                high = x4 * even(c[g]) + x5 * odd(c[g])
                high += x6 * even(d[g]) + x7 * odd(d[g])
                sums[g] += low + high
        for i in range(whole, size):
            for g in range(width):
                pair = pairs[i // 2, g]
                sums[g] += row[i] * (odd(pair) if i % 2 else even(pair))


def multiply(x: Matrix, matrix: Any, product: Matrix) -> None:
    """``x`` (B,I) times a ``rnngen.contracts.CompiledMatrix``, its ``arrays``, into ``product`` (B,G).

    For compiled functions to call. Not a bit of a row depends on those beside it.
    """
    raise NotImplementedError


@overload(multiply, strict=False)
def _multiply(x, matrix, product):  # type: ignore[no-untyped-def]  # noqa: ARG001
    if len(matrix) == 2:
        return lambda x, matrix, product: multiply_bytes(x, matrix[0], matrix[1], product)
    return lambda x, matrix, product: multiply_pairs(x, matrix[0], product)


@compiled
def multiply_rows(x: Matrix, matrix: Any, product: Matrix) -> None:
    """Do the same, for NumPy to call."""
    multiply(x, matrix, product)


# ── A step ─────────────────────────────────────────────────────────────────────────────────────────────────

LARGEST = real(7.90531110763549805)
"""From here on tanh is as large as it gets in float32."""
P6, P5, P4 = real(-2.76076847742355e-16), real(2.00018790482477e-13), real(-8.60467152213735e-11)
P3, P2, P1 = real(5.12229709037114e-08), real(1.48572235717979e-05), real(6.37261928875436e-04)
P0 = real(4.89352455891786e-03)
Q3, Q2 = real(1.19825839466702e-06), real(1.18534705686654e-04)
Q1, Q0 = real(2.26843463243900e-03), real(4.89352518554385e-03)


@compiled
def tanh(a: Any) -> Any:
    """Tanh of a float32, off by 3e-7 at most: the quotient of polynomials of Eigen's ``ptanh_float``."""
    over, under = tanh_fraction(a)
    return over / under


@compiled
def tanh_fraction(a: Any) -> Any:
    """Return the two polynomials whose quotient is tanh; the second is positive, and 2 at most."""
    a = LARGEST if a > LARGEST else (-LARGEST if a < -LARGEST else a)  # what is no number stays so
    s = a * a
    over = ((((((P6 * s + P5) * s + P4) * s + P3) * s + P2) * s + P1) * s + P0) * a
    return over, ((Q3 * s + Q2) * s + Q1) * s + Q0
