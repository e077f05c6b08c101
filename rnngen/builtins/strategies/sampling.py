"""``sample``, ``greedy``: tokens one after another, drawn or the most probable.

::

    text 0    ▪▪▪▪▪▪▪▪ ─▸ yielded at once
    text 1    ▪▪▪▪▪▪▪▪    waits for its turn       several texts are drawn side by side, in one batch
    text 2    ▪▪▪▪▪       came to its end
"""

from array import array
from collections.abc import Iterator
from itertools import islice

import numpy as np

from rnngen.builtins.filters.truncation import OfLogits
from rnngen.builtins.strategies.beam.search import BeamSearch
from rnngen.builtins.strategies.options import GREEDY
from rnngen.contracts import DecodingJob, Floats, Generated
from rnngen.decoding.prefill import next_logits, select_streams
from rnngen.decoding.sampler import Sampler, SamplerState, sample_rows
from rnngen.options import NoOptions

BATCH = 64
"""Texts of one prompt in a batch at most…"""
WAITING_TOKENS = 4_000_000
"""…and tokens that all of them together may come to have, since those that come later are kept till then."""


class Sample:
    """Draws each token from the filtered distribution."""

    def __init__(self, options: NoOptions | None = None) -> None:
        del options

    def sampler(self, job: DecodingJob) -> Sampler:
        """Return what draws one token at a time."""
        return Sampler(job.model, job.filters, forbidden=job.forbidden)

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Draw ``job.count`` texts of each prompt; those of one prompt are drawn side by side.

        One text, or one without an end, comes token by token. Several prompts take turns: text k of all.
        """
        sampler = self.sampler(job)
        if len(job.prefixes) > 1:
            return _of_prompts(job, sampler)
        if job.count == 1 or job.max_tokens[0] is None:
            return (Generated(0, one_text(job, sampler, 0, number)) for number in range(job.count))
        return _side_by_side(job, sampler)


class Greedy(Sample):
    """Takes the most probable token at every step; of equals the one of the lowest id."""

    def sampler(self, job: DecodingJob) -> Sampler:
        """Return what takes the most probable token, one at a time."""
        return Sampler(job.model, [*job.filters, OfLogits(_keep_best)], forbidden=job.forbidden)

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Generate the greedy text of each prompt; with scores it is a beam search of width 1."""
        if job.scores and None not in job.max_tokens and job.count == 1:
            return BeamSearch(GREEDY).generate(job)
        return super().generate(job)


def _keep_best(logits: Floats) -> Floats:
    """Forbid all tokens but the most probable of each row (B,V)."""
    best = logits.argmax(axis=-1)[:, None]
    kept = np.full_like(logits, -np.inf)
    np.put_along_axis(kept, best, np.take_along_axis(logits, best, axis=-1), axis=-1)
    return kept


def rng_of(job: DecodingJob, prompt: int, number: int) -> np.random.Generator:
    """Return where the draws of a prompt's text come from."""
    return np.random.default_rng([job.seeds[prompt], number])


def one_text(job: DecodingJob, sampler: Sampler, prompt: int, number: int) -> Iterator[int]:
    """Yield the tokens of a prompt's text as they are drawn."""
    state = sampler.start(select_streams(job.prefill(), [prompt]), [rng_of(job, prompt, number)])
    for token, _ in islice(sampler.stream(state, forget=True), job.max_tokens[prompt]):
        if token == job.eos_id:
            return
        yield token


def _side_by_side(job: DecodingJob, sampler: Sampler) -> Iterator[Generated]:
    """Several texts of one prompt; tokens are drawn when those of the first text that lacks one are taken."""
    length = job.max_tokens[0] or 0
    size = max(1, min(BATCH, WAITING_TOKENS // max(length, 1)))
    given = next_logits(job.model, job.prefill())
    for first in range(0, job.count, size):
        rngs = [rng_of(job, 0, number) for number in range(first, min(first + size, job.count))]
        texts = _Batch(job, sampler, sampler.start(select_streams(given, [0] * len(rngs)), rngs), length)
        for number in range(len(rngs)):
            yield Generated(0, texts.tokens(number))


class _Batch:
    """Texts that are drawn in one batch and handed on one after another."""

    def __init__(self, job: DecodingJob, sampler: Sampler, state: SamplerState, length: int) -> None:
        count = len(state.histories)
        self.eos_id, self.waiting = job.eos_id, [array("i") for _ in range(count)]
        self.rows = sample_rows(sampler, state, eos_id=job.eos_id, max_tokens=[length] * count)
        self.ended: set[int] = set()

    def tokens(self, number: int) -> Iterator[int]:
        """Yield those that wait, and then, until the text ends, those of further steps."""
        yield from self.waiting[number]
        self.waiting[number] = array("i")
        while number not in self.ended:
            numbers, tokens = next(self.rows, ([], []))
            if number not in numbers:
                return
            for other, token in zip(numbers, tokens, strict=True):
                if token == self.eos_id:
                    self.ended.add(other)
                elif other > number:
                    self.waiting[other].append(token)
            if number not in self.ended:
                yield tokens[numbers.index(number)]


def _of_prompts(job: DecodingJob, sampler: Sampler) -> Iterator[Generated]:
    texts: list[list[list[int]]] = [[] for _ in job.prefixes]
    for number in range(job.count):
        rngs = [rng_of(job, prompt, number) for prompt in range(len(texts))]
        for drawn in texts:
            drawn.append([])
        state = sampler.start(job.prefill(), rngs)
        for prompts, tokens in sample_rows(sampler, state, eos_id=job.eos_id, max_tokens=job.max_tokens):
            for prompt, token in zip(prompts, tokens, strict=True):
                if token != job.eos_id:
                    texts[prompt][number].append(token)
    return (Generated(prompt, text) for prompt, drawn in enumerate(texts) for text in drawn)
