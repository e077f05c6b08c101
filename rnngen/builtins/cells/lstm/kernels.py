"""The LSTM's time step in training, forward and backward, a row at a time (see ``cells.kernels``)."""

from typing import Any

from rnngen.builtins.cells.kernels import (
    BATCH,
    CHUNKS,
    ONE,
    SIZE,
    STEP,
    STEPS,
    add,
    add_gain_gradient,
    add_normalized,
    back_through_norm,
    chunk_rows,
    get,
    low,
    moments,
    number,
    put,
    sigmoids,
    take_chunk,
    tanhs,
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
    chunk = take_chunk(slots)
    while chunk < number(slots, CHUNKS):
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            _normalized_forward_row(slots, chunk, b)
        chunk = take_chunk(slots)


@compiled
def _normalized_forward_row(slots: Any, chunk: Any, b: Any) -> None:
    batch, size, t = number(slots, BATCH), number(slots, SIZE), number(slots, STEP)
    now, after = t * batch + b, (t + 1) * batch + b
    x, a, bias = low(slots, 0, now, 4 * size), low(slots, 1, now, 4 * size), wide(slots, 4, 0, 4 * size)
    found, scratch = wide(slots, 12, now, 6), wide(slots, 13, chunk, 4 * size)
    found[0], found[1] = moments(x)
    found[2], found[3] = moments(a)
    for j in range(4 * size):
        scratch[j] = bias[j]
    add_normalized(x, wide(slots, 2, 0, 4 * size), (found[0], found[1]), scratch)
    add_normalized(a, wide(slots, 3, 0, 4 * size), (found[2], found[3]), scratch)
    gates, memory = low(slots, 8, now, 4 * size), wide(slots, 7, after, size)
    open_gates(scratch, wide(slots, 7, now, size), memory, gates)
    found[4], found[5] = mean, scale = moments(memory)
    gain, shift, squashed = wide(slots, 5, 0, size), wide(slots, 6, 0, size), low(slots, 9, now, size)
    out, low_out, opened = wide(slots, 11, b, size), low(slots, 10, after, size), scratch[3 * size :]
    for j in range(size):
        scratch[j] = gain[j] * ((memory[j] - mean) * scale) + shift[j]
    tanhs(scratch[:size])
    for j in range(size):
        put(squashed, j, scratch[j])
    for j in range(size):
        out[j] = opened[j] * scratch[j]
    for j in range(size):
        put(low_out, j, out[j])


@compiled
def open_gates(a: Any, before: Any, after: Any, gates: Any) -> None:
    """Make gates of their arguments (4H,), in place and in a row that is kept, and the next cell state."""
    size = len(before)
    sigmoids(a[: 2 * size])
    tanhs(a[2 * size : 3 * size])
    sigmoids(a[3 * size :])
    for j in range(len(a)):
        put(gates, j, a[j])
    i, f, g = a[:size], a[size : 2 * size], a[2 * size : 3 * size]
    for j in range(size):
        after[j] = f[j] * before[j] + i[j] * g[j]


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
    chunk = take_chunk(slots)
    while chunk < number(slots, CHUNKS):
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            _normalized_backward_row(slots, chunk, b)
        chunk = take_chunk(slots)


@compiled
def _normalized_backward_row(slots: Any, chunk: Any, b: Any) -> None:
    batch, size, t = number(slots, BATCH), number(slots, SIZE), number(slots, STEP)
    now, after = t * batch + b, (t + 1) * batch + b
    sums, found = wide(slots, 15, chunk, 14 * size), wide(slots, 8, now, 6)
    da, dh, dc = wide(slots, 16, chunk, 4 * size), wide(slots, 11, b, size), wide(slots, 12, b, size)
    gates, squashed, gain = low(slots, 6, now, 4 * size), low(slots, 7, now, size), wide(slots, 4, 0, size)
    output_gradient(slots, b, dh)
    dq, through, o, memory = da[:size], da[size : 2 * size], gates[3 * size :], wide(slots, 5, after, size)
    for j in range(size):
        y = get(squashed, j)
        dq[j] = dh[j] * get(o, j) * (ONE - y * y)
    back_through_norm(dq, memory, gain, (found[4], found[5]), through)
    add_gain_gradient(dq, memory, (found[4], found[5]), sums[12 * size : 13 * size])
    add(dq, sums[13 * size :])
    add(through, dc)
    do = da[3 * size :]
    for j in range(size):
        gate = get(o, j)
        do[j] = dh[j] * get(squashed, j) * gate * (ONE - gate)
    close_gates(gates, wide(slots, 5, now, size), dc, da)
    x, a = low(slots, 0, now, 4 * size), low(slots, 1, now, 4 * size)
    add_gain_gradient(da, x, (found[0], found[1]), sums[: 4 * size])
    add_gain_gradient(da, a, (found[2], found[3]), sums[4 * size : 8 * size])
    add(da, sums[8 * size : 12 * size])
    dx, du = low(slots, 13, now, 4 * size), low(slots, 14, now, 4 * size)
    back_through_norm(da, x, wide(slots, 2, 0, 4 * size), (found[0], found[1]), dx)
    back_through_norm(da, a, wide(slots, 3, 0, 4 * size), (found[2], found[3]), du)


@compiled
def output_gradient(slots: Any, b: Any, dh: Any) -> None:
    """Add the gradient by an output to that by the last state, or to the product of the step after it."""
    size, t = number(slots, SIZE), number(slots, STEP)
    dy, product = low(slots, 9, b * number(slots, STEPS) + t, size), low(slots, 10, b, size)
    if t < number(slots, STEPS) - 1:
        for j in range(size):
            dh[j] = get(product, j)
    add(dy, dh)


@compiled
def close_gates(gates: Any, before: Any, dc: Any, da: Any) -> None:
    """Gradient by the next cell state → by the last, in place, and by arguments of i, f and g (4H,)."""
    size = len(before)
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
