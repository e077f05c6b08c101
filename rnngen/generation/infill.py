"""Filling a gap: the tokens between two given texts that make the whole most probable.

::

    left ─▸ beam over fillings of 1, 2 … tokens ─▸ all that ever lived, a row each
                                                      │ fed the right text, side by side
                                       ln p(filling | left) + ln p(right | left, filling) ─▸ the best
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from rnngen.contracts import ConditionedStep, GenerationState, NetworkStep, State, TokenIds
from rnngen.decoding.likelihood import length_penalty, log_probabilities
from rnngen.decoding.prefill import next_logits, select_rows, select_streams
from rnngen.errors import RnngenError, UsageError
from rnngen.generation.fill_options import FillOptions
from rnngen.generation.generator import Generator
from rnngen.generation.prompts import Prompt
from rnngen.numerics import Doubles, log_softmax

ROWS = 256
"""Fillings that read the right text side by side."""
OVERLAP = 64
"""Characters of a token, at most, that may belong to the right text."""


@dataclass(frozen=True)
class Filling:
    """A text that may stand in a gap."""

    tokens: tuple[int, ...]
    log_probability: float
    """Of the filling and of all to its right, given what is to its left, in nats."""
    score: float
    """Rank of the filling: its log-probability, divided by the length penalty."""


@dataclass(frozen=True)
class _Read:
    """Fillings that the network has read."""

    texts: list[tuple[int, ...]]
    """R of them."""
    totals: Doubles
    """(R,) their log-probabilities, the right text's first token included."""
    state: State
    """Of R streams, after the fillings."""


def fill(
    step: NetworkStep,
    given: GenerationState,
    right: Sequence[int],
    options: FillOptions,
    *,
    forbidden: Sequence[int] = (),
    fits: Callable[[tuple[int, ...]], bool] = lambda _: True,
) -> list[Filling]:
    """Return the best fillings of a gap between what is given and the tokens to the right, best first.

    Each length has a beam of its own, by the likelihood of the filling; every filling that lived is then
    completed with the right text. With a beam as wide as there are texts this is an exhaustive search. What
    does not fit may still be gone on with; what is forbidden may not.

    Raises:
        RnngenError: if nothing fits.
    """
    given = next_logits(step, given)
    read = _lengths(step, given, right[:1], options, np.array(sorted({*forbidden}), np.int64))
    found: list[Filling] = []
    for batch in _batches([_some(one, [fits(text) for text in one.texts]) for one in read]):
        totals = _completed(step, batch, right)
        penalties = length_penalty([len(text) for text in batch.texts], options.length_penalty)
        rows = zip(batch.texts, totals.tolist(), (totals / penalties).tolist(), strict=True)
        found += [Filling(*row) for row in rows if row[1] > -np.inf]
    if not found:
        raise RnngenError("nothing fits the gap: all that was tried ends within a character; widen --beam")
    return sorted(found, key=lambda one: -one.score)


def _lengths(
    step: NetworkStep, given: GenerationState, right: Sequence[int], options: FillOptions, never: TokenIds
) -> Iterator[_Read]:
    """The fillings that live, of each length."""
    assert given.logits is not None
    texts: list[tuple[int, ...]] = [()]
    totals, log_probs, state = np.zeros(1), log_softmax(given.logits), given.state
    for _ in range(options.length):
        log_probs[:, never] = -np.inf
        keys = totals[:, None] + log_probs
        rows, tokens = _best(keys, options.beam)
        if not len(rows):
            return
        texts = [(*texts[row], token) for row, token in zip(rows.tolist(), tokens.tolist(), strict=True)]
        totals = keys[rows, tokens]
        logits, state = step(tokens, select_rows(state, rows))
        log_probs = log_softmax(logits)
        yield _Read(texts, totals + log_probs[:, list(right)].sum(axis=1), state)


def _best(keys: Doubles, count: int) -> tuple[TokenIds, TokenIds]:
    """The rows and the columns of the highest keys (R,V), best first; of equals the first."""
    flat = keys.ravel()
    if len(flat) > count:
        bound = np.partition(flat, len(flat) - count)[len(flat) - count]
        places = np.flatnonzero(flat >= bound)
    else:
        places = np.arange(len(flat))
    places = places[np.argsort(-flat[places], kind="stable")][:count]
    places = places[flat[places] > -np.inf]
    rows, columns = np.divmod(places, keys.shape[1])
    return rows, columns


def _completed(step: NetworkStep, read: _Read, right: Sequence[int]) -> Doubles:
    """The log-probabilities (R,) with the rest of the right text, which all are fed side by side."""
    totals, state = read.totals.copy(), read.state
    for token, target in pairwise(right):
        logits, state = step(np.full(len(totals), token), state)
        totals += log_softmax(logits)[:, target]
    return totals


