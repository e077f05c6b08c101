"""The conformance suite for cells: that both faces of a layer are the same function, split or whole."""

from typing import Any

from rnngen.contracts import CellSpec, State, imported
from rnngen.options import build

BATCH, TIME, INPUT, HIDDEN = 3, 7, 5, 8
TOLERANCE = 1e-5
"""Absolute and relative, in fp32; outputs of these small layers are of the order of 1."""


def check_cell(spec: CellSpec, **options: str) -> None:
    """Hold a cell to its contract; call it from a one-line test.

    Args:
        spec: what the plugin's ``rnngen_cells`` hook returns.
        options: option values as the user would type them; defaults otherwise.

    Raises:
        AssertionError: in a sentence that says which promise was broken, and by how much.
    """
    import torch

    chosen = build(spec.options, options, owner=f"cell {spec.name!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = imported(spec.load)(INPUT, HIDDEN, chosen)
        assert hasattr(layer, "named_parameters"), f"{spec.load} makes no torch.nn.Module"
        layer.eval()
        x = torch.randn(BATCH, TIME, INPUT)
    with torch.no_grad():
        _check_state(layer.initial_state(BATCH))
        whole, final = layer(x, layer.initial_state(BATCH))
        assert tuple(whole.shape) == (BATCH, TIME, HIDDEN), f"outputs are {tuple(whole.shape)}, not (B,T,H)"
        _check_state(final)
        _check_split(layer, x, whole, final)
        _check_rows(layer, x, whole)
    _check_gradients(layer, x)
    if spec.numpy is not None:
        weights = {name: p.detach().numpy() for name, p in layer.state_dict().items()}
        _check_step(imported(spec.numpy)(weights, chosen), x.numpy(), whole.numpy())


def _check_state(state: State) -> None:
    assert isinstance(state, tuple), f"a state is a flat tuple of arrays, not {type(state).__name__}"
    for array in state:
        assert len(array) == BATCH, f"a state array of shape {tuple(array.shape)} has no batch on axis 0"


def _check_split(layer: Any, x: Any, whole: Any, final: State) -> None:
    state = layer.initial_state(BATCH)
    for t in range(TIME):
        y, state = layer(x[:, t : t + 1], state)
        _close(y[:, 0], whole[:, t], f"step by step, output {t} differs from the whole sequence's")
    for one, other in zip(state, final, strict=True):
        _close(one, other, "step by step, the final state differs from the whole sequence's")


def _check_rows(layer: Any, x: Any, whole: Any) -> None:
    rows = [2, 0]
    state = tuple(array[rows] for array in layer.initial_state(BATCH))
    _close(layer(x[rows], state)[0], whole[rows], "streams of one batch disturb one another:")


def _check_gradients(layer: Any, x: Any) -> None:
    layer.train()
    layer(x, layer.initial_state(BATCH))[0].square().sum().backward()
    unreached = [name for name, p in layer.named_parameters() if p.grad is None]
    assert not unreached, f"no gradient reaches {', '.join(unreached)}"


def _check_step(step: Any, x: Any, whole: Any) -> None:
    state = step.initial_state(BATCH)
    _check_state(state)
    for t in range(TIME):
        before = [array.copy() for array in state]
        y, after = step.advance(step.project(x[:, t]), state)
        _close(y, whole[:, t], f"the NumPy step's output {t} differs from torch's")
        for kept, array in zip(before, state, strict=True):
            assert (kept == array).all(), (
                "advance() writes into the state that it was given; return a new one"
            )
        state = after


def _close(one: Any, other: Any, message: str) -> None:
    worst = float(abs(one - other).max())
    scale = max(1.0, float(abs(other).max()))
    assert worst <= TOLERANCE * scale, f"{message} by {worst:.2g} (allowed: {TOLERANCE * scale:.2g})"
