"""The conformance suite for whole networks: torch and NumPy compute the same function of source and target,
and no row depends on the others or on its padding.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rnngen.contracts import (
    IGNORE,
    NO_TOKEN,
    AttentionSpec,
    Blueprint,
    CellSpec,
    FeatureNetwork,
    FeatureStep,
    NetworkSpec,
    PieceNetwork,
    Spec,
    State,
    Weights,
    imported,
)
from rnngen.errors import UnknownName
from rnngen.options import build, divide
from rnngen.testing import checks
from rnngen.testing.stream_networks import check_stream_network

LENGTHS = (6, 2, 4, 1)
"""Lengths of the sources, the end token included; the last has no other."""
VOCABULARY, SOURCE_VOCABULARY = 11, 13
HIDDEN, EMBED, LAYERS, DROPOUT = 8, 6, 2, 0.1
EOS_ID = 0
BATCH, TIME = len(LENGTHS), 5
PADDING = 3
"""Columns of padding that must make no difference."""
ROWS = [2, 0, 2]
"""A choice of rows."""


@checks.suite
def check_network(
    spec: NetworkSpec, *parts: Spec, shared: bool = False, tied: bool = False, **options: str
) -> None:
    """Check a whole network against its contract: one that reads a source, or one without.

    ``parts`` are the cells and attentions that the options may name. With ``shared`` both sides have one
    vocabulary; with ``tied`` the embedding is the output matrix too.

    Raises:
        UsageError: if the network refuses these options.
    """
    import torch

    chosen = build(spec.options, options, owner=f"cell {spec.name!r}")
    made = {name: component(kind, getattr(chosen, name), parts) for name, kind in spec.parts.items()}
    blueprint = small_blueprint(made, shared=shared, tied=tied)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = imported(spec.load)(blueprint, ModuleFactory(), chosen)
        checks.module(network, spec.load)
        perturb(network)
        if isinstance(network, PieceNetwork):
            network.set_pieces(pieces(blueprint.vocabulary), pieces(blueprint.source_vocabulary))
        if not spec.reads_source:
            numpy = spec.numpy if all(one.has_numpy for one in made.values()) else None
            check_stream_network(network, numpy, blueprint, chosen)
            return
        source = sources(blueprint.source_vocabulary)
        tokens = torch.randint(1, blueprint.vocabulary, (BATCH, TIME))
        with torch.no_grad():
            steps = _check_torch(network.eval(), source, tokens)
        _check_training(network.train(), source, tokens)
    if spec.numpy is not None and all(one.has_numpy for one in made.values()):
        build_step = partial(imported(spec.numpy), checks.weights_of(network), blueprint, chosen)
        _check_numpy(build_step(), network.fixed, source.numpy(), tokens.numpy(), steps)
        for name, held, plain in checks.quantized(build_step):
            _check_quantized(name, held, plain, source.numpy(), tokens.numpy())


@dataclass(frozen=True)
class Steps:
    """A network's results for a target, token by token."""

    logits: list[Any]
    """T of (B,V)."""
    attended: list[Any]
    """T of (B,S), or of None."""
    state: State


def _step_by_step(network: Any, tokens: Any, state: State) -> Steps:
    logits, attended = [], []
    for t in range(tokens.shape[1]):
        found, state = network(tokens[:, t : t + 1], state)
        logits.append(found[:, 0])
        attended.append(network.attended(state))
    return Steps(logits, attended, state)


def _check_torch(network: Any, source: Any, tokens: Any) -> Steps:
    """Check the torch implementation; return its results token by token."""
    state = network.start(source)
    _check_start(state, network.fixed)
    before = checks.copies(state)
    whole, final = network(tokens, state)
    expected = (BATCH, TIME, VOCABULARY)
    assert tuple(whole.shape) == expected, f"logits are {tuple(whole.shape)}, not {expected}"
    checks.unchanged(before, state, "what start() returned")
    checks.unchanged(before[: network.fixed], final[: network.fixed], "the fixed arrays of the state")
    steps = _step_by_step(network, tokens, state)
    for t, logits in enumerate(steps.logits):
        checks.close(logits, whole[:, t], f"token by token, logits {t} differ from the whole text's")
    checks.states_close(steps.state, final, "token by token, the final state differs from the whole text's")
    if isinstance(network, FeatureNetwork):
        features, _ = network.hidden(tokens, state)
        same = features.shape[-1] == network.feature_size
        assert same, "feature_size is not the size of what hidden() gives"
        checks.close(network.predict(features), whole, "predict() of hidden() differs from the logits")
    _check_attended(steps.attended, source != NO_TOKEN, checks.TOLERANCE)
    _check_rows(network, source, tokens, steps)
    _check_padding(network, source, tokens, steps)
    _check_loss(network, source, tokens, whole)
    return steps


def _check_start(state: State, fixed: int) -> None:
    checks.state(state, BATCH)
    assert 0 <= fixed <= len(state), f"fixed is {fixed}, but a state has {len(state)} arrays"


