"""``beam``, ``diverse-beam``, ``stochastic-beam``: the search as a strategy."""

from collections.abc import Iterator

from rnngen.builtins.strategies.options import BeamOptions
from rnngen.contracts import DecodingJob, Generated
from rnngen.errors import OptionError, UsageError


class BeamSearch:
    """Searches for the most probable texts, at most as many as the beam is wide."""

    def __init__(self, options: BeamOptions) -> None:
        self.options = options

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Return the best texts of each prompt, best first."""
        from rnngen.builtins.strategies.beam.beam_search import beam_search

        if job.count > self.options.width:
            raise OptionError(
                f"{job.count} texts of `beam={self.options.width}`: a beam finds no more than it is wide"
            )
        if None in job.max_tokens:
            raise UsageError("beam search has to come to an end; give a length of 0 or more")
        found = beam_search(
            job.model,
            job.start(),
            job.prefixes,
            [most for most in job.max_tokens if most is not None],
            self.options,
            eos_id=job.eos_id,
            filters=job.filters,
            forbidden=job.forbidden,
            seeds=job.seeds,
            sources=job.source_lengths,
            attention=job.attention,
        )
        for prompt, hypotheses in enumerate(found):
            for hypothesis in hypotheses[: job.count]:
                yield Generated(prompt, hypothesis.tokens, hypothesis)
