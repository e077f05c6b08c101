"""``best-of``, ``mbr``: of several texts that are drawn, the likeliest, or the one most like the others.

::

    N candidates side by side ─▸ weighed by the network ─▸ ranked ─▸ the first of the best

The most probable text is often an odd one (empty, or a repetition); the one with the highest expected utility
is what the draws agree about: minimum Bayes risk (Eikema and Aziz 2020, arXiv 2005.10283). The utility is
chrF, reckoned here because n texts have n² pairs.
"""

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, groupby, islice
from typing import NamedTuple

from rnngen.builtins.strategies.options import BestOfOptions, MBROptions
from rnngen.builtins.strategies.sampling import BATCH, Sample
from rnngen.contracts import DecodingJob, Generated, GenerationState, Hypothesis
from rnngen.decoding.likelihood import weigh
from rnngen.decoding.prefill import next_logits, select_streams
from rnngen.decoding.text_stream import until
from rnngen.errors import UsageError

ORDER = 6
"""Characters of the longest n-grams."""
BETA = 2
"""Weight of recall against precision."""

Grams = list[Counter[str]]
"""The n-grams of a text, from 1 to ``ORDER``."""
Candidate = tuple[str, Hypothesis]
"""A text that was drawn, and how probable it is."""


class Selection:
    """Draws several candidates for each text, and keeps the one that is worth most, the first of equals.

    What was drawn up to the end of a stop text counts towards the log-probability, though that is no part of
    the text. The log-probability is the network's own, before any filter.
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
                yield self._best(job, given, prompt, some)

    def _best(
        self, job: DecodingJob, given: GenerationState, prompt: int, taken: "Sequence[_Taken]"
    ) -> Generated:
        hypotheses: list[Hypothesis] = []
        for first in range(0, len(taken), BATCH):
            some = [one.weighed for one in taken[first : first + BATCH]]
            hypotheses += weigh(job.model, select_streams(given, [prompt] * len(some)), some, job.eos_id)
        worth = self.worth([(one.text, h) for one, h in zip(taken, hypotheses, strict=True)])
        best = max(range(len(taken)), key=worth.__getitem__)
        return Generated(prompt, taken[best].tokens, replace(hypotheses[best], score=worth[best]))


class BestOf(Selection):
    """Keeps the candidate of the highest log-probability per token, its end counted."""

    def worth(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return the log-probability of each per token, in nats."""
        return [hypothesis.score for _, hypothesis in candidates]


class MinimumBayesRisk(Selection):
    """Keeps the candidate that is most like all the others."""

    def worth(self, candidates: Sequence[Candidate]) -> list[float]:
        """Return the mean chrF of each beside all the others, 0 to 100."""
        return utilities([text for text, _ in candidates])


class _Taken(NamedTuple):
    """A candidate, drawn up to its end or to a stop."""

    text: str
    tokens: list[int]
    weighed: list[int]
    """The tokens, and the end where it came to it."""

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


# ── chrF ───────────────────────────────────────────────────────────────────────────────────────────────────


def grams(text: str) -> Grams:
    """Count each n-gram of characters, white space left out."""
    signs = "".join(text.split())
    return [Counter(map("".join, zip(*(signs[k:] for k in range(n))))) for n in range(1, ORDER + 1)]  # noqa: B905


def chrf(hypothesis: str, reference: str) -> float:
    """chrF2 of one text beside another (Popović 2015), 0 to 100, just as sacreBLEU's ``sentence_chrf``."""
    one, other = grams(hypothesis), grams(reference)
    return f_score(_common(one, other), _sizes(one), _sizes(other))


def utilities(texts: Sequence[str]) -> list[float]:
    """The mean chrF of each text beside all the others as references, 0 to 100; 0 where there are none.

    Texts that are alike are judged once: of n, u of them different, u(u − 1)/2 pairs are compared.
    """
    times = Counter(texts)
    counted = {text: grams(text) for text in times}
    sizes = {text: _sizes(found) for text, found in counted.items()}
    sums = {text: (times[text] - 1) * chrf(text, text) for text in times}
    for one, other in combinations(times, 2):
        common = _common(counted[one], counted[other])
        sums[one] += times[other] * f_score(common, sizes[one], sizes[other])
        sums[other] += times[one] * f_score(common, sizes[other], sizes[one])
    return [sums[text] / max(len(texts) - 1, 1) for text in texts]


def f_score(common: Sequence[int], written: Sequence[int], wanted: Sequence[int]) -> float:
    """F_β, 0 to 100, of the means of precision and recall over the orders that both texts have.

    Args:
        common: the number of n-grams that both have, by order.
        written: of those of the hypothesis.
        wanted: of those of the reference.
    """
    orders = [counts for counts in zip(common, written, wanted, strict=True) if counts[1] and counts[2]]
    if not any(common):
        return 0.0
    precision = sum(match / made for match, made, _ in orders) / len(orders)
    recall = sum(match / asked for match, _, asked in orders) / len(orders)
    return 100 * (1 + BETA**2) * precision * recall / (BETA**2 * precision + recall)


def _common(one: Grams, other: Grams) -> list[int]:
    pairs = zip(one, other, strict=True)
    return [sum(min(a[gram], b[gram]) for gram in a.keys() & b.keys()) for a, b in pairs]


def _sizes(counted: Grams) -> list[int]:
    return [found.total() for found in counted]
