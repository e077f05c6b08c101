"""The conformance suite for attentions: padding has no weight, and torch and NumPy compute the same."""

from typing import Any, TypeAlias

from rnngen.contracts import AttentionSpec, State, imported
from rnngen.errors import UsageError
from rnngen.options import build
from rnngen.testing import checks

LENGTHS = (7, 3, 5, 1, 0)
"""Lengths of the sources; one has no tokens."""
BATCH, TIME, QUERY, MEMORY = len(LENGTHS), 5, 8, 6
JUNK = (float("nan"), float("inf"), 1e30)
"""Contents of padding that must make no difference."""

Result: TypeAlias = tuple[Any, Any, State]
"""Contexts, weights, and the state after."""


@checks.suite
def check_attention(spec: AttentionSpec, **options: str) -> None:
    """Check an attention against its contract.

    Query and memory are of different sizes; an attention that refuses that with a ``UsageError`` is tried
    with equal ones.

    """
    import torch

    chosen = build(spec.options, options, owner=f"attention {spec.name!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        try:
            attention, size = imported(spec.load)(QUERY, MEMORY, chosen), MEMORY
        except UsageError:
            attention, size = imported(spec.load)(QUERY, QUERY, chosen), QUERY
        checks.module(attention, spec.load)
        memory = torch.randn(BATCH, max(LENGTHS), size)
        query = torch.randn(BATCH, TIME, QUERY)
        mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
        with torch.no_grad():
            whole = _check_torch(attention.eval(), query, memory, mask)
        _check_training(attention.train(), query, memory, mask)
    if spec.numpy is not None:
        step = imported(spec.numpy)(checks.weights_of(attention), chosen)
        _check_numpy(step, query.numpy(), memory.numpy(), mask.numpy(), whole)


def _attend(attention: Any, query: Any, memory: Any, mask: Any) -> Result:
    result: Result = attention(query, attention.prepare(memory, mask), attention.initial_state(mask))
    return result


def _check_torch(attention: Any, query: Any, memory: Any, mask: Any) -> Result:
    """Check the torch implementation; return its result for all queries."""
    checks.state(attention.prepare(memory, mask), BATCH, "what prepare() returns")
    checks.state(attention.initial_state(mask), BATCH)
    contexts, weights, state = whole = _attend(attention, query, memory, mask)
    _attend(attention, query[:1] + 1, memory[:1], mask[:1])
    again = _attend(attention, query, memory, mask)
    _check_same(
        again, whole, "in evaluation the same call gives another result, after one with other streams"
    )
    checks.state(state, BATCH)
    expected = (BATCH, TIME, attention.size)
    assert tuple(contexts.shape) == expected, f"contexts are {tuple(contexts.shape)}, not {expected}"
    _check_weights(weights, mask)
    _check_padding(attention, query, memory, mask, whole)
    _check_rows(attention, query, memory, mask, whole)
    _check_split(attention, query, memory, mask, whole)
    return whole


def _check_weights(weights: Any, mask: Any, slack: float = checks.TOLERANCE) -> None:
    expected = (BATCH, TIME, mask.shape[1])
    assert tuple(weights.shape) == expected, f"weights are {tuple(weights.shape)}, not {expected}"
    assert float(weights.min()) >= -slack, f"a weight is {float(weights.min()):.2g}; none may be below 0"
    padding = abs(weights * ~mask[:, None])
    assert not padding.any(), f"padding receives weight: {float(padding.max()):.2g}; it must be exactly 0"
    wanted = mask.any(-1)[:, None] * float(bool(weights.any()))  # an attention may also never attend
    worst = float(abs(weights.sum(-1) - wanted).max())
    assert worst <= slack, f"the weights of a query sum neither to 1 nor to 0; they are off by {worst:.2g}"


def _check_padding(attention: Any, query: Any, memory: Any, mask: Any, whole: Result) -> None:
    """Check that neither the content nor the amount of padding makes a difference."""
    from torch.nn.functional import pad

    for junk in JUNK:
        dirty = memory.masked_fill(~mask[:, :, None], junk)
        found = _attend(attention, query, dirty, mask)
        _check_same(found, whole, f"{junk} in the padding of the memory shows:")
    more, length = 3, mask.shape[1]
    longer = pad(memory, (0, 0, 0, more), value=1.0)
    contexts, weights, _ = _attend(attention, query, longer, pad(mask, (0, more)))
    padded, before = (contexts, weights[..., :length], ()), (*whole[:2], ())
    _check_same(padded, before, "the result for a row depends on how far it is padded:")
    assert not weights[..., length:].any(), "padding at the end of all rows receives weight"


def _check_rows(attention: Any, query: Any, memory: Any, mask: Any, whole: Result) -> None:
    rows = [2, 0]
    expected = whole[0][rows], whole[1][rows], tuple(array[rows] for array in whole[2])
    alone = _attend(attention, query[rows], memory[rows], mask[rows])
    _check_same(alone, expected, "rows of one batch disturb one another:")
    prepared = tuple(array[rows] for array in attention.prepare(memory, mask))
    state = tuple(array[rows] for array in attention.initial_state(mask))
    picked = attention(query[rows], prepared, state)
    _check_same(picked, expected, "rows picked from what prepare() returned give another result:")


def _check_split(attention: Any, query: Any, memory: Any, mask: Any, whole: Result) -> None:
    import torch

    prepared, state = attention.prepare(memory, mask), attention.initial_state(mask)
    before, contexts, weights = checks.copies(prepared), [], []
    for part in (query[:, :2], query[:, 2:3], query[:, 3:]):
        context, weight, state = attention(part, prepared, state)
        contexts.append(context)
        weights.append(weight)
    split = torch.cat(contexts, 1), torch.cat(weights, 1), state
    _check_same(split, whole, "asked in parts, the result differs from the whole's")
    checks.unchanged(before, prepared, "what prepare() returned")


def _check_training(attention: Any, query: Any, memory: Any, mask: Any) -> None:
    """Check gradients with NaN in the padding, and that bf16 autocast works."""
    import torch

    dirty = memory.masked_fill(~mask[:, :, None], float("nan"))
    contexts, weights, _ = _attend(attention, query, dirty, mask)
    if any(True for _ in attention.parameters()):
        (contexts.square().sum() + weights.square().sum()).backward()
    checks.gradients(attention)
    with torch.autocast("cpu", torch.bfloat16):
        contexts, weights, _ = _attend(attention, query, dirty, mask)
    assert torch.isfinite(contexts).all(), "under autocast to bf16, contexts are not finite"
    _check_weights(weights.detach().float(), mask, slack=0.02)


def _check_numpy(step: Any, query: Any, memory: Any, mask: Any, whole: Result) -> None:
    dirty = memory.copy()
    dirty[~mask] = JUNK[0]
    prepared, state = step.prepare(dirty, mask), step.initial_state(mask)
    checks.state(prepared, BATCH, "what the NumPy step's prepare() returns")
    checks.state(state, BATCH, "a state of the NumPy step")
    checks.read_only(prepared)
    others = step.prepare(memory[::-1].copy(), mask[::-1].copy()), step.initial_state(mask[::-1].copy())
    for t in range(TIME):
        given = [query[:, t], *prepared, *state]
        before = checks.copies(given)
        checks.read_only(state)
        context, weights, state = checks.called(step.__call__, query[:, t].copy(), prepared, state)
        step(query[::-1, t].copy(), *others)  # of other texts, in between
        assert context.dtype == query.dtype, f"in the NumPy step, contexts are {context.dtype}, not float32"
        expected = whole[0][:, t].numpy(), whole[1][:, t].numpy(), ()
        _check_same((context, weights, ()), expected, f"the NumPy step's answer {t} differs from torch's")
        assert not weights[~mask].any(), "in the NumPy step, padding receives weight"
        checks.unchanged(before, given, "the NumPy step's arguments")
    rows = [2, 0]
    picked = step.prepare(dirty[rows], mask[rows]), step.initial_state(mask[rows])
    for t in range(TIME):
        context, weights, after = step(query[rows, t], *picked)
        picked = picked[0], after
        expected = whole[0][rows, t].numpy(), whole[1][rows, t].numpy(), ()
        _check_same((context, weights, ()), expected, "in the NumPy step, streams disturb one another:")


def _check_same(one: Result, other: Result, message: str) -> None:
    checks.close(one[0], other[0], f"{message} in a context")
    checks.close(one[1], other[1], f"{message} in a weight")
    checks.states_close(one[2], other[2], f"{message} in the state after")
