"""A model that is ready to write about sources: many at a time, in, answers out, on either backend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnngen.builtins.strategies.beam import beam_search
from rnngen.builtins.strategies.options import GREEDY, BeamOptions
from rnngen.contracts import NO_TOKEN, AnyFilter, Floats, SourceStep, State, TokenIds
from rnngen.decoding.hypothesis import Hypothesis
from rnngen.decoding.likelihood import weighed
from rnngen.decoding.sampler import feed_many, sample_many
from rnngen.decoding.text_stream import decode
from rnngen.generation.alignment import Alignment, Unit
from rnngen.numerics import log_softmax
from rnngen.registry.components import Tokenizers

BATCH = 64
"""Sources that are read side by side."""
LONGEST = 3
"""How many times as long as its source an answer may be, in tokens…"""
AT_LEAST = 256
"""…but it may always be as long as the texts that training took, this many if nobody says."""


@dataclass(frozen=True)
class Answer:
    """A text written about a source."""

    text: str
    hypothesis: Hypothesis | None
    """How good it is; None where it was drawn and nobody asked."""
    source: tuple[int, ...]
    """The source's tokens, the end token included."""


@dataclass
class Answerer:
    """Writes about sources.

    Args:
        step: the network.
        tokenizers: text ↔ ids, of both sides.
        seen: (V,) which tokens occurred in training; no others are generated.
        limit: tokens of a source above which training left pairs out.
    """

    step: SourceStep
    tokenizers: Tokenizers
    seen: "np.ndarray[Any, Any] | None" = None
    limit: int | None = None

    def __post_init__(self) -> None:
        self.eos_id = self.tokenizers.target.eos_id
        never = np.zeros(0, np.int64) if self.seen is None else np.flatnonzero(self.seen == 0)
        self.forbidden = sorted({*never.tolist()} - {self.eos_id})

    def read(self, source: str) -> tuple[int, ...]:
        """The tokens of a source, as the encoder reads them."""
        tokens: list[int] = self.tokenizers.source.encode(source).tolist()
        return (*tokens, self.tokenizers.source.eos_id)

    def too_long(self, source: str) -> bool:
        """Whether training met no source as long as this."""
        return self.limit is not None and len(self.read(source)) - 1 > self.limit

    def search(
        self,
        sources: Sequence[str],
        options: BeamOptions,
        *,
        length: int | None = None,
        prefix: str = "",
        filters: Sequence[AnyFilter] = (),
        seeds: Sequence[int] | None = None,
        attention: bool = False,
    ) -> list[list[Answer]]:
        """The best answers to each source, best first, by beam search.

        Args:
            sources: what to write about.
            options: of the search.
            length: tokens at most; in proportion to the source if not given.
            prefix: what every answer begins with; it is part of the answers.
            filters: what shapes the distribution.
            seeds: of the filters that toss coins, one a source.
            attention: whether hypotheses keep where the network looked.
        """
        read = [self.read(source) for source in sources]
        begun: list[int] = self.tokenizers.target.encode(prefix).tolist()
        found = beam_search(
            self.step,
            self.step.start(side_by_side(read)),
            [[self.eos_id, *begun]] * len(read),
            self._lengths(read, length),
            options,
            eos_id=self.eos_id,
            filters=filters,
            forbidden=self.forbidden,
            seeds=seeds,
            sources=[len(one) for one in read],
            attention=attention,
        )
        return [
            [self._answer(one, begun, source) for one in best]
            for best, source in zip(found, read, strict=True)
        ]

    def search_all(
        self,
        sources: Sequence[str],
        options: BeamOptions,
        *,
        seeds: Sequence[int] | None = None,
        **shared: Any,
    ) -> list[list[Answer]]:
        """The same for any number of sources, answered in batches of similar length."""
        found: list[list[Answer]] = [[]] * len(sources)
        for numbers in in_batches(sources, max(1, BATCH * 5 // max(5, options.width))):
            chosen = [seeds[number] for number in numbers] if seeds else None
            answers = self.search([sources[number] for number in numbers], options, seeds=chosen, **shared)
            for number, best in zip(numbers, answers, strict=True):
                found[number] = best
        return found

    def greedy(self, sources: Sequence[str]) -> list[str]:
        """The greedy answer to each source."""
        return [best[0].text for best in self.search_all(sources, GREEDY)]

    def draw(
        self,
        sources: Sequence[str],
        count: int,
        *,
        seeds: Sequence[int],
        length: int | None = None,
        prefix: str = "",
        filters: Sequence[AnyFilter] = (),
        weigh: bool = False,
    ) -> list[list[Answer]]:
        """``count`` answers to each source, drawn; each follows from its source's seed and its number.

        With ``weigh`` they come with their log-probability, that of the prefix not counted, before filters;
        their score is the mean of it per token.
        """
        begun: list[int] = self.tokenizers.target.encode(prefix).tolist()
        drawn: list[list[Answer]] = [[] for _ in sources]
        for numbers in in_batches(sources, BATCH):
            read = [self.read(sources[number]) for number in numbers]
            for one in range(count):
                found = sample_many(
                    self.step,
                    self.step.start(side_by_side(read)),
                    [[self.eos_id, *begun]] * len(read),
                    filters,
                    [np.random.default_rng([seeds[number], one]) for number in numbers],
                    eos_id=self.eos_id,
                    lengths=self._lengths(read, length),
                    forbidden=self.forbidden,
                )
                weights = self._weighed(read, begun, found, length) if weigh else [None] * len(read)
                for number, tokens, weight, source in zip(numbers, found, weights, read, strict=True):
                    text = decode(self.tokenizers.target.pieces, [*begun, *tokens])
                    drawn[number].append(Answer(text, weight, source))
        return drawn

    def _weighed(
        self,
        read: Sequence[Sequence[int]],
        begun: Sequence[int],
        found: Sequence[Sequence[int]],
        length: int | None,
    ) -> list[Hypothesis]:
        """How probable answers are; the end counts where one came to it."""
        limits = self._lengths(read, length)
        whole = [
            [*tokens, self.eos_id] if len(tokens) < limit else tokens
            for tokens, limit in zip(found, limits, strict=True)
        ]
        start = self.step.start(side_by_side(read))
        logits, state = feed_many(self.step, start, [[self.eos_id, *begun]] * len(read))
        return weighed(self.step, logits, state, whole, self.eos_id)

    @property
    def attends(self) -> bool:
        """Whether the network looks at its source."""
        return (
            self.step.attended(self.step.start(side_by_side([(self.tokenizers.source.eos_id,)]))) is not None
        )

    def _lengths(self, read: Sequence[Sequence[int]], length: int | None) -> list[int]:
        """Tokens that answers may have."""
        return [length or max(self.limit or AT_LEAST, LONGEST * len(one)) for one in read]

    def _answer(self, found: Hypothesis, begun: list[int], source: tuple[int, ...]) -> Answer:
        return Answer(decode(self.tokenizers.target.pieces, [*begun, *found.tokens]), found, source)

    def alignments(
        self, sources: Sequence[str], options: BeamOptions, text: str | None = None, unit: Unit = "character"
    ) -> list[Alignment]:
        """Where the network looked in each source while it wrote its answer or, if given, this text."""
        if text is None:
            found = self.search_all(sources, options, attention=True)
            return [self.alignment(best[0], unit) for best in found]
        return [self._reading(source, text, unit) for source in sources]

    def token_scores(self, source: str, text: str) -> list[tuple[int, float]]:
        """The tokens of a text about a source, its end too, each with its log-probability in nats."""
        targets = [*self.tokenizers.target.encode(text).tolist(), self.eos_id]
        chances = [log_softmax(logits) for logits, _ in self._given(self.read(source), targets[:-1])]
        return [(token, float(chance[0, token])) for token, chance in zip(targets, chances, strict=True)]

    def _reading(self, source: str, text: str, unit: Unit) -> Alignment:
        """Where it looks while it is given a text, token by token."""
        read, written = self.read(source), self.tokenizers.target.encode(text).tolist()
        looked = [self.step.attended(state) for _, state in self._given(read, written)]
        weights = np.concatenate([one for one in looked if one is not None])
        hypothesis = Hypothesis(tuple(written), 0.0, 0.0, weights)
        return self.alignment(Answer(text, hypothesis, read), unit)

    def _given(self, source: Sequence[int], tokens: Sequence[int]) -> Iterator[tuple[Floats, State]]:
        """Logits and state after the opening and after each of some tokens, given a source."""
        state = self.step.start(side_by_side([source]))
        for token in (self.eos_id, *tokens):
            logits, state = self.step(np.array([token]), state)
            yield logits, state

    def alignment(self, answer: Answer, unit: Unit = "character") -> Alignment:
        """Where the network looked for each token of an answer that kept it."""
        assert answer.hypothesis is not None
        assert answer.hypothesis.attention is not None
        written = [*answer.hypothesis.tokens, self.eos_id][: len(answer.hypothesis.attention)]
        source, target = self.tokenizers.source.pieces, self.tokenizers.target.pieces
        return Alignment.from_pieces(
            [source[token] for token in answer.source],
            [target[token] for token in written],
            answer.hypothesis.attention,
            unit=unit,
        )


def side_by_side(rows: Sequence[Sequence[int]]) -> TokenIds:
    """Rows of unequal lengths as one array (B,S), padded with ``NO_TOKEN``."""
    table = np.full((len(rows), max(map(len, rows))), NO_TOKEN, np.int64)
    for row, tokens in zip(table, rows, strict=True):
        row[: len(tokens)] = tokens
    return table


def in_batches(sources: Sequence[str], size: int) -> Iterator[list[int]]:
    """The numbers of the sources, in batches of similar length."""
    order = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    for at in range(0, len(order), size):
        yield order[at : at + size]
