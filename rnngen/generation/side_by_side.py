"""Texts drawn side by side, in one batch, and told one after another as they come.

::

    text 0    ▪▪▪▪▪▪▪▪ ─▸ told at once
    text 1    ▪▪▪▪▪▪▪▪    waits for its turn
    text 2    ▪▪▪▪▪       came to its end
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np

from rnngen.contracts import AnyFilter, Floats, State, StreamStep
from rnngen.decoding.generation_state import Moment, read_out
from rnngen.decoding.sampler import rounds

TOGETHER = 64
"""Texts of one batch at most…"""
WAITING = 4_000_000
"""…and tokens that all of them together may come to have, since those that come later are kept till then."""


def drawn(
    step: StreamStep,
    moment: Moment,
    rngs: Iterable[np.random.Generator],
    length: int,
    *,
    filters: Sequence[AnyFilter] = (),
    eos_id: int | None,
    forbidden: Sequence[int] = (),
) -> Iterator[Iterator[int]]:
    """The tokens of texts that go on from one moment, text b drawn with ``rngs[b]``, the end not among them.

    What is asked for of one text is made of all in its batch; the tokens of one must be taken, or let go,
    before those of the next.

    Args:
        step: the network.
        moment: what all go on from.
        rngs: where the draws come from, as many as there are texts.
        length: tokens at most.
        filters: the chain that shapes the distribution.
        eos_id: the token that ends a text; None where texts do not end by themselves.
        forbidden: tokens that never come.
    """
    moment = read_out(step, moment)
    size = max(1, min(TOGETHER, WAITING // max(length, 1)))
    waiting = iter(rngs)
    while batch := list(islice(waiting, size)):
        logits, state = repeated(moment, len(batch))
        made = rounds(
            step,
            logits,
            state,
            [moment.history] * len(batch),
            filters=filters,
            rngs=batch,
            eos_id=eos_id,
            lengths=[length] * len(batch),
            forbidden=forbidden,
        )
        yield from _in_turn(made, len(batch), eos_id)


def repeated(moment: Moment, count: int) -> tuple[Floats, State]:
    """The logits and the state of so many streams."""
    assert moment.logits is not None
    rows = [0] * count
    logits: Floats = moment.logits[rows]
    return logits, tuple(one[rows] for one in moment.state)


def _in_turn(
    made: Iterator[tuple[list[int], list[int]]], count: int, eos_id: int | None
) -> Iterator[Iterator[int]]:
    """The tokens of each text, from rounds that bring one of each."""
    waiting = [array("i") for _ in range(count)]
    over: set[int] = set()
    for number in range(count):
        yield _of_one(number, made, waiting, over, eos_id)
        waiting[number] = array("i")


def _of_one(
    number: int,
    made: Iterator[tuple[list[int], list[int]]],
    waiting: "list[array[int]]",
    over: set[int],
    eos_id: int | None,
) -> Iterator[int]:
    """Those that wait, and then, until the text is over, those of further rounds."""
    yield from waiting[number]
    waiting[number] = array("i")
    while number not in over:
        numbers, tokens = next(made, ([], []))
        if number not in numbers:
            return
        for other, token in zip(numbers, tokens, strict=True):
            if token == eos_id:
                over.add(other)
            elif other > number:
                waiting[other].append(token)
        if number not in over:
            yield tokens[numbers.index(number)]