def fill_gap(
    generator: Generator, left: str, right: str, options: FillOptions, source: str | None = None
) -> list[tuple[str, Filling]]:
    """Return the best texts between two others, best first, no text twice; all are whole characters.

    Where examples end, the end after the right text counts too.

    Raises:
        UsageError: if there is nothing to the right that a filling could lead to.
        RnngenError: if nothing fits.
    """
    tokenizer, eos_id = generator.tokenizers.target, generator.eos_id
    after: list[int] = tokenizer.encode(right).tolist() + [eos_id] * generator.has_eos
    if not after:
        raise UsageError("there is nothing after the gap to lead to; to go on with a text, use rnngen sample")
    prompt, model, pieces = Prompt(left, source), generator.model, tokenizer.pieces
    prefix, given = generator.prefix(prompt), generator.prefill(prompt)

    def written(tokens: Sequence[int]) -> bytes:
        return b"".join(pieces[token] for token in tokens)[len(prefix.rest) :]

    found = fill(
        model,
        given,
        after,
        replace(options, length=options.length + prefix.spelt),
        forbidden=[*generator.forbidden, eos_id],
        fits=lambda tokens: _is_whole(written(tokens)),
    )
    texts: dict[str, Filling] = {}
    for one in found:
        texts.setdefault(written(one.tokens).decode(), one)
    if isinstance(model, ConditionedStep):
        around = _Around(left, right, len(prefix.tokens) - prefix.hidden, prefix.rest)
        return _ranked(generator, given, around, {*texts, *_overlapping(texts, right)}, options)
    return list(texts.items())


def _is_whole(piece: bytes) -> bool:
    """Return whether bytes are characters, at least one."""
    try:
        return bool(piece.decode())
    except UnicodeDecodeError:
        return False


# ── Texts of sub-words ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Around:
    """The texts around a gap."""

    left: str
    right: str
    final: int
    """The number of tokens of the left text that are final…"""
    rest: bytes
    """…and the rest of it."""


def _overlapping(texts: Iterable[str], right: str) -> Iterator[str]:
    """Yield the fillings, without their ends, that go on as the right text begins."""
    for text in texts:
        for size in range(1, min(len(text), len(right) + 1, OVERLAP)):
            if text.endswith(right[:size]):
                yield text[:-size]


def _ranked(
    generator: Generator, given: GenerationState, around: _Around, texts: Iterable[str], options: FillOptions
) -> list[tuple[str, Filling]]:
    """Rank fillings by the whole text as the tokenizer spells it, best first.

    Where words are spelt in several tokens, one may reach over an edge of the gap.
    """
    model, encode, ends = generator.model, generator.tokenizers.target.encode, generator.has_eos
    begun: list[int] = encode(around.left).tolist()[: around.final]
    spelt, found = [], []
    for text in sorted(texts):
        whole: list[int] = encode(around.left + text + around.right).tolist()
        if whole[: around.final] != begun:
            whole = [*begun, *encode(around.rest.decode() + text + around.right).tolist()]
        spelt.append((text, [*whole[around.final :], *[generator.eos_id] * ends]))
    plain = next_logits(model, replace(given, state=model.expect(given.state, [b""])))
    known = _log_mass(next_logits(model, given), generator.forbidden) if around.rest else 0.0
    for first in range(0, len(spelt), ROWS):
        batch = spelt[first : first + ROWS]
        rows = select_streams(plain, [0] * len(batch))
        totals = log_probabilities(model, rows, [tokens for _, tokens in batch]) - known
        for (text, _), total in zip(batch, totals.tolist(), strict=True):
            tokens = tuple(encode(text).tolist())
            score = total / float(length_penalty(len(tokens), options.length_penalty))
            found.append((text, Filling(tokens, total, score)))
    return sorted(found, key=lambda one: -one[1].score)


def _log_mass(given: GenerationState, forbidden: Sequence[int]) -> float:
    """Return the log-probability of the bytes that a stream has to begin with."""
    assert given.logits is not None
    logits = given.logits[0].astype(np.float64)
    logits[list(forbidden)] = -np.inf
    return float(np.logaddexp.reduce(logits))


# ── Batches ────────────────────────────────────────────────────────────────────────────────────────────────


def _some(read: _Read, wanted: Sequence[bool]) -> _Read:
    rows = np.flatnonzero(wanted)
    return _Read([read.texts[row] for row in rows], read.totals[rows], select_rows(read.state, rows))


def _batches(parts: Iterable[_Read]) -> Iterator[_Read]:
    """Join as many as may be: states that grow with the text are as long only at one age."""
    waiting: list[_Read] = []
    for part in parts:
        full = sum(len(one.texts) for one in waiting) + len(part.texts) > ROWS
        if waiting and (full or _shapes(part) != _shapes(waiting[0])):
            yield _joined(waiting)
            waiting = []
        if part.texts:
            waiting.append(part)
    if waiting:
        yield _joined(waiting)


def _shapes(read: _Read) -> list[tuple[int, ...]]:
    return [tuple(array.shape[1:]) for array in read.state]


def _joined(parts: Sequence[_Read]) -> _Read:
    texts = [text for part in parts for text in part.texts]
    states = zip(*(part.state for part in parts), strict=True)
    totals = np.concatenate([part.totals for part in parts])
    return _Read(texts, totals, tuple(_rows_of(arrays) for arrays in states))


def _rows_of(arrays: Sequence[Any]) -> Any:
    """The rows of several arrays, NumPy's or torch's, one after another."""
    if isinstance(arrays[0], np.ndarray):
        return np.concatenate(arrays)
    import torch

    return torch.cat(list(arrays))
