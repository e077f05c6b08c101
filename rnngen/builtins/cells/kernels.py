"""Shared by the kernels that train the cells on the CPU: all pointwise work of a time step in one pass.

::

    each step    torch.mm: last outputs times U  ─▸  kernel: the rows of the batch, shared out to the threads

A kernel is a function that Numba compiles, of a pointer to ``slots``: whole numbers of 8 bytes, of which
the first are named below and the others are addresses of arrays. It works on one chunk of the rows after
another, for as long as there are any; sums over rows are kept chunk by chunk, so that which thread takes
which does not matter. Rows are float32, or bf16 where products are (``low``), rounded to the nearest.
"""

from typing import Any

import numpy as np

from rnngen.compiled import (
    compiled,
    intrinsic,
    ir,
    numba,
    overload,
    real,
    reordered,
    tanh,
    tanh_fraction,
    word,
)

NEXT, STEP, STEPS, BATCH, SIZE, CHUNKS, KIND, ARRAYS = range(8)
"""Slots: the next chunk, t, T, B, H, the number of chunks, the kind of nonlinearity, and the first array."""
A, PRODUCT, X, WEIGHTS, STATES, LOWS, MOMENTS, OUT, SCRATCH, DY, DH, DC, DX, DA, SUMS = range(15)
"""Arrays, of G gates and of W weights beside the matrices.

::

    A        (B,G)         low   U h of this step          LOWS     (T+1,B,H)  low   outputs, from the first h
    X        (T,B,G)       low   W x                       MOMENTS  (T,B,6)    wide  mean and scale of norms
    WEIGHTS  (W,)          wide  gains and biases          OUT      (B,H)      wide  the last output
    STATES   (T+1,B,H)     wide  c of an LSTM, else h      SCRATCH  (chunks,16H) wide

    PRODUCT  (B,H)         low   the gradient by h, through the products of the step after
    DH, DC   (B,H)         wide  by h (what goes around the products) and c
    DY       (B,T,H)       low   by outputs
    DX, DA   (T,B,G)       low   by W x and U h; the same where they are added
    SUMS     (chunks,W)    wide  by the weights
"""
ZERO, ONE, HALF, EPSILON = real(0), real(1), real(0.5), real(1e-5)
types = numba.types
POINTERS = {"bf16": types.CPointer(types.uint16), "fp32": types.CPointer(types.float32)}
"""The type of the pointer to the slots says of which type products are."""


# ── What a kernel reads and writes ─────────────────────────────────────────────────────────────────────────


def _word_at(builder: Any, slots: Any, slot: Any) -> Any:
    words = builder.bitcast(slots, ir.IntType(64).as_pointer())
    return builder.gep(words, [slot])


@intrinsic
def number(typing, slots, slot):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Return the number in a slot."""

    def code(context, builder, signature, given):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.load(_word_at(builder, *given))

    return types.int64(slots, types.int64), code


@intrinsic
def take_chunk(typing, slots):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Return the next chunk that no thread has taken."""

    def code(context, builder, signature, given):  # type: ignore[no-untyped-def]  # noqa: ARG001
        place = _word_at(builder, given[0], ir.Constant(ir.IntType(64), NEXT))
        return builder.atomic_rmw("add", place, ir.Constant(ir.IntType(64), 1), "monotonic")

    return types.int64(slots), code


