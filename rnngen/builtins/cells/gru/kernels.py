"""The GRU's time step in training, forward and backward, a row at a time (see ``cells.kernels``).

Weights of the plain one: d_n (H); of the normalised one: γ δ b d of 3H each.
"""

from typing import Any

from rnngen.builtins.cells.kernels import (
    CHUNKS,
    DA,
    DH,
    DX,
    LOWS,
    MOMENTS,
    ONE,
    SCRATCH,
    SIZE,
    STATES,
    SUMS,
    WEIGHTS,
    A,
    X,
    add,
    back_through_norm,
    chunk_rows,
    copy,
    find_moments,
    low,
    normalize,
    number,
    output_gradient,
    prefer_long_vectors,
    sigmoids,
    step_rows,
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
        scratch = wide(slots, SCRATCH, chunk, 16 * size)
        gates, a = scratch[: 3 * size], scratch[3 * size : 6 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            add_biases(slots, b, gates, a)
            open_gates(gates, a)
            put_state(slots, b, gates)
        chunk = take_chunk(slots)


@compiled
def normalized_forward(slots: Any) -> None:
    """Take a step.

    ::

        x, a = γ ∘ N(W x) + b, δ ∘ N(U h) + d
        r, z = σ(x + a)    n = tanh(x + r ∘ a)    h' = n + z ∘ (h − n)
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        scratch = wide(slots, SCRATCH, chunk, 16 * size)
        gates, a = scratch[: 3 * size], scratch[3 * size : 6 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            find_moments(slots, b, 3 * size)
            normalize_products(slots, b, gates, a)
            open_gates(gates, a)
            put_state(slots, b, gates)
        chunk = take_chunk(slots)


@compiled
def add_biases(slots: Any, b: Any, x: Any, a: Any) -> None:
    """Read both products (3H,), and add d_n to the second."""
    copy(low(slots, X, step_rows(slots, b)[0], len(x)), x)
    copy(low(slots, A, b, len(a)), a)
    size = len(a) // 3
    add(wide(slots, WEIGHTS, 0, size), a[2 * size :])


@compiled
def normalize_products(slots: Any, b: Any, x: Any, a: Any) -> None:
    """Read both products (3H,) and normalise them, by the moments that were found."""
    (now, _), width = step_rows(slots, b), len(x)
    found = wide(slots, MOMENTS, now, 6)
    gain, bias = wide(slots, WEIGHTS, 0, width), wide(slots, WEIGHTS, 2, width)
    normalize(low(slots, X, now, width), gain, bias, (found[0], found[1]), x)
    gain, bias = wide(slots, WEIGHTS, 1, width), wide(slots, WEIGHTS, 3, width)
    normalize(low(slots, A, b, width), gain, bias, (found[2], found[3]), a)


@compiled
def open_gates(x: Any, a: Any) -> None:
    """Make r z n of both products with their biases (3H,), in place of the first."""
    prefer_long_vectors()
    size = len(x) // 3
    add(a[: 2 * size], x[: 2 * size])
    sigmoids(x[: 2 * size])
    r, n, past = x[:size], x[2 * size :], a[2 * size :]
    for j in range(size):
        n[j] += r[j] * past[j]
    tanhs(n)


@compiled
def put_state(slots: Any, b: Any, gates: Any) -> None:
    """Set the next state."""
    prefer_long_vectors()
    (now, next_row), size = step_rows(slots, b), len(gates) // 3
    before, after = wide(slots, STATES, now, size), wide(slots, STATES, next_row, size)
    z, n = gates[size : 2 * size], gates[2 * size :]
    for j in range(size):
        after[j] = n[j] + z[j] * (before[j] - n[j])
    copy(after, low(slots, LOWS, next_row, size))


@compiled
def backward(slots: Any) -> None:
    """Take a step back: the gradient of a loss by h' → by W x, U h and h around them, and d_n.

    ::

        dn, dz = dh' ∘ (1 − z), dh' ∘ (h − n)    dr = dn ∘ (U h + d_n)    each by its nonlinearity's slope
        dWx = dr dz dn    dUh = dr dz (r ∘ dn)    dd_n = Σ r ∘ dn          dh = dh' ∘ z

    The gates are made again from their arguments, which is nearer than to keep them in bf16.
    """
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        scratch, sums = wide(slots, SCRATCH, chunk, 16 * size), wide(slots, SUMS, chunk, size)
        gates, a = scratch[: 3 * size], scratch[3 * size : 6 * size]
        dx, da = scratch[6 * size : 9 * size], scratch[9 * size : 12 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            now, _ = step_rows(slots, b)
            add_biases(slots, b, gates, a)
            open_gates(gates, a)
            take_step_back(slots, b, gates, a[2 * size :], (dx, da))
            add(da[2 * size :], sums)
            copy(dx, low(slots, DX, now, 3 * size))
            copy(da, low(slots, DA, now, 3 * size))
        chunk = take_chunk(slots)


@compiled
def normalized_backward(slots: Any) -> None:
    """Take a step back, as ``backward`` does, and on through the norms; sums for γ δ b d."""
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        scratch, sums = wide(slots, SCRATCH, chunk, 16 * size), wide(slots, SUMS, chunk, 12 * size)
        gates, a = scratch[: 3 * size], scratch[3 * size : 6 * size]
        dx, da = scratch[6 * size : 9 * size], scratch[9 * size : 12 * size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            normalize_products(slots, b, gates, a)
            open_gates(gates, a)
            take_step_back(slots, b, gates, a[2 * size :], (dx, da))
            back_through_norms(slots, b, dx, da, sums)
        chunk = take_chunk(slots)


@compiled
def back_through_norms(slots: Any, b: Any, dx: Any, da: Any, sums: Any) -> None:
    """Gradients by both normalised products → by W x and U h, and γ δ b d."""
    (now, _), width = step_rows(slots, b), len(dx)
    x, a, found = low(slots, X, now, width), low(slots, A, b, width), wide(slots, MOMENTS, now, 6)
    x_norm, a_norm = (found[0], found[1]), (found[2], found[3])
    x_gain, a_gain = wide(slots, WEIGHTS, 0, width), wide(slots, WEIGHTS, 1, width)
    add(dx, sums[2 * width : 3 * width])
    add(da, sums[3 * width :])
    back_through_norm(dx, x, (x_gain, sums[:width]), x_norm, low(slots, DX, now, width))
    back_through_norm(da, a, (a_gain, sums[width : 2 * width]), a_norm, low(slots, DA, now, width))


@compiled
def take_step_back(slots: Any, b: Any, gates: Any, past: Any, d: Any) -> None:
    """Set d to the gradients by both products with their biases, of 3H each, and DH to what goes around."""
    prefer_long_vectors()
    size, (dx, da) = len(past), d
    before, dh = wide(slots, STATES, step_rows(slots, b)[0], size), wide(slots, DH, b, size)
    r, z, n = gates[:size], gates[size : 2 * size], gates[2 * size :]
    dr, dz, dn, da_n = dx[:size], dx[size : 2 * size], dx[2 * size :], da[2 * size :]
    output_gradient(slots, b, dh)
    for j in range(size):
        dz[j] = dh[j] * (before[j] - n[j]) * z[j] * (ONE - z[j])
    for j in range(size):
        dn[j] = dh[j] * (ONE - z[j]) * (ONE - n[j] * n[j])
    for j in range(size):
        dr[j] = dn[j] * past[j] * r[j] * (ONE - r[j])
    for j in range(size):
        da_n[j] = dn[j] * r[j]
    for j in range(size):
        dh[j] *= z[j]
    copy(dx[: 2 * size], da[: 2 * size])
