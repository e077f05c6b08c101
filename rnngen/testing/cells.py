"""The conformance suite for cells: torch and NumPy compute the same function, in one call or step by step.

Whatever happens to the streams of a batch meanwhile: forked, reordered, dropped, or interleaved with others.
A quantized step, which may be compiled, computes what one of the same rounded weights does in NumPy.
"""

from functools import partial
from typing import Any

from rnngen.contracts import CarryingLayer, CellSpec, GatedStep, State, imported
from rnngen.options import build
from rnngen.testing import checks

BATCH, TIME, INPUT, HIDDEN = 3, 7, 5, 8
FORK, ROWS = 4, [2, 0, 2, 1, 0]
"""After so many inputs the streams are forked, reordered and become five."""


@checks.suite
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
        _check_training(layer.train(), x)
    if spec.numpy is not None:
        build_step = partial(imported(spec.numpy), checks.weights_of(layer), chosen)
        _check_numpy(build_step(), x.numpy(), whole.numpy())
        for name, held, plain in checks.quantized(build_step):
            _check_quantized(name, held, plain, x.numpy())
    _check_device(layer.eval())


def _check_torch(layer: Any, x: Any) -> Any:
    """Check the torch implementation in evaluation mode; return its outputs (B,T,H)."""
    import torch

    start = layer.initial_state(BATCH)
    checks.state(start, BATCH)
    before = checks.copies(start)
    whole, final = layer(x, start)
    assert tuple(whole.shape) == (BATCH, TIME, HIDDEN), f"outputs are {tuple(whole.shape)}, not (B,T,H)"
    checks.state(final, BATCH)
    checks.unchanged(before, start, "the state that the layer was given")
    _check_arrays(layer, start, final)
    layer(torch.randn(BATCH + 1, 2, INPUT), layer.initial_state(BATCH + 1))
    again, _ = layer(x, start)
    checks.close(
        again, whole, "in evaluation the same call gives another result, after one with other streams"
    )
    state = start
    for t in range(TIME):
        y, state = layer(x[:, t : t + 1], state)
        checks.close(y[:, 0], whole[:, t], f"step by step, output {t} differs from the whole sequence's")
    checks.states_close(state, final, "step by step, the final state differs from the whole sequence's")
    for rows in ([2, 0], [1], [0, 1, 2, 2, 1]):
        picked = tuple(array[rows] for array in start)
        checks.close(layer(x[rows], picked)[0], whole[rows], "streams of one batch disturb one another:")
    _, middle = layer(x[:, :FORK], start)
    forked = layer(x[ROWS, FORK:], tuple(array[ROWS] for array in middle))[0]
    checks.close(forked, whole[ROWS, FORK:], "streams that are forked and reordered go on otherwise:")
    if isinstance(layer, CarryingLayer):
        _check_carry(layer, x)
    return whole


def _check_arrays(layer: Any, start: State, final: State) -> None:
    """Check types, and that only a layer with a ``carry`` has a state that grows."""
    for number, (first, last) in enumerate(zip(start, final, strict=True)):
        assert first.dtype == last.dtype, f"array {number} of the state is {first.dtype}, then {last.dtype}"
        if not isinstance(layer, CarryingLayer):
            shapes = tuple(first.shape), tuple(last.shape)
            same = shapes[0] == shapes[1]
            assert same, (
                f"array {number} of the state grows from {shapes[0]} to {shapes[1]}, without a carry()"
            )


