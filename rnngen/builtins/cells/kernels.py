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

from rnngen.compiled import compiled, intrinsic, ir, numba, overload, real, reordered, tanh, word

NEXT, STEP, STEPS, BATCH, SIZE, CHUNKS, ARRAYS = range(7)
"""Slots: the next chunk, t, T, B, H, the number of chunks, and the address of the first array."""
ONE, HALF, EPSILON = real(1), real(0.5), real(1e-5)
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
    for j in range(len(row)):
        row[j] = HALF * tanh(HALF * row[j]) + HALF


@compiled
def tanhs(row: Any) -> None:
    """Apply tanh in place, off by 3e-7 at most."""
    for j in range(len(row)):
        row[j] = tanh(row[j])


@compiled
def add_normalized(row: Any, gain: Any, norm: Any, total: Any) -> None:
    """Add ``gain ∘ N(row)`` to the total."""
    mean, scale = norm
    for j in range(len(row)):
        total[j] += gain[j] * ((get(row, j) - mean) * scale)


@reordered
def moments(row: Any) -> Any:
    """Mean and ``1 / √(variance + ε)`` of a row."""
    size = real(len(row))
    total, squares = real(0), real(0)
    for j in range(len(row)):
        total += get(row, j)
    mean = total / size
    for j in range(len(row)):
        squares += (get(row, j) - mean) * (get(row, j) - mean)
    return mean, ONE / np.sqrt(squares / size + EPSILON)


@reordered
def gradient_sums(d: Any, row: Any, gain: Any, norm: Any) -> Any:
    """The means of ``d ∘ gain`` and ``d ∘ gain ∘ N(row)``."""
    mean, scale = norm
    size = real(len(row))
    plain, normal = real(0), real(0)
    for j in range(len(row)):
        plain += d[j] * gain[j]
        normal += d[j] * gain[j] * ((get(row, j) - mean) * scale)
    return plain / size, normal / size


@compiled
def back_through_norm(d: Any, row: Any, gain: Any, norm: Any, out: Any) -> None:
    """Gradient by ``gain ∘ N(row)`` → by the row: ``(d' − mean d' − N(row) · mean(d' ∘ N(row))) · scale``.

    There d' is ``d ∘ gain``.
    """
    mean, scale = norm
    plain, normal = gradient_sums(d, row, gain, norm)
    for j in range(len(row)):
        put(out, j, (d[j] * gain[j] - plain - (get(row, j) - mean) * scale * normal) * scale)


@compiled
def add_gain_gradient(d: Any, row: Any, norm: Any, total: Any) -> None:
    """Add the gradient by the gain, ``d ∘ N(row)``, to the total."""
    mean, scale = norm
    for j in range(len(row)):
        total[j] += d[j] * ((get(row, j) - mean) * scale)


@compiled
def add(row: Any, total: Any) -> None:
    """Add a row to the total."""
    for j in range(len(total)):
        total[j] += get(row, j)


@compiled
def chunk_rows(slots: Any, chunk: Any) -> Any:
    """Return the first row of a chunk, and the row after its last."""
    batch, chunks = number(slots, BATCH), number(slots, CHUNKS)
    return chunk * batch // chunks, (chunk + 1) * batch // chunks