def _check_attended(attended: list[Any], mask: Any, slack: float) -> None:
    if attended[0] is None:
        assert all(weights is None for weights in attended), "attended() gives None for some tokens alone"
        return
    for t, weights in enumerate(attended):
        shape, expected = tuple(weights.shape), tuple(mask.shape)
        assert shape == expected, f"attended() is {shape}, not {expected}"
        padding = weights[~mask].any()
        assert not padding, f"at token {t} attended() gives padding a weight; it must be exactly 0"
        off = float(abs(weights.sum(-1) - 1).max())
        assert off <= slack, f"at token {t} what attended() gives does not sum to 1; it is off by {off:.2g}"


def _check_rows(network: Any, source: Any, tokens: Any, steps: Steps) -> None:
    picked = tuple(array[ROWS] for array in network.start(source))
    for state, message in (
        (network.start(source[ROWS]), "rows of one batch disturb one another:"),
        (picked, "rows picked from a state give another result:"),
    ):
        logits, after = network(tokens[ROWS], state)
        checks.close(logits[:, -1], steps.logits[-1][ROWS], message)
        expected = tuple(array[ROWS] for array in steps.state)
        checks.states_close(after, expected, f"{message} in the state after")


def _check_padding(network: Any, source: Any, tokens: Any, steps: Steps) -> None:
    from torch.nn.functional import pad

    message = "the result for a row depends on how far it is padded:"
    wider = pad(source, (0, PADDING), value=NO_TOKEN)
    logits, after = network(tokens, network.start(wider))
    checks.close(logits[:, -1], steps.logits[-1], message)
    weights, expected = network.attended(after), steps.attended[-1]
    if weights is not None:
        checks.close(weights[:, : source.shape[1]], expected, f"{message} in attended()")
        beyond = weights[:, source.shape[1] :]
        assert not beyond.any(), "attended() gives padding at the end of all rows a weight"
    for row, length in enumerate(LENGTHS):
        alone = network(tokens[row : row + 1], network.start(source[row : row + 1, :length]))[0]
        checks.close(alone[0, -1], steps.logits[-1][row], f"{message} row {row} alone differs")


def _check_loss(network: Any, source: Any, tokens: Any, logits: Any) -> None:
    targets = _targets(tokens)
    loss = float(network.nll(tokens, targets, network.start(source))[0])
    expected = float(nll(logits, targets))
    close = abs(loss - expected) <= checks.TOLERANCE * max(1.0, expected) * 10
    assert close, f"in evaluation nll() is {loss:.6g}, and the cross-entropy of the logits {expected:.6g}"


def _targets(tokens: Any) -> Any:
    """Each row's next tokens; some do not count."""
    targets = tokens.roll(-1, dims=1).clone()
    targets[0, -2:] = targets[1, -1:] = IGNORE
    return targets


def _check_training(network: Any, source: Any, tokens: Any) -> None:
    """Check gradients, also under bf16 autocast."""
    import torch

    targets = _targets(tokens)
    loss, _ = network.nll(tokens, targets, network.start(source))
    loss.backward()
    checks.gradients(network)
    network.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        loss, state = network.nll(tokens, targets, network.start(source))
        weights = network.attended(state)
    assert torch.isfinite(loss), f"under autocast to bf16 the loss is {float(loss.detach())}"
    loss.backward()
    checks.gradients(network)
    if weights is not None:
        _check_attended([weights.detach().float()], source != NO_TOKEN, slack=0.02)


def _check_numpy(step: Any, fixed: int, source: Any, tokens: Any, steps: Steps) -> None:
    import numpy as np

    assert step.fixed == fixed, f"the NumPy step's fixed is {step.fixed}, and torch's {fixed}"
    state = step.start(source)
    _check_start(state, fixed)
    _follow(step, tokens, state, steps, "the NumPy step's")
    wider = np.pad(source, ((0, 0), (0, PADDING)), constant_values=NO_TOKEN)
    _follow(step, tokens, step.start(wider), steps, "padded further, the NumPy step's")
    picked = Steps(
        [logits[ROWS] for logits in steps.logits],
        [None if weights is None else weights[ROWS] for weights in steps.attended],
        steps.state,
    )
    rows = tuple(array[ROWS] for array in state)
    _follow(step, tokens[ROWS], rows, picked, "on rows picked from a state, the NumPy step's")
    if isinstance(step, FeatureStep):
        features, after = step.features(tokens[:, 0], state)
        expected = (BATCH, step.feature_size)
        assert features.shape == expected, f"features are {features.shape}, not {expected}"
        checks.close(
            step.logits(features, after), step(tokens[:, 0], state)[0], "logits() of features() differ"
        )


