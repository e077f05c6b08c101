"""The conformance suite for cells: torch and NumPy compute the same function, in one call or step by step.

A quantized step, which may be compiled, computes what one of the same rounded weights does in NumPy.
"""

from functools import partial
from typing import Any

from rnngen.contracts import CellSpec, imported
from rnngen.options import build
from rnngen.testing import checks

BATCH, TIME, INPUT, HIDDEN = 3, 7, 5, 8


def check_cell(spec: CellSpec, **options: str) -> None:
    """Check a cell against its contract."""
    import torch

    chosen = build(spec.options, options, owner=f"cell {spec.name!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = imported(spec.load)(INPUT, HIDDEN, chosen)
        checks.module(layer, spec.load)
        x = torch.randn(BATCH, TIME, INPUT)
    with torch.no_grad():
        whole = _check_torch(layer.eval(), x)
    layer.train()(x, layer.initial_state(BATCH))[0].square().sum().backward()
    checks.gradients(layer)
    if spec.numpy is not None:
        build_step = partial(imported(spec.numpy), checks.weights_of(layer), chosen)
        _check_numpy(build_step(), x.numpy(), whole.numpy())
        for name, held, plain in checks.quantized(build_step):
            _check_quantized(name, held, plain, x.numpy())


def _check_torch(layer: Any, x: Any) -> Any:
    """Check the torch implementation; return its outputs (B,T,H)."""
    start = layer.initial_state(BATCH)
    checks.state(start, BATCH)
    whole, final = layer(x, start)
    assert tuple(whole.shape) == (BATCH, TIME, HIDDEN), f"outputs are {tuple(whole.shape)}, not (B,T,H)"
    checks.state(final, BATCH)
    state = start
    for t in range(TIME):
        y, state = layer(x[:, t : t + 1], state)
        checks.close(y[:, 0], whole[:, t], f"step by step, output {t} differs from the whole sequence's")
    checks.states_close(state, final, "step by step, the final state differs from the whole sequence's")
    rows = [2, 0]
    picked = tuple(array[rows] for array in start)
    checks.close(layer(x[rows], picked)[0], whole[rows], "streams of one batch disturb one another:")
    return whole


def _check_numpy(step: Any, x: Any, whole: Any) -> None:
    state = step.initial_state(BATCH)
    checks.state(state, BATCH)
    for t in range(TIME):
        before = checks.copies(state)
        y, after = step.advance(step.project(x[:, t]), state)
        checks.close(y, whole[:, t], f"the NumPy step's output {t} differs from torch's")
        checks.unchanged(before, state, "the state that advance() was given")
        state = after


def _check_quantized(name: str, held: Any, plain: Any, x: Any) -> None:
    state = held.initial_state(BATCH)
    for t in range(TIME):
        before = checks.copies(state)
        y, after = held.advance(held.project(x[:, t]), state)
        again, _ = held.advance(held.project(x[:, t]), state)
        assert (y == again).all(), f"in {name} the same step gives other bits the second time"
        expected, _ = plain.advance(plain.project(x[:, t]), state)
        message = f"in {name} output {t} differs from that of a step with the same weights in fp32"
        checks.close(y, expected, message, checks.QUANTIZED_TOLERANCE)
        checks.unchanged(before, state, f"the state that advance() was given, in {name}")
        state = after