@intrinsic
def prefer_long_vectors(typing):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Let LLVM take 512 bits at once where the processor has them, in the function that calls this."""

    def code(context, builder, signature, given):  # type: ignore[no-untyped-def]  # noqa: ARG001
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.none(), code


def _pointer(slots: Any, kind: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        address = builder.load(_word_at(builder, *given[:2]))
        pointer = context.get_value_type(signature.return_type)
        return builder.gep(builder.inttoptr(address, pointer), [given[2]])

    return kind(slots, types.int64, types.int64), code


@intrinsic
def _wide(typing, slots, slot, offset):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return _pointer(slots, types.CPointer(types.float32))


@intrinsic
def _low(typing, slots, slot, offset):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return _pointer(slots, slots)


@compiled
def wide(slots: Any, slot: Any, row: Any, width: Any) -> Any:
    """Return a row of an array (…,width) of float32."""
    return numba.carray(_wide(slots, ARRAYS + slot, row * width), (width,))


@compiled
def low(slots: Any, slot: Any, row: Any, width: Any) -> Any:
    """Return a row of an array (…,width) of the type of products."""
    return numba.carray(_low(slots, ARRAYS + slot, row * width), (width,))


def get(row: Any, j: Any) -> Any:
    """A number of a row, as float32."""
    raise NotImplementedError


@overload(get)
def _get(row, j):  # type: ignore[no-untyped-def]  # noqa: ARG001
    if row.dtype == types.uint16:
        return lambda row, j: word(word(row[j]) << word(16)).view(real)
    return lambda row, j: row[j]


def put(row: Any, j: Any, value: Any) -> None:
    """Set a number of a row to a float32, rounded to the nearest, to the even one of two."""
    raise NotImplementedError


@overload(put)
def _put(row, j, value):  # type: ignore[no-untyped-def]  # noqa: ARG001
    if row.dtype != types.uint16:

        def store(row, j, value):  # type: ignore[no-untyped-def]
            row[j] = value

        return store

    def rounded(row, j, value):  # type: ignore[no-untyped-def]
        bits = real(value).view(word)
        row[j] = np.uint16(word(bits + word(0x7FFF) + word(word(bits >> word(16)) & word(1))) >> word(16))

    return rounded


# ── Equations of a row ─────────────────────────────────────────────────────────────────────────────────────


@compiled
def sigmoids(row: Any) -> None:
    """Apply σ in place, off by 2e-7 at most."""
    prefer_long_vectors()
    for j in range(len(row)):
        row[j] = HALF * tanh(HALF * row[j]) + HALF


@compiled
def sigmoid_and_tanh(first: Any, second: Any) -> None:
    """Apply σ to the first row and tanh to the second, in place: by one division, which takes longest."""
    prefer_long_vectors()
    for j in range(len(first)):
        over_first, under_first = tanh_fraction(HALF * first[j])
        over, under = tanh_fraction(second[j])
        both = ONE / (under_first * under)
        first[j] = HALF * (over_first * under * both) + HALF
        second[j] = over * under_first * both


@compiled
def two_sigmoids(first: Any, second: Any) -> None:
    """Apply σ to both rows in place, by one division."""
    prefer_long_vectors()
    for j in range(len(first)):
        over_first, under_first = tanh_fraction(HALF * first[j])
        over, under = tanh_fraction(HALF * second[j])
        both = ONE / (under_first * under)
        first[j] = HALF * (over_first * under * both) + HALF
        second[j] = HALF * (over * under_first * both) + HALF


@compiled
def tanhs(row: Any) -> None:
    """Apply tanh in place, off by 3e-7 at most."""
    prefer_long_vectors()
    for j in range(len(row)):
        row[j] = tanh(row[j])


@reordered
def moments(row: Any) -> Any:
    """Mean and ``1 / √(variance + ε)`` of a row."""
    prefer_long_vectors()
    size = real(len(row))
    total, squares = real(0), real(0)
    for j in range(len(row)):
        total += get(row, j)
    mean = total / size
    for j in range(len(row)):
        squares += (get(row, j) - mean) * (get(row, j) - mean)
    return mean, ONE / np.sqrt(squares / size + EPSILON)


@compiled
def normalize(row: Any, gain: Any, bias: Any, norm: Any, out: Any) -> None:
    """Set the row ``out`` to ``gain ∘ N(row) + bias``, by the row's moments."""
    prefer_long_vectors()
    mean, scale = norm
    for j in range(len(out)):
        out[j] = gain[j] * ((get(row, j) - mean) * scale) + bias[j]


@reordered
def gain_gradient(d: Any, row: Any, gain: Any, norm: Any, total: Any) -> Any:
    """Add the gradient by the gain, ``d ∘ N(row)``, to the total → the means of ``d'`` and ``d' ∘ N(row)``.

    There d' is ``d ∘ gain``.
    """
    prefer_long_vectors()
    mean, scale = norm
    size = real(len(row))
    plain, normal = real(0), real(0)
    for j in range(len(row)):
        n = (get(row, j) - mean) * scale
        plain += d[j] * gain[j]
        normal += d[j] * gain[j] * n
        total[j] += d[j] * n
    return plain / size, normal / size


