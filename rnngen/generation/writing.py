"""A model that is ready to write: prompts in, text out, on either backend."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np

from rnngen.builtins.strategies.beam import beam_search
from rnngen.builtins.strategies.options import BeamOptions, ContrastiveOptions
from rnngen.contracts import AnyFilter, StreamStep, Tokenizer
from rnngen.decoding.generation_state import Moment, blend, read_up
from rnngen.decoding.hypothesis import Hypothesis
from rnngen.decoding.sampler import Sampler, feed
from rnngen.decoding.stop import until
from rnngen.decoding.text_stream import TextStream, decode
from rnngen.numerics import log_softmax

if TYPE_CHECKING:
    from rnngen.generation.drafting import Drafting
    from rnngen.generation.prefix_cache import Prefixes
    from rnngen.generation.resumable import Passage

Blend = tuple[str, float]
"""Another prompt, and how much of its state is mixed in: from 0 to 1."""


@dataclass
class Writer:
    """Generates and scores text.

    Args:
        step: the network.
        tokenizer: text ↔ ids.
        has_eos: whether examples end by themselves.
        opening: what generation starts from where there is no prompt.
        seen: (V,) which tokens occurred in training; no others are generated.
        prefixes: where the states after long prompts are kept, if they are.
        hasten: what makes a single text quicker to draw, if anything does.
    """

    step: StreamStep
    tokenizer: Tokenizer
    has_eos: bool
    opening: str = ""
    seen: "np.ndarray[Any, Any] | None" = None
    prefixes: "Prefixes | None" = None
    hasten: "Drafting | None" = None

    def __post_init__(self) -> None:
        never = np.zeros(0, np.int64) if self.seen is None else np.flatnonzero(self.seen == 0)
        allowed_end = [self.tokenizer.eos_id] if self.has_eos else []
        self.forbidden = sorted({*never.tolist(), self.tokenizer.eos_id} - {*allowed_end})

    # ── prompts ────────────────────────────────────────────────────────────────────────────────────────────

    def context(self, prompt: str) -> list[int]:
        """What the network reads before it writes: at least one token."""
        tokens: list[int] = self.tokenizer.encode(prompt).tolist()
        if self.has_eos:
            return [self.tokenizer.eos_id, *tokens]
        return tokens or self.tokenizer.encode(self.opening).tolist() or [self.tokenizer.eos_id]

    def never_seen(self, prompt: str) -> list[str]:
        """The stretches of a prompt, in whole characters, whose tokens training never met."""
        if self.seen is None or not prompt:
            return []
        ids = self.tokenizer.encode(prompt)
        strange = np.repeat(self.seen[ids] == 0, [len(self.tokenizer.pieces[token]) for token in ids])
        begins = np.cumsum([0, *(len(character.encode()) for character in prompt[:-1])])
        marked = zip(prompt, np.logical_or.reduceat(strange, begins), strict=True)
        runs = groupby(marked, key=lambda one: bool(one[1]))
        return list(dict.fromkeys("".join(c for c, _ in run) for never, run in runs if never))

    # ── generation ─────────────────────────────────────────────────────────────────────────────────────────

    def begin(self, prompt: str, other: Blend | None = None) -> Moment:
        """What texts go on from: the prompt, its state interpolated with that of another if there is one.

        Raises:
            UsageError: if the states cannot be interpolated.
        """
        one = self._read(prompt)
        return one if other is None else blend(self.step, one, self._read(other[0]), other[1])

    def _read(self, prompt: str) -> Moment:
        tokens = self.context(prompt)
        if self.prefixes is None:
            return read_up(self.step, self.step.start(1), tokens)
        return self.prefixes.read(self.step, tokens)

    def sampler(
        self,
        prompt: str,
        filters: Sequence[AnyFilter],
        rng: np.random.Generator,
        other: Blend | None = None,
    ) -> Sampler:
        """What draws the tokens of one text, for ever."""
        drawn = Sampler(self.step, self.begin(prompt, other), filters, rng, forbidden=self.forbidden)
        return self.hasten(drawn) if self.hasten else drawn

    def passage(
        self,
        prompt: str,
        *,
        rng: np.random.Generator,
        filters: Sequence[AnyFilter] = (),
        other: Blend | None = None,
    ) -> "Passage":
        """A text that can be left off and gone on with."""
        from rnngen.generation.resumable import Passage

        sampler = self.sampler(prompt, filters, rng, other)
        return Passage(sampler, self.tokenizer, len(sampler.history[0]))

    def tokens(
        self,
        prompt: str,
        filters: Sequence[AnyFilter],
        rng: np.random.Generator,
        other: Blend | None = None,
    ) -> Iterator[int]:
        """Draw tokens, for ever or up to the end of an example, which is not among them."""
        for token in self.sampler(prompt, filters, rng, other):
            if token == self.tokenizer.eos_id:
                return
            yield token

    def write(
        self,
        prompt: str,
        *,
        rng: np.random.Generator,
        length: int | None,
        filters: Sequence[AnyFilter] = (),
        stops: Sequence[str] = (),
        other: Blend | None = None,
    ) -> Iterator[str]:
        """Generate text, piece by piece.

        Args:
            prompt: what to go on from; not repeated.
            rng: where the draws come from.
            length: tokens at most; None for no limit.
            filters: what shapes the distribution.
            stops: strings at which to end; they are not part of the text.
            other: a prompt whose state is mixed in.
        """
        tokens = self.tokens(prompt, filters, rng, other)
        return until(self.pieces(tokens if length is None else islice(tokens, length)), stops)

    def write_many(
        self,
        prompt: str,
        *,
        rngs: Iterable[np.random.Generator],
        length: int,
        filters: Sequence[AnyFilter] = (),
        stops: Sequence[str] = (),
        other: Blend | None = None,
    ) -> Iterator[Iterator[str]]:
        """Generate as many texts as there are generators, side by side: text k as ``write`` does it alone.

        One after another they come, piece by piece; one must be taken, or let go, before the next.
        """
        from rnngen.generation.side_by_side import drawn

        texts = drawn(
            self.step,
            self.begin(prompt, other),
            rngs,
            length,
            filters=filters,
            eos_id=self.tokenizer.eos_id,
            forbidden=self.forbidden,
        )
        return (until(self.pieces(tokens), stops) for tokens in texts)

    def pieces(self, tokens: Iterable[int]) -> Iterator[str]:
        """The text of tokens, as they come; a character only when all its bytes are there."""
        stream = TextStream(self.tokenizer.pieces)
        for token in tokens:
            if text := stream.push(token):
                yield text
        if text := stream.flush():
            yield text

    def search(
        self,
        prompt: str,
        options: BeamOptions,
        *,
        length: int,
        filters: Sequence[AnyFilter] = (),
        seed: int = 0,
    ) -> list[tuple[str, Hypothesis]]:
        """The most probable texts, best first, by beam search."""
        (found,) = beam_search(
            self.step,
            self.step.start(1),
            [self.context(prompt)],
            [length],
            options,
            eos_id=self.tokenizer.eos_id,
            filters=filters,
            forbidden=self.forbidden,
            seeds=[seed],
        )
        return [(decode(self.tokenizer.pieces, one.tokens), one) for one in found]

    def contrast(
        self,
        prompt: str,
        options: ContrastiveOptions,
        *,
        length: int | None,
        filters: Sequence[AnyFilter] = (),
        stops: Sequence[str] = (),
        seed: int = 0,
    ) -> Iterator[str]:
        """Generate text by contrastive search, piece by piece; what ``write`` takes too means the same here.

        Raises:
            UsageError: if several networks write together.
        """
        from rnngen.builtins.strategies.contrastive import contrastive_search

        tokens = contrastive_search(
            self.step,
            self.step.start(1),
            self.context(prompt),
            options,
            filters=filters,
            forbidden=self.forbidden,
            seed=seed,
        )
        own = takewhile(lambda token: token != self.tokenizer.eos_id, islice(tokens, length))
        return until(self.pieces(own), stops)

    # ── judging ────────────────────────────────────────────────────────────────────────────────────────────

    def score(self, text: str) -> tuple[float, int]:
        """The log-probability of a text in nats, its end included where examples end, and its tokens."""
        found = self.token_scores(text)
        return sum((nats for _, nats in found), 0.0), len(found)

    def token_scores(self, text: str) -> list[tuple[int, float]]:
        """The tokens of a text, with the end where examples end, each with its log-probability in nats."""
        targets: list[int] = self.tokenizer.encode(text).tolist() + [self.tokenizer.eos_id] * self.has_eos
        logits, state = feed(self.step, self.step.start(1), self.context(""))
        found = []
        for target in targets:
            found.append((target, float(log_softmax(logits)[0, target])))
            logits, state = self.step(np.array([target]), state)
        return found
