"""The normalised LSTM's time step in training, forward and backward, a row at a time (see ``cells.kernels``).

Weights: γ δ b of 4H each, ζ e of H. The plain one oneDNN has, and takes three quarters of the time.
"""

from typing import Any

from rnngen.builtins.cells.kernels import (
    CHUNKS,
    DC,
    DH,
    LOWS,
    MOMENTS,
    ONE,
    OUT,
    SCRATCH,
    SIZE,
    STATES,
    SUMS,
    WEIGHTS,
    ZERO,
    add,
    add_normalized_products,
    back_through_norm,
    back_through_products,
    chunk_rows,
    copy,
    find_moments,
    low,
    moments,
    normalize,
    number,
    output_gradient,
    prefer_long_vectors,
    sigmoid_and_tanh,
    step_rows,
    take_chunk,
    tanhs,
    two_sigmoids,
    wide,
)
from rnngen.compiled import compiled


@compiled
def normalized_forward(slots: Any) -> None:
    """Take a step.

    ::

        a = γ ∘ N(W x) + δ ∘ N(U h) + b         i f g o = σ σ tanh σ of a's quarters
        c' = f ∘ c + i ∘ g                      h' = o ∘ tanh(ζ ∘ N(c') + e)
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        scratch = wide(slots, SCRATCH, chunk, 16 * size)
        gates, squashed = scratch[: 4 * size], scratch[4 * size : 5 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            find_moments(slots, b, 4 * size)
            add_normalized_products(slots, b, gates)
            found = wide(slots, MOMENTS, step_rows(slots, b)[0], 6)
            found[4], found[5] = moments(put_memory(slots, b, gates))
            normalize_memory(slots, b, squashed)
            put_output(slots, b, gates[3 * size :], squashed)
        chunk = take_chunk(slots)


@compiled
def open_gates(a: Any) -> None:
    """Make i f g o of their arguments (4H,), in place."""
    size = len(a) // 4
    two_sigmoids(a[:size], a[size : 2 * size])
    sigmoid_and_tanh(a[3 * size :], a[2 * size : 3 * size])


@compiled
def put_memory(slots: Any, b: Any, gates: Any) -> Any:
    """Make gates of their arguments (4H,), in place → the next cell state."""
    prefer_long_vectors()
    (now, next_row), size = step_rows(slots, b), number(slots, SIZE)
    before, after = wide(slots, STATES, now, size), wide(slots, STATES, next_row, size)
    open_gates(gates)
    i, f, g = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size]
    for j in range(size):
        after[j] = f[j] * before[j] + i[j] * g[j]
    return after


@compiled
def normalize_memory(slots: Any, b: Any, out: Any) -> None:
    """Set the row ``out`` to ``ζ ∘ N(c') + e``, by the moments that were found."""
    prefer_long_vectors()
    (now, after), size = step_rows(slots, b), number(slots, SIZE)
    memory, found = wide(slots, STATES, after, size), wide(slots, MOMENTS, now, 6)
    normalize(
        memory, wide(slots, WEIGHTS, 12, size), wide(slots, WEIGHTS, 13, size), (found[4], found[5]), out
    )


@compiled
def put_output(slots: Any, b: Any, o: Any, squashed: Any) -> None:
    """Apply tanh to the row ``squashed``, and multiply it with the gate: the output."""
    prefer_long_vectors()
    tanhs(squashed)
    size, out = len(o), wide(slots, OUT, b, len(o))
    for j in range(size):
        out[j] = o[j] * squashed[j]
    copy(out, low(slots, LOWS, step_rows(slots, b)[1], size))


@compiled
def normalized_backward(slots: Any) -> None:
    """Take a step back: the gradients of a loss by h' and c' → by W x, U h and c, and sums for the weights.

    ::

        dq = dh' ∘ o ∘ (1 − tanh²)       dc' += N's of ζ ∘ dq       do = dh' ∘ tanh
        dc = dc' ∘ f                     di, df, dg = dc' ∘ g, dc' ∘ c, dc' ∘ i
        da = di, df, dg, do each by its nonlinearity's slope
        dWx, dUh = N's of γ ∘ da, of δ ∘ da
        dγ = Σ da ∘ N(W x)   dδ = Σ da ∘ N(U h)   db = Σ da   dζ = Σ dq ∘ N(c')   de = Σ dq

    The gates are made again from their arguments, which is nearer than to keep them in bf16.
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        scratch, sums = wide(slots, SCRATCH, chunk, 16 * size), wide(slots, SUMS, chunk, 14 * size)
        gates, squashed, dq = scratch[: 4 * size], scratch[4 * size : 5 * size], scratch[5 * size : 6 * size]
        through, da = scratch[6 * size : 7 * size], scratch[8 * size : 12 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            add_normalized_products(slots, b, gates)
            open_gates(gates)
            normalize_memory(slots, b, squashed)
            back_through_output(slots, b, (gates[3 * size :], squashed), dq, da[3 * size :])
            back_through_memory(slots, b, dq, through, sums[12 * size :])
            add(through, wide(slots, DC, b, size))
            close_gates(slots, b, gates, da)
            back_through_products(slots, b, da, sums)
        chunk = take_chunk(slots)


@compiled
def back_through_output(slots: Any, b: Any, output: Any, dq: Any, do: Any) -> None:
    """Gradient by the output, made of o and tanh (H,), whose argument is given → by the arguments of both."""
    prefer_long_vectors()
    o, squashed = output
    around = wide(slots, DH, b, len(o))
    tanhs(squashed)
    output_gradient(slots, b, do)
    for j in range(len(o)):
        dq[j] = do[j] * o[j] * (ONE - squashed[j] * squashed[j])
    for j in range(len(o)):
        do[j] *= squashed[j] * o[j] * (ONE - o[j])
    for j in range(len(o)):
        around[j] = ZERO


@compiled
def back_through_memory(slots: Any, b: Any, dq: Any, through: Any, sums: Any) -> None:
    """Gradient by the normalised cell state → by the cell state, and ζ e."""
    now, after = step_rows(slots, b)
    size, found = len(dq), wide(slots, MOMENTS, now, 6)
    memory, norm = wide(slots, STATES, after, size), (found[4], found[5])
    back_through_norm(dq, memory, (wide(slots, WEIGHTS, 12, size), sums[:size]), norm, through)
    add(dq, sums[size:])


@compiled
def close_gates(slots: Any, b: Any, gates: Any, da: Any) -> None:
    """Gradient by the next cell state → by the last, in place, and by arguments of i, f and g (4H,)."""
    prefer_long_vectors()
    size = len(gates) // 4
    before, dc = wide(slots, STATES, step_rows(slots, b)[0], size), wide(slots, DC, b, size)
    i, f, g = gates[:size], gates[size : 2 * size], gates[2 * size : 3 * size]
    di, df, dg = da[:size], da[size : 2 * size], da[2 * size : 3 * size]
    for j in range(size):
        di[j] = dc[j] * g[j] * i[j] * (ONE - i[j])
    for j in range(size):
        df[j] = dc[j] * before[j] * f[j] * (ONE - f[j])
    for j in range(size):
        dg[j] = dc[j] * i[j] * (ONE - g[j] * g[j])
    for j in range(size):
        dc[j] *= f[j]