@compiled
def back_through_norm(d: Any, row: Any, weight: Any, norm: Any, out: Any) -> None:
    """Gradient by ``gain ∘ N(row)`` → by the row: ``(d' − mean d' − N(row) · mean(d' ∘ N(row))) · scale``.

    The weight is the gain and where the sum of gradients by it is, to which this adds.
    """
    prefer_long_vectors()
    mean, scale = norm
    gain, total = weight
    plain, normal = gain_gradient(d, row, gain, norm, total)
    for j in range(len(row)):
        put(out, j, (d[j] * gain[j] - plain - (get(row, j) - mean) * scale * normal) * scale)


@compiled
def add(row: Any, total: Any) -> None:
    """Add a row to the total."""
    prefer_long_vectors()
    for j in range(len(total)):
        total[j] += get(row, j)


@compiled
def chunk_rows(slots: Any, chunk: Any) -> Any:
    """Return the first row of a chunk, and the row after its last."""
    batch, chunks = number(slots, BATCH), number(slots, CHUNKS)
    return chunk * batch // chunks, (chunk + 1) * batch // chunks


@compiled
def step_rows(slots: Any, b: Any) -> Any:
    """Return where the numbers of a row of the batch are: in (T,B,…), and after this step in (T+1,B,…)."""
    batch, t = number(slots, BATCH), number(slots, STEP)
    return t * batch + b, (t + 1) * batch + b


@compiled
def add_products(slots: Any, b: Any, total: Any) -> None:
    """Set the total of a row (G,) to ``W x + U h``."""
    prefer_long_vectors()
    width = len(total)
    x, a = low(slots, X, step_rows(slots, b)[0], width), low(slots, A, b, width)
    for j in range(width):
        total[j] = get(x, j) + get(a, j)


@compiled
def find_moments(slots: Any, b: Any, width: Any) -> None:
    """Find the moments of W x and of U h (G,), for this step and the one back."""
    now, _ = step_rows(slots, b)
    found = wide(slots, MOMENTS, now, 6)
    found[0], found[1] = moments(low(slots, X, now, width))
    found[2], found[3] = moments(low(slots, A, b, width))


@compiled
def add_normalized_products(slots: Any, b: Any, total: Any) -> None:
    """Set the total of a row (G,) to ``γ ∘ N(W x) + δ ∘ N(U h) + b``, which are the first weights."""
    prefer_long_vectors()
    (now, _), width = step_rows(slots, b), len(total)
    x, a, found = low(slots, X, now, width), low(slots, A, b, width), wide(slots, MOMENTS, now, 6)
    x_mean, x_scale, a_mean, a_scale = found[0], found[1], found[2], found[3]
    x_gain, a_gain = wide(slots, WEIGHTS, 0, width), wide(slots, WEIGHTS, 1, width)
    bias = wide(slots, WEIGHTS, 2, width)
    for j in range(width):
        normal = x_gain[j] * ((get(x, j) - x_mean) * x_scale) + a_gain[j] * ((get(a, j) - a_mean) * a_scale)
        total[j] = normal + bias[j]


@compiled
def back_through_products(slots: Any, b: Any, d: Any, sums: Any) -> None:
    """Gradient by the total of normalised products → by W x and U h, and γ δ b."""
    (now, _), width = step_rows(slots, b), len(d)
    x, a, found = low(slots, X, now, width), low(slots, A, b, width), wide(slots, MOMENTS, now, 6)
    x_norm, a_norm = (found[0], found[1]), (found[2], found[3])
    x_gain, a_gain = wide(slots, WEIGHTS, 0, width), wide(slots, WEIGHTS, 1, width)
    add(d, sums[2 * width : 3 * width])
    back_through_norm(d, x, (x_gain, sums[:width]), x_norm, low(slots, DX, now, width))
    back_through_norm(d, a, (a_gain, sums[width : 2 * width]), a_norm, low(slots, DA, now, width))


@compiled
def output_gradient(slots: Any, b: Any, d: Any) -> None:
    """Set d (H,) to the gradient by an output: its own, and what the step after passes back."""
    prefer_long_vectors()
    size = number(slots, SIZE)
    dy = low(slots, DY, b * number(slots, STEPS) + number(slots, STEP), size)
    product, dh = low(slots, PRODUCT, b, size), wide(slots, DH, b, size)
    for j in range(size):
        d[j] = get(dy, j) + get(product, j) + dh[j]


@compiled
def copy(row: Any, out: Any) -> None:
    """Copy a row into one of another type."""
    prefer_long_vectors()
    for j in range(len(out)):
        put(out, j, get(row, j))
