"""The GRU's time step in training, forward and backward, a row at a time (see ``cells.kernels``).

Weights of the plain one: d_n (H); of the normalised one: γ δ b d of 3H each. Kept for the gradient: r z n.
"""

from typing import Any

from rnngen.builtins.cells.kernels import (
    BATCH,
    CHUNKS,
    DA,
    DH,
    DX,
    LOWS,
    MOMENTS,
    ONE,
    SAVED,
    SCRATCH,
    SIZE,
    STATES,
    STEP,
    SUMS,
    WEIGHTS,
    A,
    X,
    add,
    add_gain_gradient,
    back_through_norm,
    chunk_rows,
    copy,
    get,
    low,
    normalize,
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
    """Take a step; biases but d_n are in W x.

    ::

        r, z = σ(W x + U h)    n = tanh(W x + r ∘ (U h + d_n))    h' = n + z ∘ (h − n)
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        x = wide(slots, SCRATCH, chunk, 8 * size)
        a = x[3 * size : 6 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            now = number(slots, STEP) * number(slots, BATCH) + b
            copy(low(slots, X, now, 3 * size), x[: 3 * size])
            copy(low(slots, A, b, 3 * size), a)
            add(wide(slots, WEIGHTS, 0, size), a[2 * size :])
            take_step(slots, b, x[: 3 * size], a)
        chunk = take_chunk(slots)


@compiled
def normalized_forward(slots: Any) -> None:
    """Take a step.

    ::

        x, a = γ ∘ N(W x) + b, δ ∘ N(U h) + d    r, z = σ(x + a)    n = tanh(x + r ∘ a)    h' = n + z ∘ (h − n)
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        x = wide(slots, SCRATCH, chunk, 8 * size)
        a, width = x[3 * size : 6 * size], 3 * size
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            now = number(slots, STEP) * number(slots, BATCH) + b
            found = wide(slots, MOMENTS, now, 6)
            gain, bias = wide(slots, WEIGHTS, 0, width), wide(slots, WEIGHTS, 2, width)
            found[0], found[1] = normalize(low(slots, X, now, width), gain, bias, x[:width])
            gain, bias = wide(slots, WEIGHTS, 1, width), wide(slots, WEIGHTS, 3, width)
            found[2], found[3] = normalize(low(slots, A, b, width), gain, bias, a)
            take_step(slots, b, x[:width], a)
        chunk = take_chunk(slots)


@compiled
def take_step(slots: Any, b: Any, x: Any, a: Any) -> None:
    """Take a step from both products with their biases (3H,); x is written over."""
    prefer_long_vectors()
    batch, size, t = number(slots, BATCH), number(slots, SIZE), number(slots, STEP)
    before, after = wide(slots, STATES, t * batch + b, size), wide(slots, STATES, (t + 1) * batch + b, size)
    add(a[: 2 * size], x[: 2 * size])
    sigmoids(x[: 2 * size])
    r, z, n, past = x[:size], x[size : 2 * size], x[2 * size :], a[2 * size :]
    for j in range(size):
        n[j] += r[j] * past[j]
    tanhs(n)
    copy(x, low(slots, SAVED, t * batch + b, 3 * size))
    for j in range(size):
        after[j] = n[j] + z[j] * (before[j] - n[j])
    copy(after, low(slots, LOWS, (t + 1) * batch + b, size))


@compiled
def backward(slots: Any) -> None:
    """Take a step back: the gradient of a loss by h' → by W x, U h and h around them, and d_n.

    ::

        dn, dz = dh' ∘ (1 − z), dh' ∘ (h − n)    dr = dn ∘ (U h + d_n)    each by its nonlinearity's slope
        dWx = dr dz dn    dUh = dr dz (r ∘ dn)    dd_n = Σ r ∘ dn          dh = dh' ∘ z
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        dx, sums = wide(slots, SCRATCH, chunk, 8 * size), wide(slots, SUMS, chunk, size)
        da = dx[3 * size : 6 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            now, past = number(slots, STEP) * number(slots, BATCH) + b, dx[6 * size : 7 * size]
            copy(low(slots, A, b, 3 * size)[2 * size :], past)
            add(wide(slots, WEIGHTS, 0, size), past)
            take_step_back(slots, b, dx, past)
            add(da[2 * size :], sums)
            copy(dx[: 3 * size], low(slots, DX, now, 3 * size))
            copy(da, low(slots, DA, now, 3 * size))
        chunk = take_chunk(slots)


@compiled
def normalized_backward(slots: Any) -> None:
    """Take a step back, as ``backward`` does, and on through the norms; sums for γ δ b d."""
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        dx, width = wide(slots, SCRATCH, chunk, 8 * size), 3 * size
        da, sums = dx[3 * size : 6 * size], wide(slots, SUMS, chunk, 12 * size)
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            now, past = number(slots, STEP) * number(slots, BATCH) + b, dx[6 * size : 7 * size]
            x, a, found = low(slots, X, now, width), low(slots, A, b, width), wide(slots, MOMENTS, now, 6)
            x_norm, a_norm = (found[0], found[1]), (found[2], found[3])
            gain, bias = wide(slots, WEIGHTS, 1, width), wide(slots, WEIGHTS, 3, width)
            normalize_past(a[2 * size :], gain[2 * size :], bias[2 * size :], a_norm, past)
            take_step_back(slots, b, dx, past)
            add_gain_gradient(dx[:width], x, x_norm, sums[:width])
            add_gain_gradient(da, a, a_norm, sums[width : 2 * width])
            add(dx[:width], sums[2 * width : 3 * width])
            add(da, sums[3 * width :])
            back_through_norm(
                dx[:width], x, wide(slots, WEIGHTS, 0, width), x_norm, low(slots, DX, now, width)
            )
            back_through_norm(da, a, gain, a_norm, low(slots, DA, now, width))
        chunk = take_chunk(slots)


@compiled
def normalize_past(a: Any, gain: Any, bias: Any, norm: Any, past: Any) -> None:
    """Set the row ``past`` to ``δ ∘ N(U h) + d`` of the candidate's part (H,)."""
    prefer_long_vectors()
    mean, scale = norm
    for j in range(len(past)):
        past[j] = gain[j] * ((get(a, j) - mean) * scale) + bias[j]


@compiled
def take_step_back(slots: Any, b: Any, d: Any, past: Any) -> None:
    """Set d (8H,) to the gradients by both products, 3H each; what goes around them goes into DH."""
    prefer_long_vectors()
    size, now = number(slots, SIZE), number(slots, STEP) * number(slots, BATCH) + b
    gates, before, dh = low(slots, SAVED, now, 3 * size), wide(slots, STATES, now, size), d[7 * size :]
    r, z, n = gates[:size], gates[size : 2 * size], gates[2 * size :]
    dr, dz, dn, da_n, around = (
        d[:size],
        d[size : 2 * size],
        d[2 * size :],
        d[5 * size :],
        wide(slots, DH, b, size),
    )
    output_gradient(slots, b, dh)
    for j in range(size):
        gate = get(z, j)
        dz[j] = dh[j] * (before[j] - get(n, j)) * gate * (ONE - gate)
    for j in range(size):
        y = get(n, j)
        dn[j] = dh[j] * (ONE - get(z, j)) * (ONE - y * y)
    for j in range(size):
        gate = get(r, j)
        dr[j] = dn[j] * past[j] * gate * (ONE - gate)
    for j in range(size):
        da_n[j] = dn[j] * get(r, j)
    for j in range(size):
        around[j] = dh[j] * get(z, j)
    copy(d[: 2 * size], d[3 * size : 5 * size])
