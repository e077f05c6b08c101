"""``best-of``, ``mbr``: of several texts that are drawn, the likeliest, or the one most like the others.

::

    N candidates side by side ─▸ weighed by the network ─▸ ranked ─▸ the first of the best
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice

from rnngen.builtins.strategies.minimum_bayes_risk import utilities
from rnngen.builtins.strategies.options import BestOfOptions, MBROptions
from rnngen.builtins.strategies.sampling import BATCH, Sample
from rnngen.contracts import DecodingJob, Generated, GenerationState, Hypothesis
from rnngen.decoding.likelihood import weigh
from rnngen.decoding.prefill import next_logits, repeat_stream, select_rows
from rnngen.decoding.stop import until
from rnngen.errors import UsageError

Candidate = tuple[str, Hypothesis]
"""A text that was drawn, and how probable it is."""


class Selection:
    """Draws several candidates for each text, and keeps the one that is worth most, the first of equals.

    What was drawn up to the end of a stop text counts towards the log-probability, though that is no part of
    the text. The log-probability is the network's own, before any filter.

    Args:
        options: how many candidates there are of each text.
    """

    def __init__(self, options: "BestOfOptions | MBROptions") -> None:
        self.size = options.size

    @abstractmethod
    def worth(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return what candidates are worth beside one another."""

    def generate(self, job: DecodingJob) -> Iterator[Generated]:
        """Choose ``job.count`` texts of each prompt."""
        if None in job.max_tokens:
            raise UsageError(f"choosing among {self.size} texts needs whole ones; give a length of 0 or more")
        given = next_logits(job.model, job.prefill())
        drawn = Sample().generate(replace(job, count=job.count * self.size))
        for prompt, texts in groupby(drawn, key=lambda one: one.prompt):
            while some := [_Taken.of(job, one) for one in islice(texts, self.size)]:
                yield self._best(job, _stream(given, prompt), prompt, some)

    def _best(
        self, job: DecodingJob, given: GenerationState, prompt: int, taken: "Sequence[_Taken]"
    ) -> Generated:
        hypotheses: list[Hypothesis] = []
        for first in range(0, len(taken), BATCH):
            some = [one.weighed for one in taken[first : first + BATCH]]
            hypotheses += weigh(job.model, repeat_stream(given, len(some)), some, job.eos_id)
        worth = self.worth([(one.text, h) for one, h in zip(taken, hypotheses, strict=True)])
        best = max(range(len(taken)), key=worth.__getitem__)
        return Generated(prompt, taken[best].tokens, replace(hypotheses[best], score=worth[best]))


class BestOf(Selection):
    """Keeps the candidate of the highest log-probability per token, its end counted."""

    def worth(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return the log-probability of each per token, in nats."""
        return [hypothesis.score for _, hypothesis in candidates]


class MinimumBayesRisk(Selection):
    """Keeps the candidate that is most like all the others (Eikema and Aziz 2020, arXiv 2005.10283)."""

    def worth(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return the mean chrF of each beside all the others, 0 to 100."""
        return utilities([text for text, _ in candidates])


class _Taken:
    """A candidate, drawn up to its end or to a stop."""

    def __init__(self, text: str, tokens: list[int], weighed: list[int]) -> None:
        self.text, self.tokens, self.weighed = text, tokens, weighed

    @classmethod
    def of(cls, job: DecodingJob, generated: Generated) -> "_Taken":
        tokens: list[int] = []
        most, ended = job.max_tokens[generated.prompt] or 0, False

        def noting() -> Iterator[int]:
            nonlocal ended
            for token in generated.tokens:
                tokens.append(token)
                yield token
            ended = len(tokens) < most  # it came to its end, and was not cut off

        text = "".join(until(job.text(noting()), job.stops))
        return cls(text, tokens, [*tokens, job.eos_id] if ended else tokens)


def _stream(given: GenerationState, prompt: int) -> GenerationState:
    """One stream of several."""
    logits = None if given.logits is None else given.logits[[prompt]]
    return GenerationState((given.histories[prompt],), select_rows(given.state, [prompt]), logits)
