"""Shared by the hand-written recurrences on the CPU.

torch has a fused LSTM for the CPU; the other cells it runs an operation at a time. In the recurrences here

    all steps at once   the input's products before the loop; gradients of weights and inputs after it
    step by step        the product with the last output, and nonlinearities in buffers that are reused

Products are of the type that autocast asks for. Gates and states keep the type of the parameters, since what
a state gains in a step is lost where it is rounded to bf16.
"""

import torch
from torch import Tensor

sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input


def product_type(weight: Tensor) -> torch.dtype:
    """Return the type to multiply in: autocast's, or that of the weights."""
    lowered = torch.is_autocast_enabled("cpu") and weight.dtype == torch.float32
    return torch.get_autocast_dtype("cpu") if lowered else weight.dtype


def tanh_(x: Tensor) -> None:
    """Apply tanh in place, as 2σ(2x) − 1: torch's own takes eight times as long as its σ."""
    x.mul_(2).sigmoid_().mul_(2).sub_(1)


def state_buffers(steps: int, first: Tensor, low: torch.dtype) -> tuple[Tensor, Tensor]:
    """Allocate (T+1,B,H) for all states, in their type and in that of products; fill in the first one."""
    states = first.new_empty(steps + 1, *first.shape)
    lows = states if low == first.dtype else torch.empty_like(states, dtype=low)
    states[0].copy_(first)
    lows[0].copy_(first)
    return states, lows


def by_step(*arrays: Tensor) -> list[tuple[Tensor, ...]]:
    """Return (T,…) arrays step by step; to index each of them at each step takes longer."""
    return list(zip(*(array.unbind() for array in arrays), strict=True))


def weight_gradient(d: Tensor, inputs: Tensor, wide: torch.dtype) -> Tensor:
    """Gradients by products (T,B,G), and what was multiplied (T,B,I) → by the matrix (G,I), as ``wide``.

    The smaller of the two is transposed: the same sums with the other one take up to twice the time.
    """
    return (inputs.flatten(0, 1).T @ d.flatten(0, 1)).T.contiguous().to(wide)
