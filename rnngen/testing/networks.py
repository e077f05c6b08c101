"""The conformance suite for whole networks: both faces are the same function of source and text, and no row
knows of the others or of its padding.
"""

from dataclasses import dataclass
from typing import Any

from rnngen.contracts import IGNORE, NO_TOKEN, AttentionSpec, CellSpec, NetworkSpec, State, imported
from rnngen.options import build
from rnngen.testing.blueprints import LENGTHS, VOCABULARY, ModuleFactory, maker, nll, plan, sources, stir

TIME = 5
"""T, how many tokens are written about each source."""
TOLERANCE = 1e-5
"""Absolute and relative, in fp32; logits of these small networks are of the order of 1."""
PADDING = 3
"""Columns of padding that must make no difference."""


def check_network(
    spec: NetworkSpec,
    *parts: CellSpec | AttentionSpec,
    shared: bool = False,
    tied: bool = False,
    **options: str,
) -> None:
    """Hold a network that writes about a source to its contract; call it from a one-line test.

    Args:
        spec: what the plugin's ``rnngen_cells`` hook returns.
        parts: the cells and attentions that the options may name.
        shared: whether both sides have one vocabulary.
        tied: whether the embedding is the output matrix too.
        options: option values as the user would type them; defaults otherwise.

    Raises:
        AssertionError: in a sentence that says which promise was broken, and by how much.
        UsageError: if the network refuses these options.
    """
    import torch

    chosen = build(spec.options, options, owner=f"cell {spec.name!r}")
    makers = {name: maker(kind, getattr(chosen, name), parts) for name, kind in spec.parts.items()}
    size = plan(makers, shared=shared, tied=tied)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = imported(spec.load)(size, ModuleFactory(), chosen)
        assert hasattr(network, "named_parameters"), f"{spec.load} makes no torch.nn.Module"
        stir(network)
        source = sources(size.source_vocabulary)
        tokens = torch.randint(1, size.vocabulary, (len(LENGTHS), TIME))
        with torch.no_grad():
            _check_torch(network.eval(), source, tokens)
        _check_training(network.train(), source, tokens)
    if spec.numpy is not None and all(one.has_numpy for one in makers.values()):
        weights = {name: p.detach().numpy() for name, p in network.state_dict().items()}
        with torch.no_grad():
            told = _told(network.eval(), tokens, network.start(source))
        step = imported(spec.numpy)(weights, size, chosen)
        _check_step(step, network.fixed, source.numpy(), tokens.numpy(), told)


# ── the face that trains ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Told:
    """What a network made of a text, token by token."""

    logits: list[Any]
    """T of (B,V)."""
    looks: list[Any]
    """T of (B,S), or of None."""
    state: State


def _told(network: Any, tokens: Any, state: State) -> _Told:
    logits, looks = [], []
    for t in range(tokens.shape[1]):
        found, state = network(tokens[:, t : t + 1], state)
        logits.append(found[:, 0])
        looks.append(network.attended(state))
    return _Told(logits, looks, state)


def _check_torch(network: Any, source: Any, tokens: Any) -> None:
    state = network.start(source)
    _check_state(state, network.fixed)
    before = [array.clone() for array in state]
    whole, final = network(tokens, state)
    expected = (len(LENGTHS), TIME, VOCABULARY)
    assert tuple(whole.shape) == expected, f"logits are {tuple(whole.shape)}, not {expected}"
    _check_kept(before, state, "what start() gave")
    _check_kept(before[: network.fixed], final[: network.fixed], "the fixed arrays of the state")
    told = _told(network, tokens, state)
    for t, logits in enumerate(told.logits):
        _close(logits, whole[:, t], f"token by token, logits {t} differ from the whole text's")
    for one, other in zip(told.state, final, strict=True):
        _close(one, other, "token by token, the final state differs from the whole text's")
    _check_looks(told.looks, source != NO_TOKEN, TOLERANCE)
    _check_rows(network, source, tokens, told)
    _check_padding(network, source, tokens, told)
    _check_loss(network, source, tokens, whole)


def _check_state(state: State, fixed: int) -> None:
    assert isinstance(state, tuple), f"a state is a flat tuple of arrays, not {type(state).__name__}"
    for array in state:
        assert len(array) == len(LENGTHS), (
            f"a state array of shape {tuple(array.shape)} has no batch on axis 0"
        )
    assert 0 <= fixed <= len(state), f"fixed is {fixed}, but a state has {len(state)} arrays"


def _check_looks(looks: list[Any], mask: Any, slack: float) -> None:
    if looks[0] is None:
        assert all(look is None for look in looks), "attended() gives None for some tokens alone"
        return
    for t, look in enumerate(looks):
        assert tuple(look.shape) == tuple(mask.shape), (
            f"attended() is {tuple(look.shape)}, not {tuple(mask.shape)}"
        )
        assert not look[~mask].any(), f"at token {t} attended() gives padding a weight; it must be exactly 0"
        beside = float(abs(look.sum(-1) - 1).max())
        assert beside <= slack, (
            f"at token {t} what attended() gives does not sum to 1, but {beside:.2g} beside"
        )


def _check_rows(network: Any, source: Any, tokens: Any, told: _Told) -> None:
    rows = [2, 0, 2]
    picked = tuple(array[rows] for array in network.start(source))
    for state, message in (
        (network.start(source[rows]), "rows of one batch disturb one another:"),
        (picked, "rows picked from a state give something else:"),
    ):
        logits, after = network(tokens[rows], state)
        _close(logits[:, -1], told.logits[-1][rows], message)
        for one, other in zip(after, told.state, strict=True):
            _close(one, other[rows], f"{message} in the state after")


