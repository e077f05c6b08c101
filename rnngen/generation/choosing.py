"""One text of several that were drawn from one prompt: the likeliest, or the one that is like the others.

::

    rngs ─▸ N drafts side by side ─▸ weighed by the network ─▸ ranked ─▸ the first of the best
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from rnngen.builtins.strategies.minimum_bayes_risk import utilities
from rnngen.builtins.strategies.options import DecodingOptions
from rnngen.contracts import AnyFilter
from rnngen.decoding.generation_state import Moment, read_out
from rnngen.decoding.hypothesis import Hypothesis
from rnngen.decoding.likelihood import weighed
from rnngen.decoding.stop import until
from rnngen.generation.side_by_side import TOGETHER, drawn, repeated
from rnngen.generation.writing import Blend, Writer

Draft = tuple[str, Hypothesis]
"""A text that was drawn, and how probable it is."""
Rank = Callable[[Sequence[Draft]], Sequence[float]]
"""What drafts are worth beside one another."""


def by_likelihood(drafts: Sequence[Draft]) -> list[float]:
    """The log-probability of each per token, in nats."""
    return [hypothesis.score for _, hypothesis in drafts]


def by_consensus(drafts: Sequence[Draft]) -> list[float]:
    """The mean chrF of each beside all the others, 0 to 100: minimum Bayes risk takes the highest."""
    return utilities([text for text, _ in drafts])


def rank_of(options: DecodingOptions) -> Rank:
    """How the drafts that somebody asked for are to be ranked."""
    return by_likelihood if options.mbr is None else by_consensus


def best(drafts: Sequence[Draft], rank: Rank) -> Draft:
    """The draft that is worth most, the first of equals; its score is what it is worth."""
    worth = rank(drafts)
    number = max(range(len(drafts)), key=worth.__getitem__)
    text, hypothesis = drafts[number]
    return text, replace(hypothesis, score=worth[number])


def chosen(
    writer: Writer,
    prompt: str,
    size: int,
    rank: Rank,
    *,
    rngs: Iterable[np.random.Generator],
    length: int,
    filters: Sequence[AnyFilter] = (),
    stops: Sequence[str] = (),
    other: "Blend | None" = None,
) -> Iterator[Draft]:
    """Of each ``size`` texts that ``Writer.write_many`` would write with these generators, the best.

    What was drawn up to the end of a stop text counts towards the log-probability, though that is no part
    of the text.

    Args:
        writer: who writes.
        prompt: what to go on from; not repeated.
        size: how many to choose from.
        rank: what they are worth.
        rngs: where the draws come from: ``size`` for each text.
        length: tokens at most.
        filters: what shapes the distribution; the log-probability is that without them.
        stops: strings at which to end.
        other: a prompt whose state is mixed in.
    """
    moment = read_out(writer.step, writer.begin(prompt, other))
    eos_id = writer.tokenizer.eos_id
    forbidden = writer.forbidden
    texts = drawn(writer.step, moment, rngs, length, filters=filters, eos_id=eos_id, forbidden=forbidden)
    taken = (_taken(writer, tokens, length, stops) for tokens in texts)
    while group := list(islice(taken, size)):
        hypotheses = _weighed(writer, moment, [tokens for _, tokens in group])
        yield best([(text, one) for (text, _), one in zip(group, hypotheses, strict=True)], rank)


def _taken(writer: Writer, tokens: Iterator[int], length: int, stops: Sequence[str]) -> tuple[str, list[int]]:
    """A text, and the tokens that were drawn for it, the end among them if it came to that."""
    noted: list[int] = []

    def noting() -> Iterator[int]:
        for token in tokens:
            noted.append(token)
            yield token
        if len(noted) < length:
            noted.append(writer.tokenizer.eos_id)

    return "".join(until(writer.pieces(noting()), stops)), noted


def _weighed(writer: Writer, moment: Moment, texts: Sequence[Sequence[int]]) -> list[Hypothesis]:
    found = []
    for first in range(0, len(texts), TOGETHER):
        some = texts[first : first + TOGETHER]
        found += weighed(writer.step, *repeated(moment, len(some)), some, writer.tokenizer.eos_id)
    return found