def _check_quantized(name: str, held: Any, plain: Any, source: Any, tokens: Any) -> None:
    state, other = held.start(source), plain.start(source)
    for t in range(tokens.shape[1]):
        logits, state = held(tokens[:, t], state)
        expected, other = plain(tokens[:, t], other)
        message = f"in {name} logits {t} differ from those of a step with the same weights in fp32"
        checks.close(logits, expected, message, checks.QUANTIZED_TOLERANCE)


def _follow(step: Any, tokens: Any, state: State, steps: Steps, whose: str) -> None:
    """Run the NumPy step token by token, and compare it with torch."""
    for t, (logits, weights) in enumerate(zip(steps.logits, steps.attended, strict=True)):
        before = checks.copies(state)
        found, after = step(tokens[:, t], state)
        checks.close(found, logits.numpy(), f"{whose} logits {t} differ from torch's")
        checks.unchanged(before, state, "the state that the NumPy step was given")
        fixed = slice(step.fixed)
        checks.unchanged(before[fixed], after[fixed], "the fixed arrays of the NumPy step's state")
        attended = step.attended(after)
        assert (attended is None) == (weights is None), "one implementation attends, and the other does not"
        if weights is not None:
            width = weights.shape[1]
            checks.close(attended[:, :width], weights.numpy(), f"{whose} attended() differs from torch's")
            assert not attended[:, width:].any(), f"{whose} attended() gives padding a weight"
        state = after


# ── Parts of the networks that the suite builds ────────────────────────────────────────────────────────


@dataclass(frozen=True)
class ComponentFactory:
    """A cell or an attention with its options chosen (``rnngen.contracts.ComponentFactory``)."""

    spec: Any
    options: Any

    @property
    def has_numpy(self) -> bool:
        """True if there is a NumPy implementation."""
        return self.spec.numpy is not None

    def build(self, *sizes: int) -> Any:
        """Build the torch implementation."""
        return imported(self.spec.load)(*sizes, self.options)

    def numpy(self, weights: Weights, prefix: str = "") -> Any:
        """Build the NumPy implementation."""
        own = {name.removeprefix(prefix): w for name, w in weights.items() if name.startswith(prefix)}
        return imported(self.spec.numpy)(own, self.options)


def component(kind: str, text: str, parts: Sequence[Spec]) -> ComponentFactory:
    """Choose a component by ``NAME`` or ``NAME;key=value``."""
    name, *settings = divide(text, ";")
    wanted = AttentionSpec if kind == "attention" else CellSpec
    known = {part.name: part for part in parts if isinstance(part, wanted)}
    if name not in known:
        raise UnknownName(kind, name, known)
    given = dict(setting.split("=", 1) for setting in settings)
    return ComponentFactory(known[name], build(known[name].options, given, owner=f"{kind} {name!r}"))


def small_blueprint(parts: Mapping[str, ComponentFactory], *, shared: bool, tied: bool) -> Blueprint:
    """Return a small network of two layers."""
    return Blueprint(
        vocabulary=VOCABULARY,
        source_vocabulary=VOCABULARY if shared else SOURCE_VOCABULARY,
        shared=shared,
        hidden=HIDDEN,
        layers=LAYERS,
        embed=EMBED,
        source_embed=EMBED if shared else EMBED - 1,
        dropout=DROPOUT,
        tied=tied,
        parts=parts,
    )


class ModuleFactory:
    """A ``rnngen.contracts.ModuleFactory`` of torch's own modules."""

    def head(self, inputs: int, weight: Any = None) -> Any:
        """Return a new output layer."""
        from torch import nn

        class Head(nn.Linear):
            def nll(self, x: Any, targets: Any) -> Any:
                return nll(self(x), targets)

        head = Head(inputs, VOCABULARY)
        if weight is not None:
            assert weight.shape == head.weight.shape, "head(inputs, weight): weight is not (V,inputs)"
            head.weight = weight
        return head

    def dropout(self) -> Any:
        """Return a new dropout module."""
        from torch import nn

        return nn.Dropout(DROPOUT)


def nll(logits: Any, targets: Any) -> Any:
    """Return the summed cross-entropy of the targets (B,T) that count."""
    from torch.nn.functional import cross_entropy

    flat = logits.float().flatten(0, 1)
    return cross_entropy(flat, targets.flatten(), ignore_index=IGNORE, reduction="sum")


def perturb(network: Any) -> None:
    """Move every parameter a little: one that starts at 0, as biases do, could be left out unnoticed."""
    import torch

    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))


def pieces(vocabulary: int) -> list[bytes]:
    """Return the bytes of each token: the end token, then a letter each."""
    return [b"", *(bytes([ord("a") + number]) for number in range(vocabulary - 1))]


def sources(vocabulary: int) -> Any:
    """Return sources (B,S): rows closed by the end token, then padding."""
    import torch

    source = torch.randint(1, vocabulary, (len(LENGTHS), max(LENGTHS)))
    for row, length in zip(source, LENGTHS, strict=True):
        row[length - 1] = EOS_ID
        row[length:] = NO_TOKEN
    return source
