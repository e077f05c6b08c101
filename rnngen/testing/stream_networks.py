"""The conformance suite for whole networks without a source: whole, step by step and in NumPy the same."""

from functools import partial
from typing import Any

from rnngen.contracts import IGNORE, CarryingNetwork, FeatureNetwork, State, imported
from rnngen.testing import checks

BATCH, TIME, FORK = 3, 6, 3
ROWS = [2, 0, 2, 1, 0]


def check_stream_network(network: Any, step_class: str | None, blueprint: Any, options: Any) -> None:
    """Check a network that was built from a blueprint."""
    import torch

    assert network.fixed == 0, f"without a source nothing of the state is fixed, and fixed is {network.fixed}"
    tokens = torch.randint(1, blueprint.vocabulary, (BATCH, TIME))
    with torch.no_grad():
        whole = _check_torch(network.eval(), tokens, blueprint.vocabulary)
    _check_training(network.train(), tokens)
    if step_class is not None:
        step = partial(imported(step_class), checks.weights_of(network), blueprint, options)
        _check_numpy(step(), tokens.numpy(), whole.numpy())


def _check_torch(network: Any, tokens: Any, vocabulary: int) -> Any:
    """Check the torch implementation in evaluation mode; return its logits (B,T,V)."""
    start = network.start(BATCH)
    checks.state(start, BATCH)
    before = checks.copies(start)
    whole, final = network(tokens, start)
    expected = (BATCH, TIME, vocabulary)
    assert tuple(whole.shape) == expected, f"logits are {tuple(whole.shape)}, not {expected}"
    checks.unchanged(before, start, "what start() returned")
    network(tokens[:1] + 1 - tokens[:1].min(), network.start(1))
    checks.close(network(tokens, start)[0], whole, "in evaluation the same call gives another result")
    state = start
    for t in range(TIME):
        logits, state = network(tokens[:, t : t + 1], state)
        checks.close(logits[:, 0], whole[:, t], f"token by token, logits {t} differ from the whole text's")
    if not isinstance(network, CarryingNetwork):
        checks.states_close(state, final, "token by token, the final state differs from the whole text's")
        for number, (one, other) in enumerate(zip(start, final, strict=True)):
            grown = f"array {number} of the state grows, without a carry()"
            assert one.shape == other.shape, f"{grown}: {tuple(one.shape)}, {tuple(other.shape)}"
    _, middle = network(tokens[:, :FORK], start)
    forked, _ = network(tokens[ROWS, FORK:], tuple(array[ROWS] for array in middle))
    checks.close(forked, whole[ROWS, FORK:], "streams that are forked and reordered go on otherwise:")
    assert network.attended(final) is None, "attended() is for networks that read a source"
    if isinstance(network, FeatureNetwork):
        features, _ = network.hidden(tokens, start)
        checks.close(network.predict(features), whole, "predict() of hidden() differs from the logits")
    if isinstance(network, CarryingNetwork):
        _check_carry(network, tokens, final)
    return whole


def _check_carry(network: Any, tokens: Any, state: State) -> None:
    import torch

    some = network.carry(state, torch.tensor([True, False, False]))
    none = network.carry(state, torch.zeros(BATCH, dtype=torch.bool))
    same = [array.shape for array in some] == [array.shape for array in none]
    assert same, "the shapes that carry() returns depend on `reset`"
    fresh, reset = network(tokens, network.start(BATCH))[0], network(tokens, some)[0]
    checks.close(reset[0], fresh[0], "after carry(), a row that begins anew differs from a fresh one")
    checks.close(reset[1:], network(tokens, none)[0][1:], "after carry(), other rows go on otherwise")


def _check_training(network: Any, tokens: Any) -> None:
    import torch

    targets = tokens.roll(-1, dims=1).clone()
    targets[0, -2:] = IGNORE
    loss, _ = network.nll(tokens, targets, network.start(BATCH))
    loss.backward()
    checks.gradients(network)
    with torch.autocast("cpu", torch.bfloat16):
        loss, _ = network.nll(tokens, targets, network.start(BATCH))
    assert torch.isfinite(loss), f"under autocast to bf16 the loss is {float(loss.detach())}"


def _check_numpy(step: Any, tokens: Any, whole: Any) -> None:
    state = step.start(BATCH)
    for t in range(TIME):
        if t == FORK:
            forked = tuple(array[ROWS] for array in state)
            logits, _ = step(tokens[ROWS, t], forked)
            checks.close(logits, whole[ROWS, t], "in NumPy, streams that are forked go on otherwise:")
        checks.read_only(state)
        logits, state = checks.called(step.__call__, tokens[:, t], state)
        checks.close(logits, whole[:, t], f"the NumPy step's logits {t} differ from torch's")