def _check_carry(layer: CarryingLayer, x: Any) -> None:
    """Check that rows which begin anew know nothing of before, and that shapes do not depend on which do."""
    import torch

    _, state = layer(x, layer.initial_state(BATCH))
    before = checks.copies(state)
    some = layer.carry(state, torch.tensor([True, False, False]))
    none = layer.carry(state, torch.zeros(BATCH, dtype=torch.bool))
    checks.unchanged(before, state, "the state that carry() was given")
    checks.state(some, BATCH, "what carry() returns")
    shapes = [tuple(array.shape) for array in some], [tuple(array.shape) for array in none]
    assert shapes[0] == shapes[1], (
        f"the shapes that carry() returns depend on `reset`: {shapes[0]}, {shapes[1]}"
    )
    fresh, _ = layer(x, layer.initial_state(BATCH))
    reset, _ = layer(x, some)
    kept, _ = layer(x, none)
    checks.close(reset[0], fresh[0], "after carry(), a row that begins anew differs from a fresh one")
    checks.close(reset[1:], kept[1:], "after carry(), a row goes on otherwise where another begins anew")
    sizes = []
    for _ in range(60):
        _, state = layer(x, layer.carry(state, torch.zeros(BATCH, dtype=torch.bool)))
        sizes.append(sum(array[0].numel() for array in state))
    assert sizes[-1] == sizes[-2], (
        f"carry() lets the state grow for ever: {sizes[-1]} numbers after 60 windows"
    )


def _check_training(layer: Any, x: Any) -> None:
    """Check gradients, also under autocast to bf16."""
    import torch

    layer(x, layer.initial_state(BATCH))[0].square().sum().backward()
    checks.gradients(layer)
    layer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        y, state = layer(x, layer.initial_state(BATCH))
        after = tuple(a.detach().float() if a.is_floating_point() else a for a in state)
        z, _ = layer(x, after)
    assert torch.isfinite(y).all(), "under autocast to bf16 outputs are not finite"
    (y.float().square().sum() + z.float().square().sum()).backward()
    checks.gradients(layer)


def _check_device(layer: Any) -> None:
    """Check that the state is made where the parameters are, on a device that computes nothing."""
    layer.to("meta")
    for number, array in enumerate(layer.initial_state(BATCH)):
        there = array.device.type
        assert there == "meta", f"array {number} of the initial state is on {there}, not with the parameters"


def _check_numpy(step: Any, x: Any, whole: Any) -> None:
    import numpy as np

    state = step.initial_state(BATCH)
    checks.state(state, BATCH)
    other = step.initial_state(1)
    kept: list[tuple[list[Any], tuple[Any, ...]]] = []
    for t in range(TIME):
        checks.read_only(state)
        projected = checks.read_only((step.project(checks.read_only((x[:, t].copy(),))[0]),))[0]
        if isinstance(step, GatedStep):
            _check_gates(checks.called(step.gates, projected, state))
        y, after = checks.called(step.advance, projected, state)
        _, other = checks.called(step.advance, step.project(x[:1, 0]), other)
        checks.close(y, whole[:, t], f"the NumPy step's output {t} differs from torch's")
        assert y.dtype == np.float32, f"the NumPy step's outputs are {y.dtype}, not float32"
        for one, two in zip(state, after, strict=True):
            assert one.dtype == two.dtype, (
                f"an array of the NumPy step's state is {one.dtype}, then {two.dtype}"
            )
        kept.append((checks.copies((y, *after)), (y, *after)))
        if t == FORK - 1:
            _check_fork(step, after, x, whole)
        state = after
    for copies, arrays in kept:
        checks.unchanged(copies, arrays, "arrays that an earlier step returned")


def _check_gates(gates: Any) -> None:
    for name, values in gates.items():
        shape = tuple(values.shape)
        assert shape[:1] == (BATCH,), f"gate {name!r} is {shape}, not (B,…)"
        assert 0 <= values.min() <= values.max() <= 1, f"gate {name!r} leaves the range from 0 to 1"


def _check_fork(step: Any, state: State, x: Any, whole: Any) -> None:
    for rows in (ROWS, [1]):
        forked = tuple(array[rows] for array in state)
        for t in range(FORK, TIME):
            y, forked = step.advance(step.project(x[rows, t]), forked)
            checks.close(
                y, whole[rows, t], "in NumPy, streams that are forked and reordered go on otherwise:"
            )


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
