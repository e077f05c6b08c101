"""The LSTM's time step in training, forward and backward, a row at a time (see ``cells.kernels``).

Weights of the normalised one: γ δ b of 4H each, ζ e of H. Kept for the gradient: i f g o, and tanh.
"""

from typing import Any

from rnngen.builtins.cells.kernels import (
    BATCH,
    CHUNKS,
    DA,
    DC,
    DH,
    LOWS,
    MOMENTS,
    ONE,
    OUT,
    SAVED,
    SCRATCH,
    SIZE,
    STATES,
    STEP,
    SUMS,
    WEIGHTS,
    ZERO,
    add,
    add_gain_gradient,
    add_normalized_products,
    add_products,
    back_through_norm,
    back_through_products,
    chunk_rows,
    copy,
    get,
    low,
    moments,
    number,
    output_gradient,
    prefer_long_vectors,
    sigmoids,
    take_chunk,
    tanhs,
    wide,
)
from rnngen.compiled import compiled


@compiled
def forward(slots: Any) -> None:
    """Take a step.

    ::

        a = W x + U h         i f g o = σ σ tanh σ of a's quarters
        c' = f ∘ c + i ∘ g    h' = o ∘ tanh(c')
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        a = wide(slots, SCRATCH, chunk, 8 * size)
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            add_products(slots, b, 4 * size, a[: 4 * size])
            squashed = a[4 * size : 5 * size]
            copy(open_gates(slots, b, a[: 4 * size]), squashed)
            put_output(slots, b, a[3 * size : 4 * size], squashed)
        chunk = take_chunk(slots)


@compiled
def normalized_forward(slots: Any) -> None:
    """Take a step.

    ::

        a = γ ∘ N(W x) + δ ∘ N(U h) + b         i f g o = σ σ tanh σ of a's quarters
        c' = f ∘ c + i ∘ g                      h' = o ∘ tanh(ζ ∘ N(c') + e)
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        a = wide(slots, SCRATCH, chunk, 8 * size)
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            add_normalized_products(slots, b, 4 * size, a[: 4 * size])
            squashed = a[4 * size : 5 * size]
            normalize_memory(slots, b, open_gates(slots, b, a[: 4 * size]), squashed)
            put_output(slots, b, a[3 * size : 4 * size], squashed)
        chunk = take_chunk(slots)


@compiled
def open_gates(slots: Any, b: Any, a: Any) -> Any:
    """Make gates of their arguments (4H,), in place and where they are kept → the next cell state."""
    prefer_long_vectors()
    batch, size, t = number(slots, BATCH), number(slots, SIZE), number(slots, STEP)
    before, after = wide(slots, STATES, t * batch + b, size), wide(slots, STATES, (t + 1) * batch + b, size)
    sigmoids(a[: 2 * size])
    tanhs(a[2 * size : 3 * size])
    sigmoids(a[3 * size :])
    copy(a, low(slots, SAVED, t * batch + b, 5 * size)[: 4 * size])
    i, f, g = a[:size], a[size : 2 * size], a[2 * size : 3 * size]
    for j in range(size):
        after[j] = f[j] * before[j] + i[j] * g[j]
    return after


@compiled
def normalize_memory(slots: Any, b: Any, memory: Any, out: Any) -> None:
    """Set the row ``out`` to ``ζ ∘ N(c') + e``."""
    prefer_long_vectors()
    size, now = number(slots, SIZE), number(slots, STEP) * number(slots, BATCH) + b
    gain, shift = wide(slots, WEIGHTS, 12, size), wide(slots, WEIGHTS, 13, size)
    found, (mean, scale) = wide(slots, MOMENTS, now, 6), moments(memory)
    found[4], found[5] = mean, scale
    for j in range(size):
        out[j] = gain[j] * ((memory[j] - mean) * scale) + shift[j]


@compiled
def put_output(slots: Any, b: Any, o: Any, squashed: Any) -> None:
    """Apply tanh to the row ``squashed``, keep it, and multiply it with the gate: the output."""
    prefer_long_vectors()
    batch, size, t = number(slots, BATCH), number(slots, SIZE), number(slots, STEP)
    tanhs(squashed)
    copy(squashed, low(slots, SAVED, t * batch + b, 5 * size)[4 * size :])
    out = wide(slots, OUT, b, size)
    for j in range(size):
        out[j] = o[j] * squashed[j]
    copy(out, low(slots, LOWS, (t + 1) * batch + b, size))


@compiled
def backward(slots: Any) -> None:
    """Take a step back: the gradients of a loss by h' and c' → by c and a, which are those by W x and U h.

    ::

        dc' += dh' ∘ o ∘ (1 − tanh²)            do = dh' ∘ tanh
        dc = dc' ∘ f                            di, df, dg = dc' ∘ g, dc' ∘ c, dc' ∘ i
        da = di, df, dg, do each by its nonlinearity's slope
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        da = wide(slots, SCRATCH, chunk, 8 * size)
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            dq = da[4 * size : 5 * size]
            back_through_output(slots, b, da[: 4 * size], dq)
            add(dq, wide(slots, DC, b, size))
            close_gates(slots, b, da[: 4 * size])
            now = number(slots, STEP) * number(slots, BATCH) + b
            copy(da[: 4 * size], low(slots, DA, now, 4 * size))
        chunk = take_chunk(slots)


@compiled
def normalized_backward(slots: Any) -> None:
    """Take a step back: the gradients of a loss by h' and c' → by W x, U h and c, and sums for the weights.

    ::

        dq = dh' ∘ o ∘ (1 − tanh²)       dc' += N's of ζ ∘ dq       do = dh' ∘ tanh
        dc = dc' ∘ f                     di, df, dg = dc' ∘ g, dc' ∘ c, dc' ∘ i
        da = di, df, dg, do each by its nonlinearity's slope
        dWx, dUh = N's of γ ∘ da, of δ ∘ da
        dγ = Σ da ∘ N(W x)   dδ = Σ da ∘ N(U h)   db = Σ da   dζ = Σ dq ∘ N(c')   de = Σ dq
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        da, sums = wide(slots, SCRATCH, chunk, 8 * size), wide(slots, SUMS, chunk, 14 * size)
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            dq, through = da[4 * size : 5 * size], da[5 * size : 6 * size]
            back_through_output(slots, b, da[: 4 * size], dq)
            back_through_memory(slots, b, dq, through, sums[12 * size :])
            add(through, wide(slots, DC, b, size))
            close_gates(slots, b, da[: 4 * size])
            back_through_products(slots, b, 4 * size, da[: 4 * size], sums)
        chunk = take_chunk(slots)


@compiled
def back_through_output(slots: Any, b: Any, da: Any, dq: Any) -> None:
    """Gradient by the output → by the argument of o, in da (4H,), and by that of its tanh (H,)."""
    prefer_long_vectors()
    size, now = number(slots, SIZE), number(slots, STEP) * number(slots, BATCH) + b
    saved, dh, do = low(slots, SAVED, now, 5 * size), da[:size], da[3 * size :]
    o, squashed, around = saved[3 * size : 4 * size], saved[4 * size :], wide(slots, DH, b, size)
    output_gradient(slots, b, dh)
    for j in range(size):
        y = get(squashed, j)
        dq[j] = dh[j] * get(o, j) * (ONE - y * y)
    for j in range(size):
        gate = get(o, j)
        do[j] = dh[j] * get(squashed, j) * gate * (ONE - gate)
    for j in range(size):
        around[j] = ZERO


@compiled
def back_through_memory(slots: Any, b: Any, dq: Any, through: Any, sums: Any) -> None:
    """Gradient by the normalised cell state → by the cell state, and ζ e."""
    batch, size, t = number(slots, BATCH), number(slots, SIZE), number(slots, STEP)
    memory, found = wide(slots, STATES, (t + 1) * batch + b, size), wide(slots, MOMENTS, t * batch + b, 6)
    norm = (found[4], found[5])
    back_through_norm(dq, memory, wide(slots, WEIGHTS, 12, size), norm, through)
    add_gain_gradient(dq, memory, norm, sums[:size])
    add(dq, sums[size:])


@compiled
def close_gates(slots: Any, b: Any, da: Any) -> None:
    """Gradient by the next cell state → by the last, in place, and by arguments of i, f and g (4H,)."""
    prefer_long_vectors()
    size, now = number(slots, SIZE), number(slots, STEP) * number(slots, BATCH) + b
    gates, before, dc = (
        low(slots, SAVED, now, 5 * size),
        wide(slots, STATES, now, size),
        wide(slots, DC, b, size),
    )
    i, f, g = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size]
    di, df, dg = da[:size], da[size : 2 * size], da[2 * size : 3 * size]
    for j in range(size):
        gate = get(i, j)
        di[j] = dc[j] * get(g, j) * gate * (ONE - gate)
    for j in range(size):
        gate = get(f, j)
        df[j] = dc[j] * before[j] * gate * (ONE - gate)
    for j in range(size):
        y = get(g, j)
        dg[j] = dc[j] * get(i, j) * (ONE - y * y)
    for j in range(size):
        dc[j] *= get(f, j)
