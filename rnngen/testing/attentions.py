"""The conformance suite for attentions: masks hold, and both faces are the same function, split or whole."""

from typing import Any, TypeAlias

from rnngen.contracts import AttentionSpec, State, imported
from rnngen.errors import UsageError
from rnngen.options import build

LENGTHS = (7, 3, 5, 1, 0)
"""How many tokens the sources have; one has none."""
TIME, QUERY, MEMORY = 5, 8, 6
TOLERANCE = 1e-5
"""Absolute and relative, in fp32; contexts of these small attentions are of the order of 1."""
JUNK = (float("nan"), float("inf"), 1e30)
"""What may stand in padding."""

Answer: TypeAlias = tuple[Any, Any, State]
"""Contexts, weights, and the state after."""


def check_attention(spec: AttentionSpec, **options: str) -> None:
    """Hold an attention to its contract; call it from a one-line test.

    Query and memory are of different sizes; an attention that refuses that with a ``UsageError`` is tried
    with equal ones.

    Args:
        spec: what the plugin's ``rnngen_attentions`` hook returns.
        options: option values as the user would type them; defaults otherwise.

    Raises:
        AssertionError: in a sentence that says which promise was broken, and by how much.
    """
    import torch

    chosen = build(spec.options, options, owner=f"attention {spec.name!r}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        attention, size = _built(spec, chosen)
        assert hasattr(attention, "named_parameters"), f"{spec.load} makes no torch.nn.Module"
        memory = torch.randn(len(LENGTHS), max(LENGTHS), size)
        query = torch.randn(len(LENGTHS), TIME, QUERY)
        mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
        _check_torch(attention.eval(), query, memory, mask)
        _check_training(attention.train(), query, memory, mask)
    if spec.numpy is not None:
        weights = {name: p.detach().numpy() for name, p in attention.state_dict().items()}
        with torch.no_grad():
            whole = _asked(attention.eval(), query, memory, mask)
        step = imported(spec.numpy)(weights, chosen)
        _check_step(step, query.numpy(), memory.numpy(), mask.numpy(), whole)


def _built(spec: AttentionSpec, chosen: Any) -> tuple[Any, int]:
    """The attention, and the size of the memory that it takes."""
    attention = imported(spec.load)
    try:
        return attention(QUERY, MEMORY, chosen), MEMORY
    except UsageError:
        return attention(QUERY, QUERY, chosen), QUERY


def _asked(attention: Any, query: Any, memory: Any, mask: Any) -> Answer:
    answer: Answer = attention(query, attention.prepare(memory, mask), attention.initial_state(mask))
    return answer


# ── the face that trains ───────────────────────────────────────────────────────────────────────────────────


def _check_torch(attention: Any, query: Any, memory: Any, mask: Any) -> None:
    import torch

    with torch.no_grad():
        _check_state(attention.prepare(memory, mask), "what prepare() gives")
        _check_state(attention.initial_state(mask), "a state")
        contexts, weights, state = whole = _asked(attention, query, memory, mask)
        _check_state(state, "a state")
        expected = (len(LENGTHS), TIME, attention.size)
        assert tuple(contexts.shape) == expected, f"contexts are {tuple(contexts.shape)}, not {expected}"
        _check_weights(weights, mask)
        _check_padding(attention, query, memory, mask, whole)
        _check_rows(attention, query, memory, mask, whole)
        _check_split(attention, query, memory, mask, whole)


def _check_state(state: State, what: str) -> None:
    assert isinstance(state, tuple), f"{what} is a flat tuple of arrays, not {type(state).__name__}"
    for array in state:
        assert len(array) == len(LENGTHS), (
            f"{what} has an array of shape {tuple(array.shape)}, without the batch on axis 0"
        )


def _check_weights(weights: Any, mask: Any, slack: float = TOLERANCE) -> None:
    expected = (len(LENGTHS), TIME, mask.shape[1])
    assert tuple(weights.shape) == expected, f"weights are {tuple(weights.shape)}, not {expected}"
    assert float(weights.min()) >= -slack, f"a weight is {float(weights.min()):.2g}; none may be below 0"
    padding = abs(weights * ~mask[:, None])
    assert not padding.any(), f"padding receives weight: {float(padding.max()):.2g}; it must be exactly 0"
    totals = weights.sum(-1)
    wanted = mask.any(-1)[:, None] * float(bool(weights.any()))  # an attention may also never look
    worst = float(abs(totals - wanted).max())
    assert worst <= slack, f"the weights of a query sum neither to 1 nor to 0, but {worst:.2g} beside"


def _check_padding(attention: Any, query: Any, memory: Any, mask: Any, whole: Answer) -> None:
    """Neither what stands in padding nor how much there is of it makes a difference."""
    import torch

    for junk in JUNK:
        dirty = memory.masked_fill(~mask[:, :, None], junk)
        _compare(_asked(attention, query, dirty, mask), whole, f"{junk} in the padding of the memory shows:")
    more, length = 3, mask.shape[1]
    longer = torch.nn.functional.pad(memory, (0, 0, 0, more), value=1.0)
    contexts, weights, _ = _asked(attention, query, longer, torch.nn.functional.pad(mask, (0, more)))
    answer, before = (contexts, weights[..., :length], ()), (*whole[:2], ())
    _compare(answer, before, "what a row gives depends on how far it is padded:")
    assert not weights[..., length:].any(), "padding at the end of all rows receives weight"


def _check_rows(attention: Any, query: Any, memory: Any, mask: Any, whole: Answer) -> None:
    rows = [2, 0]
    chosen = whole[0][rows], whole[1][rows], tuple(array[rows] for array in whole[2])
    alone = _asked(attention, query[rows], memory[rows], mask[rows])
    _compare(alone, chosen, "rows of one batch disturb one another:")
    prepared = tuple(array[rows] for array in attention.prepare(memory, mask))
    state = tuple(array[rows] for array in attention.initial_state(mask))
    picked = attention(query[rows], prepared, state)
    _compare(picked, chosen, "rows picked from what is prepared give something else:")


def _check_split(attention: Any, query: Any, memory: Any, mask: Any, whole: Answer) -> None:
    import torch

    prepared = attention.prepare(memory, mask)
    before = [array.clone() for array in prepared]
    contexts, weights, state = [], [], attention.initial_state(mask)
    for part in (query[:, :2], query[:, 2:3], query[:, 3:]):
        context, weight, state = attention(part, prepared, state)
        contexts.append(context)
        weights.append(weight)
    split = torch.cat(contexts, 1), torch.cat(weights, 1), state
    _compare(split, whole, "asked in parts, an answer differs from the whole's")
    _check_kept(before, prepared, "what prepare() gave")


def _check_training(attention: Any, query: Any, memory: Any, mask: Any) -> None:
    """Gradients reach every parameter, unharmed by what stands in padding; bf16 autocast is borne."""
    import torch

    dirty = memory.masked_fill(~mask[:, :, None], float("nan"))
    contexts, weights, _ = _asked(attention, query, dirty, mask)
    loss = contexts.square().sum() + weights.square().sum()
    named = dict(attention.named_parameters())
    if named:
        loss.backward()
    unreached = [name for name, p in named.items() if p.grad is None]
    assert not unreached, f"no gradient reaches {', '.join(unreached)}"
    broken = [name for name, p in named.items() if not torch.isfinite(p.grad).all()]
    assert not broken, f"with NaN in the padding, no finite gradient reaches {', '.join(broken)}"
    with torch.autocast("cpu", torch.bfloat16):
        contexts, weights, _ = _asked(attention, query, dirty, mask)
    assert torch.isfinite(contexts).all(), "under autocast to bf16, contexts are not finite"
    _check_weights(weights.detach().float(), mask, slack=0.02)


# ── the face that generates ────────────────────────────────────────────────────────────────────────────────


def _check_step(step: Any, query: Any, memory: Any, mask: Any, whole: Answer) -> None:
    dirty = memory.copy()
    dirty[~mask] = JUNK[0]
    prepared, state = step.prepare(dirty, mask), step.initial_state(mask)
    _check_state(prepared, "what the NumPy step's prepare() gives")
    _check_state(state, "a state of the NumPy step")
    for t in range(TIME):
        given = [query[:, t], *prepared, *state]
        before = [array.copy() for array in given]
        context, weights, state = step(query[:, t], prepared, state)
        answer = whole[0][:, t].numpy(), whole[1][:, t].numpy()
        _compare((context, weights, ()), (*answer, ()), f"the NumPy step's answer {t} differs from torch's")
        assert not weights[~mask].any(), "in the NumPy step, padding receives weight"
        _check_kept(before, given, "what the NumPy step was given")


# ── both ───────────────────────────────────────────────────────────────────────────────────────────────────


def _compare(one: Answer, other: Answer, message: str) -> None:
    _close(one[0], other[0], f"{message} in a context")
    _close(one[1], other[1], f"{message} in a weight")
    for here, there in zip(one[2], other[2], strict=True):
        _close(here, there, f"{message} in the state after")


def _close(one: Any, other: Any, message: str) -> None:
    shapes = tuple(one.shape), tuple(other.shape)
    assert shapes[0] == shapes[1], f"{message}, by its shape: {shapes[0]}, not {shapes[1]}"
    if 0 in other.shape:  # contexts of size 0
        return
    worst, scale = float(abs(one - other).max()), max(1.0, float(abs(other).max()))
    assert worst <= TOLERANCE * scale, f"{message} by {worst:.2g} (allowed: {TOLERANCE * scale:.2g})"


def _check_kept(before: list[Any], after: Any, what: str) -> None:
    for kept, array in zip(before, after, strict=True):
        same = (kept == array) | (array != array)  # noqa: PLR0124 - true of NaN, in either library
        assert same.all(), f"a call writes into {what}; return new arrays"
