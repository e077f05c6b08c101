"""``beam``, ``diverse-beam``, ``stochastic-beam``: the search as a strategy."""

from collections.abc import Iterator

from rnngen.builtins.strategies.beam.beam_search import beam_search
from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import DecodingJob, Generated, Hypothesis
from rnngen.decoding.prefill import select_rows
from rnngen.errors import OptionError

ROWS = 320
"""Hypotheses that are searched side by side, over all prompts; 64 prompts with 5 each."""


class BeamSearch:
    """Searches for the most probable texts, at most as many as the beam is wide."""

    def __init__(self, options: BeamOptions) -> None:
        self.options = options

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Return the best texts of each prompt, best first."""
        if job.count > self.options.width:
            raise OptionError(
                f"`count={job.count}` of `beam={self.options.width}`: a beam finds no more texts than it is "
                "wide"
            )
        if None in job.max_tokens:
            raise OptionError("beam search has to come to an end; give a `length` of 0 or more")
        size = max(1, ROWS // max(5, self.options.width))
        for first in range(0, len(job.prefixes), size):
            rows = range(first, min(first + size, len(job.prefixes)))
            for prompt, hypotheses in zip(rows, self._search(job, rows), strict=True):
                for hypothesis in hypotheses[: job.count]:
                    yield Generated(prompt, hypothesis.tokens, hypothesis)

    def _search(self, job: DecodingJob, rows: range) -> list[list[Hypothesis]]:
        """The hypotheses of some prompts."""
        lengths = job.source_lengths
        return beam_search(
            job.model,
            select_rows(job.start(), [*rows]),
            [job.prefixes[row] for row in rows],
            [job.max_tokens[row] or 0 for row in rows],
            self.options,
            eos_id=job.eos_id,
            filters=job.filters,
            forbidden=job.forbidden,
            seeds=[job.seeds[row] for row in rows],
            sources=None if lengths is None else [lengths[row] for row in rows],
            attention=job.attention,
        )
