"""Shared by the compiled steps of the cells; ``stepwise`` has the equations."""

from typing import Any, TypeAlias

import numpy as np

from rnngen.compiled import Vector, compiled, multiply, tanh
from rnngen.contracts import Floats

HALF, EPSILON = np.float32(0.5), np.float32(1e-5)
Projection: TypeAlias = tuple[Any, Any, Any]
"""Matrix, gain and bias; the latter two may be None."""
ZERO, ONE = np.float32(0), np.float32(1)


@compiled
def project(projection: Projection, x: Floats, product: Floats) -> None:
    """``x`` (B,I) → its product (B,G), normalised where there is a gain, plus the bias where there is one."""
    multiply(x, projection[0], product)
    for b in range(len(x)):
        finish(product[b], projection[1], projection[2])


@compiled
def finish(product: Vector, gain: Any, bias: Any) -> None:
    """Normalise a row (G,) where there is a gain, and add the bias where there is one."""
    if gain is not None:
        normalize(product, gain)
    if bias is not None:
        product += bias


@compiled
def normalize(a: Vector, gain: Vector) -> None:
    """``gain ∘ a / √(Σa² + ε G)``, written over ``a`` (G,); the gain holds √G (``CenteredNorm``)."""
    squares, size = sum_of_products(a, a), np.float32(len(a))
    factor = ONE / np.sqrt(squares + EPSILON * size)
    for g in range(len(a)):
        a[g] *= gain[g] * factor


@compiled
def sum_of_products(a: Vector, b: Vector) -> Any:
    """Σ a ∘ b, in eight sums that are added at the end."""
    s0, s1, s2, s3, s4, s5, s6, s7 = ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO
    whole = len(a) - len(a) % 8
    for i in range(0, whole, 8):
        s0 += a[i] * b[i]
        s1 += a[i + 1] * b[i + 1]
        s2 += a[i + 2] * b[i + 2]
        s3 += a[i + 3] * b[i + 3]
        s4 += a[i + 4] * b[i + 4]
        s5 += a[i + 5] * b[i + 5]
        s6 += a[i + 6] * b[i + 6]
        s7 += a[i + 7] * b[i + 7]
    for i in range(whole, len(a)):
        s0 += a[i] * b[i]
    return ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7))


@compiled
def sigmoid(halved: Any) -> Any:
    """Return σ of twice the argument: the weights are halved."""
    return HALF * tanh(halved) + HALF


@compiled
def zoned(old: Vector, new: Vector, share: Any) -> None:
    """Go from the old values to the new ones by a share of the way, written over ``new``."""
    if share < ONE:
        for j in range(len(new)):
            new[j] = (new[j] - old[j]) * share + old[j]
