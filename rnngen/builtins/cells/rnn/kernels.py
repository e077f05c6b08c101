"""The simple recurrence's time step in training, a row at a time (see ``cells.kernels``).

Weights of the normalised one: γ δ b of H each.
"""

from typing import Any

from rnngen.builtins.cells.kernels import (
    CHUNKS,
    DA,
    DH,
    KIND,
    LOWS,
    ONE,
    SCRATCH,
    SIZE,
    STATES,
    SUMS,
    ZERO,
    add_normalized_products,
    add_products,
    back_through_products,
    chunk_rows,
    copy,
    find_moments,
    low,
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

TANH, SIGMOID, RELU = range(3)


@compiled
def forward(slots: Any) -> None:
    """Take a step: ``h' = φ(W x + U h)``."""
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        a = wide(slots, SCRATCH, chunk, 16 * size)[:size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            add_products(slots, b, a)
            put_state(slots, b, a)
        chunk = take_chunk(slots)


@compiled
def normalized_forward(slots: Any) -> None:
    """Take a step: ``h' = φ(γ ∘ N(W x) + δ ∘ N(U h) + b)``."""
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        a = wide(slots, SCRATCH, chunk, 16 * size)[:size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            find_moments(slots, b, size)
            add_normalized_products(slots, b, a)
            put_state(slots, b, a)
        chunk = take_chunk(slots)


@compiled
def put_state(slots: Any, b: Any, a: Any) -> None:
    """Set the next state to φ(a), which is written over."""
    prefer_long_vectors()
    (_, after), kind = step_rows(slots, b), number(slots, KIND)
    if kind == TANH:
        tanhs(a)
    elif kind == SIGMOID:
        sigmoids(a)
    else:
        for j in range(len(a)):
            a[j] = ZERO if a[j] < ZERO else a[j]
    copy(a, wide(slots, STATES, after, len(a)))
    copy(a, low(slots, LOWS, after, len(a)))


@compiled
def backward(slots: Any) -> None:
    """Take a step back: ``da = dh' ∘ φ'(a)``, the gradient by W x and by U h."""
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        d = wide(slots, SCRATCH, chunk, 16 * size)[:size]
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            back_through_state(slots, b, d)
            copy(d, low(slots, DA, step_rows(slots, b)[0], size))
        chunk = take_chunk(slots)


@compiled
def normalized_backward(slots: Any) -> None:
    """Take a step back, as ``backward`` does, and on through the norms; sums for γ δ b."""
    chunk, size = take_chunk(slots), number(slots, SIZE)
    while chunk < number(slots, CHUNKS):
        d, sums = wide(slots, SCRATCH, chunk, 16 * size)[:size], wide(slots, SUMS, chunk, 3 * size)
        first, last = chunk_rows(slots, chunk)
        for b in range(first, last):
            back_through_state(slots, b, d)
            back_through_products(slots, b, d, sums)
        chunk = take_chunk(slots)


@compiled
def back_through_state(slots: Any, b: Any, d: Any) -> None:
    """Set d (H,) to the gradient by φ's argument; a slope follows from φ(a)."""
    prefer_long_vectors()
    kind, around = number(slots, KIND), wide(slots, DH, b, len(d))
    after = wide(slots, STATES, step_rows(slots, b)[1], len(d))
    output_gradient(slots, b, d)
    if kind == TANH:
        for j in range(len(d)):
            d[j] *= ONE - after[j] * after[j]
    elif kind == SIGMOID:
        for j in range(len(d)):
            d[j] *= after[j] * (ONE - after[j])
    else:
        for j in range(len(d)):
            d[j] = d[j] if after[j] > ZERO else ZERO
    for j in range(len(d)):
        around[j] = ZERO