def _check_padding(network: Any, source: Any, tokens: Any, told: _Told) -> None:
    from torch.nn.functional import pad

    message = "what a row gives depends on how far it is padded:"
    wider = pad(source, (0, PADDING), value=NO_TOKEN)
    logits, after = network(tokens, network.start(wider))
    _close(logits[:, -1], told.logits[-1], message)
    look, expected = network.attended(after), told.looks[-1]
    if look is not None:
        _close(look[:, : source.shape[1]], expected, f"{message} where it looks")
        assert not look[:, source.shape[1] :].any(), (
            "attended() gives padding at the end of all rows a weight"
        )
    for row, length in enumerate(LENGTHS):
        alone = network(tokens[row : row + 1], network.start(source[row : row + 1, :length]))[0]
        _close(alone[0, -1], told.logits[-1][row], f"{message} row {row} alone differs")


def _check_loss(network: Any, source: Any, tokens: Any, logits: Any) -> None:
    targets = _targets(tokens)
    loss, _ = network.nll(tokens, targets, network.start(source))
    expected = float(nll(logits, targets))
    worst = abs(float(loss) - expected)
    assert worst <= TOLERANCE * max(1.0, expected) * 10, (
        f"in evaluation nll() is {float(loss):.6g}, and the cross-entropy of the logits {expected:.6g}"
    )


def _targets(tokens: Any) -> Any:
    """Each row's next tokens; some do not count."""
    targets = tokens.roll(-1, dims=1).clone()
    targets[0, -2:] = targets[1, -1:] = IGNORE
    return targets


def _check_training(network: Any, source: Any, tokens: Any) -> None:
    """Gradients reach every parameter; bf16 autocast is borne."""
    import torch

    targets = _targets(tokens)
    loss, _ = network.nll(tokens, targets, network.start(source))
    loss.backward()
    _check_gradients(network)
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss, state = network.nll(tokens, targets, network.start(source))
        look = network.attended(state)
    assert torch.isfinite(loss), f"under autocast to bf16 the loss is {float(loss.detach())}"
    loss.backward()
    _check_gradients(network)
    if look is not None:
        _check_looks([look.detach().float()], source != NO_TOKEN, slack=0.02)


def _check_gradients(network: Any) -> None:
    import torch

    named = dict(network.named_parameters())
    unreached = [name for name, p in named.items() if p.grad is None]
    assert not unreached, f"no gradient reaches {', '.join(unreached)}"
    broken = [name for name, p in named.items() if not torch.isfinite(p.grad).all()]
    assert not broken, f"the gradients of {', '.join(broken)} are not finite"


# ── the face that generates ────────────────────────────────────────────────────────────────────────────────


def _check_step(step: Any, fixed: int, source: Any, tokens: Any, told: _Told) -> None:
    import numpy as np

    assert step.fixed == fixed, f"the NumPy step's fixed is {step.fixed}, and torch's {fixed}"
    wider = np.pad(source, ((0, 0), (0, PADDING)), constant_values=NO_TOKEN)
    state = step.start(source)
    _check_state(state, fixed)
    _follow(step, tokens, state, told, "the NumPy step's")
    _follow(step, tokens, step.start(wider), told, "padded further, the NumPy step's")
    rows = [2, 0, 2]
    picked = _Told(
        [logits[rows] for logits in told.logits],
        [None if look is None else look[rows] for look in told.looks],
        told.state,
    )
    state = tuple(array[rows] for array in state)
    _follow(step, tokens[rows], state, picked, "on rows picked from a state, the NumPy step's")


def _follow(step: Any, tokens: Any, state: State, told: _Told, whose: str) -> None:
    """One token after another, beside torch."""
    for t, (logits, look) in enumerate(zip(told.logits, told.looks, strict=True)):
        before = [array.copy() for array in state]
        found, after = step(tokens[:, t], state)
        _close(found, logits.numpy(), f"{whose} logits {t} differ from torch's")
        _check_kept(before, state, "the state that the NumPy step was given")
        _check_kept(before[: step.fixed], after[: step.fixed], "the fixed arrays of the NumPy step's state")
        looked = step.attended(after)
        assert (looked is None) == (look is None), "one face attends, and the other does not"
        if look is not None:
            _close(looked[:, : look.shape[1]], look.numpy(), f"{whose} attended() differs from torch's")
            assert not looked[:, look.shape[1] :].any(), f"{whose} attended() gives padding a weight"
        state = after


# ── both ───────────────────────────────────────────────────────────────────────────────────────────────────


def _close(one: Any, other: Any, message: str) -> None:
    shapes = tuple(one.shape), tuple(other.shape)
    assert shapes[0] == shapes[1], f"{message}, by its shape: {shapes[0]}, not {shapes[1]}"
    if 0 in other.shape:
        return
    beside, size = abs(one * 1.0 - other * 1.0), abs(other * 1.0)
    beside[one == other] = 0.0  # infinities too
    worst, scale = float(beside.max()), max(1.0, float(size[size < float("inf")].max()))
    assert worst <= TOLERANCE * scale, f"{message} by {worst:.2g} (allowed: {TOLERANCE * scale:.2g})"


def _check_kept(before: list[Any], after: Any, what: str) -> None:
    for kept, array in zip(before, after, strict=True):
        assert kept.shape == array.shape, f"{what} changed shape"
        assert (kept == array).all(), f"a call changed {what}; return new arrays"
