"""The conformance suite for filters: pure, or with a state that is all they remember; a stream by itself."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnngen.contracts import FilterSpec, Floats, State, StatefulFilter, TextConstraint, TokenIds, imported
from rnngen.options import build
from rnngen.testing import checks

BATCH, STEPS = 3, 6
PROMPTS = (b"the sea ", b"Anna sees", b"a dog, a cat")


class Bytes:
    """A token a byte, and the end."""

    pieces = (*(bytes([byte]) for byte in range(256)), b"")
    eos_id = 256

    def encode(self, text: str) -> TokenIds:
        """Return the bytes of a text."""
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)


@checks.suite
def check_filter(spec: FilterSpec, **options: str) -> None:
    """Check a filter against its contract, over the tokens of bytes."""
    chosen = build(spec.options, options, owner=f"filter {spec.name!r}")
    tokenizer = Bytes()

    def make() -> Any:
        return imported(spec.load)(chosen, *([tokenizer] if spec.needs_text else []))

    vocabulary = len(tokenizer.pieces)
    whole = _run(make(), range(BATCH), vocabulary)
    again = _run(make(), range(BATCH), vocabulary)
    _same(again, whole, "the same seeds and tokens give other logits the second time")
    kept = make()
    _run(kept, [1], vocabulary)
    after = _run(kept, range(BATCH), vocabulary)
    _same(after, whole, "it remembers other texts: what a filter remembers belongs in its state")
    for rows in ([0], [2, 1]):
        alone = _run(make(), rows, vocabulary)
        expected = [logits[rows] for logits in whole]
        _same(alone, expected, "what a stream gets depends on the other streams")
    _check_fork(make(), whole, vocabulary)
    if (lookback := getattr(make(), "lookback", None)) is not None:
        fewer = _run(make(), range(BATCH), vocabulary, latest=lookback)
        _same(fewer, whole, f"it looks farther back than its lookback of {lookback} tokens")
    if isinstance(kept, TextConstraint):
        clause = kept.unmet(list(PROMPTS[0]))
        assert clause is None or isinstance(clause, str), f"unmet() returns {clause!r}, neither text nor None"


def _logits(step: int, vocabulary: int) -> Floats:
    return np.random.default_rng(step).normal(size=(BATCH, vocabulary)).astype(np.float32) * 3


def _tokens(step: int) -> TokenIds:
    return np.frombuffer(b"aeiout"[step : step + 1] * BATCH, np.uint8).astype(np.int64) + np.arange(BATCH)


def _run(
    one: Any, rows: Sequence[int], vocabulary: int, *, fork: Sequence[int] = (), latest: int | None = None
) -> list[Floats]:
    """Filter a few steps of some of the streams → the logits of each.

    ``fork`` reorders them on the way; with ``latest`` the filter gets that number of tokens of each text.
    """
    chosen = list(rows)
    seeds = np.array([70 + row for row in chosen], np.int64)
    histories = [list(PROMPTS[row]) for row in chosen]
    stateful = isinstance(one, StatefulFilter)
    state: State = one.initial(seeds) if stateful else ()
    if stateful:
        checks.state(state, len(chosen), "what initial() returns")
    found = []
    for step in range(STEPS):
        if fork and step == STEPS // 2:
            chosen = [chosen[place] for place in fork]
            histories = [[*histories[place]] for place in fork]
            state = tuple(array[[*fork]] for array in state)
        given = checks.read_only((_logits(step, vocabulary)[chosen],))[0]
        checks.read_only(tuple(array for array in state if isinstance(array, np.ndarray)))
        seen = [
            tuple(history if latest is None else history[max(0, len(history) - latest) :])
            for history in histories
        ]
        shaped = checks.called(one, given, seen, *([state] if stateful else []))
        _check_shaped(shaped, given)
        found.append(shaped)
        tokens = _tokens(step)[chosen]
        if stateful:
            state = one.observe(tokens, np.full(len(chosen), 1.5), state)
            checks.state(state, len(chosen), "what observe() returns")
        for history, token in zip(histories, tokens.tolist(), strict=True):
            history.append(token)
    return found


def _check_shaped(shaped: Any, given: Floats) -> None:
    assert isinstance(shaped, np.ndarray), f"it returns {type(shaped).__name__}, not an array"
    assert shaped.shape == given.shape, f"logits of shape {given.shape} come back as {shaped.shape}"
    assert shaped.dtype.kind == "f", f"logits come back as {shaped.dtype}"
    assert not np.isnan(shaped).any(), "a logit comes back as NaN"
    assert (shaped < np.inf).all(), "a logit comes back as infinity"
    assert (shaped > -np.inf).any(axis=1).all(), "it forbids every token of plain English text"


def _check_fork(one: Any, whole: list[Floats], vocabulary: int) -> None:
    """Check that streams which are forked and reordered half-way go on as they would have."""
    order = [2, 0, 2]
    forked = _run(one, range(BATCH), vocabulary, fork=order)
    for step in range(STEPS // 2, STEPS):
        expected = whole[step][order]
        checks.close(forked[step], expected, "streams that are forked and reordered are filtered otherwise:")


def _same(one: list[Floats], other: list[Floats], message: str) -> None:
    for here, there in zip(one, other, strict=True):
        checks.close(here, there, message)
