"""A model that is ready to write: prompts in, text out, on either backend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from rnngen.contracts import AnyFilter, StreamStep, Tokenizer
from rnngen.decode.beam import Hypothesis, beam_search, log_softmax
from rnngen.decode.options import BeamOptions
from rnngen.decode.sampling import feed, sample
from rnngen.decode.stop import until
from rnngen.decode.stream import TextStream, decode


@dataclass
class Writer:
    """Generates and scores text.

    Args:
        step: the network.
        tokenizer: text ↔ ids.
        ends: whether examples end by themselves.
        opening: what generation starts from where there is no prompt.
        seen: (V,) which tokens occurred in training; no others are generated.
    """

    step: StreamStep
    tokenizer: Tokenizer
    ends: bool
    opening: str = ""
    seen: "np.ndarray[Any, Any] | None" = None

    def __post_init__(self) -> None:
        never = np.zeros(0, np.int64) if self.seen is None else np.flatnonzero(self.seen == 0)
        allowed_end = [self.tokenizer.end] if self.ends else []
        self.forbidden = sorted({*never.tolist(), self.tokenizer.end} - {*allowed_end})

    # ── prompts ────────────────────────────────────────────────────────────────────────────────────────────

    def context(self, prompt: str) -> list[int]:
        """What the network reads before it writes: at least one token."""
        tokens: list[int] = self.tokenizer.encode(prompt).tolist()
        if self.ends:
            return [self.tokenizer.end, *tokens]
        return tokens or self.tokenizer.encode(self.opening).tolist() or [self.tokenizer.end]

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

    def tokens(self, prompt: str, filters: Sequence[AnyFilter], rng: np.random.Generator) -> Iterator[int]:
        """Draw tokens, for ever or up to the end of an example, which is not among them."""
        for token in sample(
            self.step, self.step.start(1), self.context(prompt), filters, rng, forbidden=self.forbidden
        ):
            if token == self.tokenizer.end:
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
    ) -> Iterator[str]:
        """Generate text, piece by piece.

        Args:
            prompt: what to go on from; not repeated.
            rng: where the draws come from.
            length: tokens at most; None for no limit.
            filters: what shapes the distribution.
            stops: strings at which to end; they are not part of the text.
        """
        return until(self._pieces(prompt, filters, rng, length), stops)

    def _pieces(
        self, prompt: str, filters: Sequence[AnyFilter], rng: np.random.Generator, length: int | None
    ) -> Iterator[str]:
        stream = TextStream(self.tokenizer.pieces)
        tokens = self.tokens(prompt, filters, rng)
        for _ in range(length) if length is not None else iter(int, 1):
            token = next(tokens, None)
            if token is None:
                break
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
            end=self.tokenizer.end if self.ends else None,
            filters=filters,
            forbidden=self.forbidden,
            seeds=[seed],
        )
        return [(decode(self.tokenizer.pieces, one.tokens), one) for one in found]

    # ── judging ────────────────────────────────────────────────────────────────────────────────────────────

    def score(self, text: str) -> tuple[float, int]:
        """The log-probability of a text in nats, its end included where examples end, and its tokens."""
        targets: list[int] = self.tokenizer.encode(text).tolist() + [self.tokenizer.end] * self.ends
        logits, state = feed(self.step, self.step.start(1), self.context(""))
        total = 0.0
        for target in targets:
            total += float(log_softmax(logits)[0, target])
            logits, state = self.step(np.array([target]), state)
        return total, len(targets)
