"""``beam``, ``diverse-beam``, ``stochastic-beam``: the search as a strategy."""

from collections.abc import Iterator

from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import DecodingJob, Generated
from rnngen.decoding.prefill import select_rows
from rnngen.errors import UsageError

ROWS = 320
"""Hypotheses of all prompts that are read side by side at most: wide beams are of fewer prompts at a time."""


class BeamSearch:
    """Searches for the most probable texts, at most as many as the beam is wide."""

    def __init__(self, options: BeamOptions) -> None:
        self.options = options

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Return the best texts of each prompt, best first."""
        from rnngen.builtins.strategies.beam.beam_search import beam_search

        if job.count > self.options.width:
            raise UsageError(
                f"count={job.count} of beam={self.options.width}: a beam finds no more texts than it is wide"
            )
        if None in job.max_tokens:
            raise UsageError("beam search has to come to an end; give a length of 0 or more")
        state, size = job.start(), max(1, ROWS // self.options.width)
        for first in range(0, len(job.prefixes), size):
            some = slice(first, first + size)
            found = beam_search(
                job.model,
                select_rows(state, some),
                job.prefixes[some],
                [most for most in job.max_tokens[some] if most is not None],
                self.options,
                eos_id=job.eos_id,
                filters=job.filters,
                forbidden=job.forbidden,
                seeds=job.seeds[some],
                sources=None if job.source_lengths is None else job.source_lengths[some],
                attention=job.attention,
            )
            for prompt, hypotheses in enumerate(found, first):
                for hypothesis in hypotheses[: job.count]:
                    yield Generated(prompt, hypothesis.tokens, hypothesis)
